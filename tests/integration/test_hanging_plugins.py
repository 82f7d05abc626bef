"""Plugins that hang: one that does not answer holds up its own requests, and nothing else.

SIGSTOP makes a plugin that is there and answers nothing; a program that prints no handshake makes one that never starts. Where time is the claim,
what is allowed is a multiple of what is meant, and a fraction of what it took when plugins were waited for one after the other.
"""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import signal
import time

import pytest

from conftest import BIN, PATIENCE, alive, descendants, eventually, unread_bytes

# From the signal to the end of the server (Limits::server_stop_timeout), and what a loaded machine may add.
STOP_LIMIT = 10
SLACK = 15


def pids_of(server, name):
    """The processes of a plugin, by what the server says of them."""
    plugins = server.request("GET", "sys/plugins/processes").data["plugins"]
    return [process["pid"] for plugin in plugins if plugin["name"] == name for process in plugin["running"]]


def children_named(server, name):
    return [pid for pid, comm in descendants(server.process.pid) if comm == name]


def script(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kv_named(folder, *names):
    """kv under other names, so that each is a process of its own."""
    for name in names:
        script(folder, name, f"exec {BIN}/plugins/belfry-kv")


def mount(server, path, plugin="kv"):
    answer = server.request("POST", f"sys/mounts/{path}", {"type": plugin})
    assert answer.status == 204, answer.text


def stop_process(pid):
    """Returns when it has stopped: until then one of its threads might still answer."""
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def ends_within(server, seconds):
    """Sends SIGTERM; how long the end took, or a failure."""
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=PATIENCE + seconds) == 0
    passed = time.monotonic() - begin
    assert passed < seconds, f"the end took {passed:.1f} s"


class Asked(list):
    """Futures of requests, and the connections on which they have been sent."""
    sent = ()


@contextlib.contextmanager
def under_way(server, *requests):
    """These requests, on threads and connections of their own, until the block is left; what became of them is not the claim."""
    connections, sent = [], []

    def ask(method, path, body):
        connection = http.client.HTTPConnection(server.address, timeout=PATIENCE + 60)
        connections.append(connection)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(method, "/v1/" + path, body=body, headers={"X-Vault-Token": "root"})
            sent.append(connection)
            return connection.getresponse().status
        return None

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(requests)) as pool:
        asked = Asked(pool.submit(ask, *(request + (None,) * (3 - len(request)))) for request in requests)
        asked.sent = sent
        try:
            yield asked
        finally:
            for connection in connections:
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(2)


def check_security_operations(server):
    """Each of them, answered, and in force with its answer."""
    begin = time.monotonic()
    token = server.request("POST", "auth/token/create", {"policies": ["default"]}).json["auth"]["client_token"]
    assert server.request("GET", "auth/token/lookup-self", token=token).status == 200
    assert server.request("PUT", "cubbyhole/a", {"b": "c"}, token=token).status == 204
    assert server.request("GET", "cubbyhole/a", token=token).data == {"b": "c"}
    assert server.request("PUT", "sys/policies/acl/p", {"policy": 'path "a" { capabilities = ["read"] }'}).status == 204
    assert server.request("POST", "auth/token/roles/r", {"orphan": True}).status == 204
    once = server.request("POST", "auth/token/create", {"num_uses": 1}).json["auth"]["client_token"]
    assert server.request("GET", "auth/token/lookup-self", token=once).status == 200
    assert server.request("GET", "auth/token/lookup-self", token=once).status == 403
    assert server.request("POST", "auth/token/revoke", {"token": token}).status == 204
    assert server.request("GET", "auth/token/lookup-self", token=token).status == 403
    passed = time.monotonic() - begin
    assert passed < SLACK, f"security operations took {passed:.1f} s"


