"""kill -9 of a plugin, again and again, while clients write, read and subscribe.

BELFRY_CHAOS_KILLS says how often: a share in `./dev test`, 1,000 in `./dev chaos`.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import signal
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed

from conftest import PATIENCE, eventually

KILLS = int(os.environ.get("BELFRY_CHAOS_KILLS", "100"))
assert KILLS >= 30, "fewer would hide a leak in what fluctuates anyway"
WRITERS = 4
# The longest that one request may take: a restart, several times over.
LONGEST = 20


def children(pid):
    """Process ids and names of all children, zombies included."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            for child in (task / "children").read_text().split():
                found[int(child)] = pathlib.Path(f"/proc/{child}/comm").read_text().strip()
        except OSError:
            continue  # It ended meanwhile.
    return found


def resources(server):
    """What a crash could leave behind, by kind."""
    pid = server.process.pid
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "processes": sorted(children(pid).values()),
        "files": sorted(path.name.rstrip("0123456789") for path in server.tmp.rglob("*") if not path.is_dir()),
        "folders": sum(path.is_dir() for path in server.tmp.rglob("*")),
    }


# gRPC starts and ends some threads and descriptors of its own as it likes; what a crash leaves comes once for each kill.
FLUCTUATION = 10


def left_behind(before, after):
    """What there is more of than before, as text; empty when nothing."""
    more = [f"{kind}: {before[kind]}, then {after[kind]}" for kind in ("processes", "files", "folders") if after[kind] != before[kind]]
    return "; ".join(more + [f"{kind}: {before[kind]}, then {after[kind]}" for kind in ("descriptors", "threads")
                             if after[kind] > before[kind] + FLUCTUATION])


def metric(server, name):
    for line in server.request("GET", "sys/metrics?format=prometheus").text.splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


class Client:
    """Writes and reads one key over a connection of its own, and books every request under what became of it."""

    def __init__(self, address, key, path, body):
        self.key, self.path, self.body = key, path, body
        self.sent = self.writes = self.stored_unanswered = 0
        self.outcomes = collections.Counter()
        self.acknowledged = []
        self.trouble = []
        self.slowest = 0.0
        self.stop = threading.Event()
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _ask(self, method, body=None):
        self.sent += 1
        begin = time.monotonic()
        self._connection.request(method, f"/v1/{self.path}", body=json.dumps(body) if body else None, headers={"X-Vault-Token": "root"})
        response = self._connection.getresponse()
        text = response.read().decode()
        self.slowest = max(self.slowest, time.monotonic() - begin)
        if response.status in (200, 204):
            self.outcomes["answered"] += 1
            return json.loads(text) if text else {}
        errors = json.loads(text).get("errors", [])
        if response.status in (409, 500, 503) and len(errors) == 1 and errors[0].strip():
            self.outcomes["clear error"] += 1
            self.stored_unanswered += response.status == 409
        else:
            self.outcomes["neither"] += 1
            self.trouble.append((method, response.status, text))
        return None

    def _run(self):
        try:
            n = 0
            while not self.stop.is_set():
                n += 1
                self.writes = n
                written = self._ask("PUT", self.body(n))
                if written is not None:
                    self.acknowledged.append((n, written.get("data", {}).get("version")))
                    self._ask("GET")
        except Exception as error:  # A connection that broke or a request that hung.
            self.trouble.append(repr(error))

    def join(self):
        self.stop.set()
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive(), f"{self.key}: a request hangs"
        self._connection.close()


class Subscriber:
    """Keeps (path, version) of every event."""

    def __init__(self, server):
        self.seen = set()
        self._socket = server.subscribe("*")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while True:
                metadata = json.loads(self._socket.recv())["data"]["event"]["metadata"]
                self.seen.add((metadata.get("path"), metadata.get("current_version")))
        except ConnectionClosed:
            pass

    def close(self):
        self._socket.close()
        self._thread.join(timeout=PATIENCE)


def started(pid):
    """When a process was started, in ticks: with its id it names it for good, while the id alone is used again."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2:].split()[19])


def kill_once_it_answers(server, name, clients, killed):
    """kill -9 of the plugin that runs, as soon as it has answered some request since its start."""
    def running():
        found = []
        for pid, comm in children(server.process.pid).items():
            with contextlib.suppress(OSError):  # It was reaped meanwhile.
                if comm == name and (pid, started(pid)) not in killed:
                    found.append((pid, started(pid)))
        return found

    assert eventually(running), f"no {name} was started again after {len(killed)} kills: {server.log_text()[-2000:]}"
    answered = sum(client.outcomes["answered"] for client in clients)
    assert eventually(lambda: sum(client.outcomes["answered"] for client in clients) > answered + len(killed) % 7), "no request is answered"
    for process in running():
        os.kill(process[0], signal.SIGKILL)
        killed.add(process)


def test_a_plugin_killed_under_load_costs_no_answer_no_event_and_nothing_that_stays(server):
    address = server.address
    # Once round everything before the first count, so that what is made once is there.
    server.request("PUT", "secret/data/warm", {"data": {"n": 0}})
    (plugin,) = [pid for pid, name in children(server.process.pid).items() if name == "belfry-kv"]
    warm = resources(server)
    os.kill(plugin, signal.SIGKILL)
    assert server.request("GET", "secret/data/warm").status == 200
    assert eventually(lambda: resources(server)["files"] == warm["files"])
    restarts = metric(server, "belfry_plugin_restarts_total")
    before = resources(server)

    subscriber = Subscriber(server)
    clients = [Client(address, f"w{n}", f"secret/data/w{n}", lambda n: {"data": {"n": n}}) for n in range(WRITERS)]
    killed = set()
    begin = time.monotonic()
    try:
        while len(killed) < KILLS:
            kill_once_it_answers(server, "belfry-kv", clients, killed)
    finally:
        for client in clients:
            client.join()
    passed = time.monotonic() - begin

    # The last one is started by this request at the latest.
    finals = {client.key: server.request("GET", client.path).data for client in clients}
    outcomes = sum((client.outcomes for client in clients), collections.Counter())
    sent = sum(client.sent for client in clients)
    print(f"{len(killed)} kills in {passed:.1f} s, {sent} requests: {dict(outcomes)}, slowest {max(c.slowest for c in clients):.2f} s")

    for client in clients:
        assert client.trouble == []
        assert client.slowest < LONGEST
        assert finals[client.key]["data"]["n"] >= client.acknowledged[-1][0], "an acknowledged write is lost"
        # Not more versions than writes, and at least one for each that was acknowledged or answered with 409.
        assert len(client.acknowledged) + client.stored_unanswered <= finals[client.key]["metadata"]["version"] <= client.writes
    assert sum(outcomes.values()) == sent and outcomes["neither"] == 0
    assert outcomes["answered"] > 2 * KILLS
    assert metric(server, "belfry_plugin_restarts_total") - restarts == len(killed)

    expected = {(client.path, str(version)) for client in clients for _, version in client.acknowledged}
    assert eventually(lambda: expected <= subscriber.seen), f"no event for {sorted(expected - subscriber.seen)[:5]}"
    subscriber.close()
    assert eventually(lambda: not left_behind(before, resources(server))), left_behind(before, resources(server))
