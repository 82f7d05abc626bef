"""What is made for a mount, a subscription or a token goes with it: cycles of all of them, with plugins that stop answering and a wall clock that jumps.

BELFRY_CHAOS_CYCLES says how many: 10,000 in `./dev chaos`, which is where it runs: memory is never quite still.
"""

import itertools
import os
import pathlib
import random
import re
import signal

from conftest import BIN, descendants, eventually
from wall_clock import WallClock

CYCLES = int(os.environ.get("BELFRY_CHAOS_CYCLES", "60"))
SEED = int(os.environ.get("BELFRY_CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
# The share of the cycles after which everything that is made once is there.
WARM_UP = 0.3
# Of one cycle of a mount with a lease, when that leaked: 21 KB. Sanitizers keep what was freed for a while.
MOST_BYTES_A_CYCLE = 8 * 1024
ALLOWANCE = 48 * 1024 * 1024
# gRPC starts and ends some threads and descriptors of its own as it likes; a leak comes once a cycle.
FLUCTUATION = 12
# Ending a mount whose plugin is stopped takes some ten seconds.
STOPPED_EVERY = max(20, CYCLES // 50)
JUMP_EVERY = 7


def resources(server):
    pid = server.process.pid
    return {
        "bytes": int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024,
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "processes": len(descendants(pid)),
        "folders": sum(path.is_dir() for path in server.tmp.rglob("*")),
        "metrics": len(server.request("GET", "sys/metrics?format=prometheus").text.splitlines()),
    }


def grown(before, after, cycles):
    """What there is more of than may be, as text."""
    most = {kind: before[kind] + FLUCTUATION for kind in before}
    most["bytes"] = before["bytes"] + ALLOWANCE + cycles * MOST_BYTES_A_CYCLE
    return "; ".join(f"{kind}: {before[kind]}, then {after[kind]}" for kind in before if after[kind] > most[kind])


def pid_of(server, mount):
    for plugin in server.request("GET", "sys/plugins/processes").data["plugins"]:
        for process in plugin["running"]:
            if mount + "/" in process["mounts"]:
                return process["pid"]
    return None


def cycle(server, number, choose):
    """A mount on a path of its own with a secret and a lease, a token with a policy, a subscription; then none of them."""
    mount = f"soak/{number:08d}/" + "/".join(choose.choice("abcdef") * 20 for _ in range(4))
    plugin = choose.choice(["kv", "lender"])
    assert server.request("POST", f"sys/mounts/{mount}", {"type": plugin}).status == 204
    policy = f'path "{mount}/*" {{ capabilities = ["create", "read", "update"] }}'
    assert server.request("PUT", f"sys/policies/acl/soak{number}", {"policy": policy}).status == 204
    created = server.request("POST", "auth/token/create", {"policies": [f"soak{number}"], "ttl": "1h"})
    token = created.json["auth"]["client_token"]
    with server.subscribe(f"soak{number}*"):
        if plugin == "kv":
            assert server.request("PUT", f"{mount}/a", {"b": "c" * 500}, token=token).status == 204
        else:
            assert server.request("GET", f"{mount}/creds/u", token=token).status == 200
    stopped = pid_of(server, mount) if number % STOPPED_EVERY == STOPPED_EVERY - 1 else None
    if stopped is not None:
        os.kill(stopped, signal.SIGSTOP)
    assert server.request("POST", "auth/token/revoke", {"token": token}).status == 204
    assert server.request("GET", "auth/token/lookup-self", token=token).status == 403
    answer = server.request("DELETE", f"sys/mounts/{mount}")
    assert answer.status == 204, answer.text
    assert server.request("DELETE", f"sys/policies/acl/soak{number}").status == 204


def test_cycles_of_mounts_tokens_and_subscriptions_leave_nothing(start_server, tmp_path, monkeypatch):
    wall_clock = WallClock(tmp_path, monkeypatch)
    # What was freed must not pass for a leak.
    monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"] + ":quarantine_size_mb=4")
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "lender").write_text(f"#!/bin/sh\nexec {BIN}/test-plugins/belfry-lender\n")
    (folder / "lender").chmod(0o755)
    server = start_server("-log-level=error", plugin_dir=folder)
    choose = random.Random(SEED)
    print(f"{CYCLES} cycles, seed {SEED}")
    # Seconds from the machine's clock; no jump is as long as a token lasts.
    jumps = itertools.cycle([0, 600, -600, 1200, 0, -1200])
    before = None
    for number in range(CYCLES):
        if number % JUMP_EVERY == 0:
            wall_clock.set(next(jumps))
        if before is None and number >= CYCLES * WARM_UP:
            before, first = resources(server), number
        cycle(server, number, choose)
    assert eventually(lambda: not grown(before, resources(server), CYCLES - first), timeout=20), \
        grown(before, resources(server), CYCLES - first)
    after = resources(server)
    print("after the warm-up:", before, "at the end:", after)
    assert server.request("LIST", "sys/leases/lookup").status == 404
