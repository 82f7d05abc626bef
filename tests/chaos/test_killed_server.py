"""kill -9 of the server, again and again, while clients write secrets to three mounts, take leases, create tokens and change policies, and a
subscriber follows that goes on with its cursor after each of them, and after connections of its own that it drops.

BELFRY_CHAOS_SERVER_KILLS says how often: a few in `./dev test`, 300 in `./dev chaos`.
"""

import os
import time

from resuming import ResumingSubscriber
from workers import check, finish, prepare, start, summary

KILLS = int(os.environ.get("BELFRY_CHAOS_SERVER_KILLS", "6"))


def test_what_was_acknowledged_survives_kill_9(start_configured, tmp_path):
    server = start_configured("rocksdb", plugin_dir=tmp_path)
    prepare(server, tmp_path)
    history, started = {}, []
    subscriber = ResumingSubscriber()
    for kill in range(KILLS):
        subscriber.start(server, drop_after=[1, 7, 100, 10**9][kill % 4])
        workers = start(server, history)
        time.sleep(0.05 * (kill % 7))
        server.kill()
        finish(workers)
        subscriber.finish()
        begun = time.monotonic()
        server.start()
        assert server.request("GET", "sys/health", token=None).status == 503
        server.unseal()
        started.append(time.monotonic() - begun)
        check(server, history)
        subscriber.catch_up(server)
        subscriber.check(history)
    assert subscriber.events > 0 and subscriber.connections > 0
    print(f"{KILLS} kills: {summary(history)}; {subscriber.events} events on {subscriber.connections} connections; up again in {max(started):.2f} s at worst")