def test_starts_that_hang_hold_up_no_revocation_no_policy_and_no_end(start_server, tmp_path):
    sha256 = script(tmp_path, "silent", "exec sleep 600")
    server = start_server(plugin_dir=tmp_path)
    # More than the threads that security operations have, fewer than starts there may be at once.
    bodies = [f'{{"sha256":"{sha256}","command":"silent","version":"v1.0.{n}"}}' for n in range(12)]
    with under_way(server, *[("PUT", "sys/plugins/catalog/secret/silent", body) for body in bodies]) as asked:
        assert eventually(lambda: len(children_named(server, "sleep")) == 12)
        check_security_operations(server)
        # Another plugin's mounts come and go meanwhile.
        mount(server, "other")
        assert server.request("DELETE", "sys/mounts/other").status == 204
        assert not any(one.done() for one in asked)
        ends_within(server, STOP_LIMIT + SLACK)


def test_more_starts_than_may_be_under_way_are_answered_503(start_server, tmp_path):
    sha256 = script(tmp_path, "silent", "exec sleep 600")
    server = start_server(plugin_dir=tmp_path)
    bodies = [f'{{"sha256":"{sha256}","command":"silent","version":"v1.0.{n}"}}' for n in range(16)]
    with under_way(server, *[("PUT", "sys/plugins/catalog/secret/silent", body) for body in bodies]):
        assert eventually(lambda: len(children_named(server, "sleep")) == 16)
        answer = server.request("PUT", "sys/plugins/catalog/secret/silent", {"sha256": sha256, "command": "silent", "version": "v2.0.0"})
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json["errors"] == ["16 plugins are being started at this moment, which is the limit; try again"]
        ends_within(server, STOP_LIMIT + SLACK)


def test_unmounting_plugins_that_hang_holds_up_no_revocation(start_server, tmp_path):
    names = [f"evil{n}" for n in range(6)]
    kv_named(tmp_path, *names)
    server = start_server(plugin_dir=tmp_path)
    for name in names:
        mount(server, name, name)
        assert server.request("PUT", f"{name}/a", {"b": "c"}).status == 204
        stop_process(pids_of(server, name)[0])
    with under_way(server, *[("GET", f"{name}/a") for name in names], *[("DELETE", f"sys/mounts/{name}") for name in names]):
        check_security_operations(server)


def test_a_stopped_plugin_is_unmounted_soon(server):
    mount(server, "m")
    mount(server, "n")
    stopped = pids_of(server, "kv")[0]
    stop_process(stopped)
    begin = time.monotonic()
    assert server.request("DELETE", "sys/mounts/m").status == 204
    assert time.monotonic() - begin < 40  # 92 s when its roll-back was waited for.
    assert not alive(stopped)
    # The other mounts of its process have another.
    assert server.request("PUT", "n/a", {"b": "c"}).status == 204


def test_a_stopped_process_is_looked_at_once_for_all_its_mounts(server):
    for n in range(19):
        mount(server, f"m{n}")
    stopped = pids_of(server, "kv")[0]
    stop_process(stopped)
    begin = time.monotonic()
    assert server.request("PUT", "sys/plugins/reload/secret/kv", {}).status == 200
    assert time.monotonic() - begin < 25  # 40 s when it was waited for at each of the 20.
    assert not alive(stopped)
    assert server.log_text().count("it did not answer its health check within 2s") == 1
    assert server.request("PUT", "m0/a", {"b": "c"}).status == 204


@pytest.mark.parametrize("requests", [0, 1])
def test_the_server_ends_in_time_with_stopped_plugins(start_server, tmp_path, requests):
    kv_named(tmp_path, "kv2", "kv3")
    server = start_server(plugin_dir=tmp_path)
    for n in range(20):
        mount(server, f"m{n}")
    mount(server, "two", "kv2")
    mount(server, "three", "kv3")
    for name in ("kv", "kv2", "kv3"):
        stop_process(pids_of(server, name)[0])
    plugins = server.plugins()
    with under_way(server, *[("GET", f"{path}/a") for path in ("m0", "two", "three")[:3 * requests]] or [("GET", "sys/health")]) as asked:
        if requests:
            # What is read is handled before anything that comes later, the end included.
            assert eventually(lambda: [unread_bytes(server, connection) for connection in asked.sent] == [0, 0, 0])
        ends_within(server, STOP_LIMIT + SLACK)
    assert not any(alive(pid) for pid in plugins)
    log = (server.tmp / "server.log").read_text()
    # The host has killed them: they have not crashed.
    assert "crash" not in log and "[ERROR]" not in log, log
    assert log.count("plugin killed: ") == 3 and log.count("plugin stopped: ") == 3, log


