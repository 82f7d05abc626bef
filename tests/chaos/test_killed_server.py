"""kill -9 of the server, again and again, while clients write secrets to three mounts, take leases, create tokens and change policies.

BELFRY_CHAOS_SERVER_KILLS says how often: a few in `./dev test`, 300 in `./dev chaos`.
"""

import os
import time

from workers import check, finish, prepare, start, summary

KILLS = int(os.environ.get("BELFRY_CHAOS_SERVER_KILLS", "6"))


def test_what_was_acknowledged_survives_kill_9(start_configured, tmp_path):
    server = start_configured("rocksdb", plugin_dir=tmp_path)
    prepare(server, tmp_path)
    history, started = {}, []
    for kill in range(KILLS):
        workers = start(server, history)
        time.sleep(0.05 * (kill % 7))
        server.kill()
        finish(workers)
        begun = time.monotonic()
        server.start()
        assert server.request("GET", "sys/health", token=None).status == 503
        server.unseal()
        started.append(time.monotonic() - begun)
        check(server, history)
    print(f"{KILLS} kills: {summary(history)}; up again in {max(started):.2f} s at worst")
