"""Killed plugins, killed hosts, plugins that misbehave: a clear answer each time, nothing hangs, nothing is left behind."""

import json
import os
import pathlib
import signal
import stat
import threading

import pytest
from websockets.exceptions import ConnectionClosed

from conftest import BIN, PATIENCE, alive, eventually, put_plugin


def test_a_killed_plugin_is_back_for_the_next_request(server):
    assert server.request("PUT", "secret/data/a", {"data": {"n": 1}}).status == 200
    (plugin,) = server.plugins()
    os.kill(plugin, signal.SIGKILL)
    answer = server.request("GET", "secret/data/a")
    assert answer.status == 200 and answer.data["data"] == {"n": 1}
    assert server.plugins() and plugin not in server.plugins()


def test_events_flow_again_after_a_plugin_was_killed(server):
    with server.subscribe("kv*") as subscriber:
        server.request("PUT", "secret/data/a", {"data": {"n": 1}})
        subscriber.recv(timeout=PATIENCE)
        os.kill(server.plugins()[0], signal.SIGKILL)
        assert server.request("PUT", "secret/data/a", {"data": {"n": 2}}).status == 200
        event = json.loads(subscriber.recv(timeout=PATIENCE))
    assert event["data"]["event"]["metadata"]["current_version"] == "2"


def test_requests_under_way_get_an_answer_when_the_plugin_dies(server):
    statuses = []

    def write(worker):
        for n in range(25):
            statuses.append(server.request("PUT", f"secret/data/w{worker}", {"data": {"n": n}}).status)

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        for plugin in server.plugins():
            os.kill(plugin, signal.SIGKILL)
        seen = len(statuses)
        eventually(lambda: len(statuses) > seen + 5 or not any(w.is_alive() for w in writers))
    for writer in writers:
        writer.join(timeout=PATIENCE)
        assert not writer.is_alive(), "a request hangs"
    assert len(statuses) == 100
    assert set(statuses) <= {200, 409, 500, 503}
    assert statuses.count(200) > 0


def test_a_request_that_has_stored_something_is_not_sent_again(start_server, tmp_path):
    put_plugin(tmp_path, "belfry-trial")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/trial", {"type": "trial"}).status == 204
    answer = server.request("PUT", "trial/store-and-die", {})
    assert answer.status == 409, answer.text
    assert answer.json["errors"] == [
        "1 error occurred:\n\t* the plugin died after changes of this request were stored, and its answer is lost: the request was not sent "
        "again. Read what is stored before you repeat it\n\n"]
    assert server.request("GET", "trial/count").data == {"count": 1}
    # One that has stored nothing is.
    assert server.request("PUT", "trial/die-and-store", {"file": str(tmp_path / "died")}).status == 204
    assert (tmp_path / "died").exists()
    assert server.request("GET", "trial/count").data == {"count": 2}


def test_a_killed_host_leaves_no_plugin_and_no_socket(start_server):
    server = start_server()
    server.request("POST", "sys/mounts/notes", {"type": "notes"})
    plugins = server.plugins()
    assert len(plugins) == 2
    server.process.kill()
    server.process.wait(timeout=PATIENCE)
    assert eventually(lambda: not any(alive(pid) for pid in plugins)), "a plugin outlived its host"
    assert eventually(lambda: not server.sockets()), f"left behind: {server.sockets()}"


def test_a_stopped_host_leaves_no_plugin_and_no_socket(start_server):
    server = start_server()
    plugins = server.plugins()
    assert plugins and server.sockets()
    with server.subscribe("kv*") as subscriber:
        assert server.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            subscriber.recv(timeout=PATIENCE)
    assert closed.value.rcvd.code == 1001
    assert not any(alive(pid) for pid in plugins)
    assert not server.sockets()


def script(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


CERTIFICATE = "TUlJ" * 20

@pytest.mark.parametrize("text, sentence", [
    ("echo hello; exec sleep 600", "hello"),
    ("exit 3", "3"),
    ("kill -9 $$", "9"),
    ("echo '2|5|unix|/nowhere|grpc|'; exec sleep 600", "core version"),
    ("echo '1|4|unix|/nowhere|grpc|'; exec sleep 600", "version 4"),
    ("echo '1|5|unix|/nowhere|grpc|'; exec sleep 600", "certificate"),
    (f"echo '1|5|unix|/nowhere|grpc|{CERTIFICATE}'; exec sleep 600", "certificate"),
    ("echo '1|5|udp|/nowhere|grpc|'; exec sleep 600", "udp"),
])
def test_a_plugin_that_cannot_be_spoken_to_is_one_clear_sentence(start_server, tmp_path, text, sentence):
    script(tmp_path, "broken", text)
    server = start_server(plugin_dir=tmp_path)
    answer = server.request("POST", "sys/mounts/broken", {"type": "broken"})
    assert answer.status in (400, 500, 503), answer.text
    (error,) = answer.json["errors"]
    assert sentence in error and "broken" in error and "\n" not in error.strip(), error
    assert server.request("GET", "sys/mounts/broken").status == 400
    assert server.request("PUT", "secret/data/a", {"data": {"n": 1}}).status == 200


def test_a_plugin_may_flood_its_output(start_server, tmp_path):
    script(tmp_path, "noisy",
           f"head -c 3000000 /dev/zero | tr '\\0' x >&2; echo '{{\"@level\":1,\"@message\":[]}}' >&2\n"
           f"exec '{BIN}/plugins/belfry-notes'")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/noisy", {"type": "noisy"}).status == 204
    assert server.request("PUT", "noisy/notes/a", {"text": "hi"}).status == 204
    assert server.request("GET", "noisy/notes/a").data == {"text": "hi"}


def test_a_forged_mount_is_refused_and_never_delivered(start_server, tmp_path):
    put_plugin(tmp_path, "belfry-forger")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/honest", {"type": "forger"}).status == 204
    with server.subscribe("*") as subscriber:
        # The plugin sends a batch of three: honest, as if from secret/, honest.
        answer = server.request("PUT", "honest/batch", {"claim": "secret/"})
        assert answer.status == 200, answer.text
        (rejected,) = answer.data["rejected"]
        assert rejected["index"] == 1 and rejected["code"] == 7
        got = [json.loads(subscriber.recv(timeout=PATIENCE)) for _ in range(2)]
        with pytest.raises(TimeoutError):
            subscriber.recv(timeout=0.5)
    assert [e["data"]["plugin_info"]["mount_path"] for e in got] == ["honest/", "honest/"]
    assert [e["data"]["event_type"] for e in got] == ["forger/first", "forger/third"]
    metrics = server.request("GET", "sys/metrics?format=prometheus").text
    assert any(line.startswith("belfry_events_rejected_total") and line.endswith(" 1") for line in metrics.splitlines())
    assert "honest/" in server.log_text()