def test_requests_that_the_end_of_the_server_interrupts_are_told_so(start_server):
    server = start_server()
    assert server.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
    stop_process(pids_of(server, "kv")[0])
    connections = [http.client.HTTPConnection(server.address, timeout=PATIENCE) for _ in range(3)]
    for connection in connections:
        connection.request("GET", "/v1/secret/data/a", headers={"X-Vault-Token": "root"})
    # What is read is handled before anything that comes later, the end included.
    assert eventually(lambda: [unread_bytes(server, connection) for connection in connections] == [0, 0, 0])
    ends_within(server, STOP_LIMIT + SLACK)
    for connection in connections:
        answer = connection.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["errors"] == ["the server is stopping; the request may or may not have been carried out"]
        connection.close()


def test_a_slow_restart_holds_up_no_other_plugin(start_server, tmp_path):
    names = [f"slow{n}" for n in range(5)]
    broken = tmp_path / "broken"
    for name in names:
        script(tmp_path, name, f"[ -e {broken} ] && exec sleep 600; exec {BIN}/plugins/belfry-kv")
    server = start_server(plugin_dir=tmp_path)
    for name in names:
        mount(server, name, name)
    assert server.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
    broken.touch()
    for name in names + ["kv"]:
        os.kill(pids_of(server, name)[0], signal.SIGKILL)
    with under_way(server, *[("GET", f"{name}/a") for name in names]) as asked:
        assert eventually(lambda: len(children_named(server, "sleep")) == len(names))
        answer = server.request("GET", "secret/data/a")
        assert answer.status == 200 and answer.data["data"] == {"b": "c"}
        assert not any(one.done() for one in asked)
        ends_within(server, STOP_LIMIT + SLACK)


def test_a_reload_that_fails_after_it_has_written_leaves_a_fresh_instance(start_server, tmp_path):
    script(tmp_path, "lender", f"exec {BIN}/test-plugins/belfry-lender")
    server = start_server(plugin_dir=tmp_path)
    mount(server, "db", "lender")
    before = server.request("GET", "db/instance").data["instance"]
    assert server.request("PUT", "db/trouble", {"fail_start": True}).status == 204
    answer = server.request("PUT", "sys/plugins/reload/backend", {"mounts": "db/"})
    assert answer.status == 400 and "told to fail" in answer.text
    after = server.request("GET", "db/instance").data["instance"]
    assert after != before, "what it keeps in memory may not be what is stored"
    # And it may write.
    assert server.request("PUT", "db/trouble", {"refuse": True}).status == 204


@pytest.mark.parametrize("path, body", [("auth/token/revoke", {"token": "its"}), ("sys/policies/acl/reader", {"policy": 'path "nothing" {}'})])
def test_a_request_that_waits_for_its_turn_is_asked_again_for_its_rights(server, path, body):
    """Only one of so large requests is with the plugin at once; what has not gone there yet ends with the right to it."""
    server.request("PUT", "sys/policies/acl/reader", {"policy": 'path "secret/data/large" { capabilities = ["read"] }'})
    server.request("POST", "auth/token/create", {"id": "its", "policies": ["reader"]})
    assert server.request("PUT", "secret/data/large", {"data": {"a": "x" * (8 << 20)}}).status == 200
    (kv,) = children_named(server, "belfry-kv")
    stop_process(kv)
    with concurrent.futures.ThreadPoolExecutor(max_workers=6) as pool:
        reads = [pool.submit(server.request, "GET", "secret/data/large", token="its") for _ in range(6)]
        assert server.request("PUT", path, body).status == 204
        os.kill(kv, signal.SIGCONT)
        statuses = [read.result().status for read in reads]
    assert statuses.count(200) <= 1 and statuses.count(403) >= 5, statuses
