"""The catalog, shared processes, reloading and tuning, on real processes through the public API."""

import hashlib
import json
import os
import shutil
import signal

import pytest

from conftest import BIN, eventually


@pytest.fixture
def plugin_dir(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(BIN / "plugins" / "belfry-notes", folder / "journal")
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def processes(server, plugin):
    answer = server.request("GET", "sys/plugins/processes")
    assert answer.status == 200
    return next(p for p in answer.data["plugins"] if p["name"] == plugin)


def test_what_lies_in_the_plugin_directory_is_registered(start_server, plugin_dir):
    server = start_server(plugin_dir=plugin_dir)
    catalog = server.request("GET", "sys/plugins/catalog").data
    assert catalog["secret"] == ["journal", "kv", "notes"]
    entry = server.request("GET", "sys/plugins/catalog/secret/journal").data
    assert entry["command"] == "journal"
    assert entry["sha256"] == sha256(plugin_dir / "journal")


def test_a_registered_version_is_what_a_mount_gets(start_server, plugin_dir):
    server = start_server(plugin_dir=plugin_dir)
    body = {"command": "journal", "sha256": sha256(plugin_dir / "journal"), "version": "v0.1.0"}
    assert server.request("PUT", "sys/plugins/catalog/secret/diary", body).status == 204
    assert server.request("POST", "sys/mounts/d", {"type": "diary"}).status == 204
    assert server.request("GET", "sys/mounts/d").data["running_plugin_version"] == "v0.1.0"
    assert server.request("PUT", "d/notes/a", {"text": "hi"}).status == 204
    wrong = server.request("PUT", "sys/plugins/catalog/secret/diary", body | {"version": "v0.3.0"})
    assert wrong.status == 400
    assert "reported version v0.1.0" in wrong.text


def test_a_registered_program_that_was_replaced_waits_for_its_registration(start_server, plugin_dir):
    server = start_server(plugin_dir=plugin_dir)
    program = plugin_dir / "journal"
    body = {"command": "journal", "sha256": sha256(program), "version": "v0.1.0"}
    assert server.request("PUT", "sys/plugins/catalog/secret/diary", body).status == 204
    os.rename(program, plugin_dir / "old")
    program.write_text(f"#!/bin/sh\nexec {plugin_dir}/old\n")
    program.chmod(0o700)
    refused = server.request("POST", "sys/mounts/j", {"type": "diary"})
    assert refused.status == 400
    assert "checksums did not match" in refused.text
    assert server.request("PUT", "sys/plugins/catalog/secret/diary", body | {"sha256": sha256(program)}).status == 204
    assert server.request("POST", "sys/mounts/j", {"type": "diary"}).status == 204


def test_two_mounts_share_a_process_and_keep_their_data_apart(server):
    for mount in "ab":
        assert server.request("POST", f"sys/mounts/{mount}", {"type": "notes"}).status == 204
    assert server.request("PUT", "a/notes/x", {"text": "a"}).status == 204
    assert server.request("GET", "b/notes/x").status == 404
    running = processes(server, "notes")["running"]
    assert [p["mounts"] for p in running] == [["a/", "b/"]]
    os.kill(running[0]["pid"], signal.SIGKILL)
    assert server.request("GET", "a/notes/x").data == {"text": "a"}
    assert server.request("GET", "b/notes/x").status == 404
    after = processes(server, "notes")
    assert after["crashes"] == 1
    assert after["last_crash"] == "was ended by signal 9 (Killed)"
    assert [p["mounts"] for p in after["running"]] == [["a/", "b/"]]


def test_a_crash_is_an_event(server):
    with server.subscribe("sys/plugin-crash") as subscriber:
        (kv,) = processes(server, "kv")["running"]
        os.kill(kv["pid"], signal.SIGKILL)
        event = json.loads(subscriber.recv(timeout=30))["data"]
    assert event["event_type"] == "sys/plugin-crash"
    assert event["event"]["metadata"]["plugin"] == "kv"
    assert event["event"]["metadata"]["end"] == "was ended by signal 9 (Killed)"


def test_a_reload_brings_a_fresh_process_and_loses_nothing(server):
    assert server.request("PUT", "secret/data/a", {"data": {"k": "v"}}).status == 200
    (before,) = processes(server, "kv")["running"]
    answer = server.request("PUT", "sys/plugins/reload/backend", {"plugin": "kv"})
    assert answer.status == 200
    assert answer.data["reload_id"] == answer.json["request_id"]
    after = processes(server, "kv")
    assert [p["mounts"] for p in after["running"]] == [["secret/"]]
    assert after["running"][0]["pid"] != before["pid"]
    assert after["crashes"] == 0
    assert server.request("GET", "secret/data/a").data["data"] == {"k": "v"}


def test_a_tuned_mount_is_what_it_was_tuned_to(server):
    assert server.request("POST", "sys/mounts/secret/tune",
                          {"description": "ours", "max_lease_ttl": "30m", "options": {"x": "1"}}).status == 204
    tuned = server.request("GET", "sys/mounts/secret/tune").data
    assert tuned["description"] == "ours"
    assert tuned["max_lease_ttl"] == 1800
    assert tuned["options"] == {"version": "2", "x": "1"}
    down = server.request("POST", "sys/mounts/secret/tune", {"options": {"version": "1"}})
    assert down.status == 400
    assert down.json == {"errors": ["cannot downgrade mount from version 2"]}
    assert server.request("POST", "sys/mounts/none/tune", {"description": "x"}).status == 400


def test_a_mount_with_data_becomes_version_2_though_its_plugin_is_killed_meanwhile(server):
    assert server.request("POST", "sys/mounts/old", {"type": "kv"}).status == 204
    for n in range(500):
        assert server.request("PUT", f"old/folder{n % 7}/k{n}", {"n": n}).status == 204
    tuned = server.request("POST", "sys/mounts/old/tune", {"options": {"version": "2"}})
    assert tuned.json["warnings"] == ["Upgrading mount from version 1 to version 2. This mount will be unavailable for a brief "
                                      "period and will resume service shortly."]
    (serving,) = [p for p in processes(server, "kv")["running"] if "old/" in p["mounts"]]
    os.kill(serving["pid"], signal.SIGKILL)

    def upgraded():
        answer = server.request("GET", "old/data/folder0/k0")
        if answer.status == 400:
            assert answer.json["errors"][0].startswith("Upgrading from non-versioned to versioned data.")
        return answer.status == 200
    assert eventually(upgraded)
    for n in range(500):
        found = server.request("GET", f"old/data/folder{n % 7}/k{n}").data
        assert (found["data"], found["metadata"]["version"]) == ({"n": n}, 1)
    assert len(server.request("LIST", "old/metadata/folder3").data["keys"]) == len(range(3, 500, 7))
    assert server.request("PUT", "old/data/folder0/k0", {"data": {}}).data["version"] == 2
