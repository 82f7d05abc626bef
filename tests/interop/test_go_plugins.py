"""The real kv plugin, written in Go and unmodified, under our host. The names begin with the case of the protocol's list."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl

import pytest

from conftest import PATIENCE, alive, built_kv, descendants, eventually

VERSIONS = ["v0.25.0", "v0.26.2"]


@pytest.fixture(params=VERSIONS)
def go_plugins(request):
    return built_kv(request.param)


@pytest.fixture
def host(start_server, go_plugins):
    return start_server(plugin_dir=go_plugins)


def mount(host, path, version=None):
    body = {"type": "go-kv"} | ({"options": {"version": version}} if version else {})
    answer = host.request("POST", f"sys/mounts/{path}", body)
    assert answer.status == 204, answer.text


def ask(host, method, path, body=None, status=(200, 204)):
    answer = host.patch(path, body) if method == "PATCH" else host.request(method, path, body)
    assert answer.status in status, (method, path, answer.status, answer.text)
    return answer


def gokvs(host):
    return [pid for pid, name in descendants(host.process.pid) if name == "go-kv"]


def test_B1_the_plugin_sees_the_environment_that_vault_gives(host):
    mount(host, "go", "2")
    (pid,) = gokvs(host)
    environment = dict(entry.split("=", 1) for entry in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if entry)
    assert environment["VAULT_BACKEND_PLUGIN"] == "6669da05-b1c8-4f49-97d9-c8e5bed98e20"
    assert "5" in environment["PLUGIN_PROTOCOL_VERSIONS"].split(",")
    assert environment["VAULT_PLUGIN_AUTOMTLS_ENABLED"] == "true"
    assert environment["VAULT_PLUGIN_METADATA_MODE"] == "false"
    assert environment["VAULT_VERSION"]
    assert environment["PLUGIN_CLIENT_CERT"].startswith("-----BEGIN CERTIFICATE-----\n")


def open_files(pid):
    """What each descriptor of a process leads to; the two ends of a pipe have one name, those of a socket two."""
    return {int(fd.name): os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}


def test_B1_the_plugin_inherits_its_two_pipes_and_nothing_else(host):
    mount(host, "go", "2")
    (pid,) = gokvs(host)
    files = open_files(pid)
    assert files[0] == "/dev/null"
    shared = set(files.values()) & set(open_files(host.process.pid).values()) - {"/dev/null"}
    assert shared - {"anon_inode:[eventpoll]", "anon_inode:[eventfd]"} == {files[1], files[2]}


def first_bytes_for_a_stranger(path):
    """What a server sends to one without a certificate; an HTTP/2 server begins with its settings."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(PATIENCE)
        plain.connect(str(path))
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            # With TLS 1.3 the refusal comes after the handshake: as an alert, or as the end.
            with contextlib.suppress(ssl.SSLError, ConnectionResetError):
                return connection.recv(1)
    return b""


def test_B3_a_stranger_is_refused_on_both_sides_of_the_sockets(host):
    mount(host, "go", "2")
    sockets = host.sockets()
    assert len(sockets) == 4, "for two plugins, theirs and the host's"
    assert {path: first_bytes_for_a_stranger(path) for path in sockets} == {path: b"" for path in sockets}


def test_B4_version_1_writes_reads_lists_and_deletes(host):
    mount(host, "go")
    ask(host, "PUT", "go/app/db", {"user": "joe", "nested": {"a": [1, None, "ü"]}})
    answer = ask(host, "GET", "go/app/db")
    assert answer.data == {"user": "joe", "nested": {"a": [1, None, "ü"]}}
    assert answer.json["mount_type"] == "go-kv"
    assert ask(host, "LIST", "go/").data == {"keys": ["app/"]}
    assert ask(host, "LIST", "go/app").data == {"keys": ["db"]}
    ask(host, "DELETE", "go/app/db")
    assert ask(host, "GET", "go/app/db", status=[404]).json == {"errors": []}


def test_B4_version_2_writes_reads_patches_lists_and_deletes(host):
    mount(host, "go", "2")
    assert ask(host, "PUT", "go/data/app/db", {"data": {"user": "joe", "port": 1}}).data["version"] == 1
    assert ask(host, "PATCH", "go/data/app/db", {"data": {"user": None, "host": "h"}}).data["version"] == 2
    assert ask(host, "GET", "go/data/app/db").data["data"] == {"port": 1, "host": "h"}
    assert ask(host, "GET", "go/data/app/db?version=1").data["data"] == {"user": "joe", "port": 1}
    assert ask(host, "GET", "go/subkeys/app/db").data["subkeys"] == {"host": None, "port": None}
    assert ask(host, "LIST", "go/metadata/").data == {"keys": ["app/"]}
    ask(host, "PUT", "go/metadata/app/db", {"max_versions": 5, "custom_metadata": {"k": "v"}})
    assert ask(host, "GET", "go/metadata/app/db").data["custom_metadata"] == {"k": "v"}
    ask(host, "PUT", "go/config", {"max_versions": 7})
    assert ask(host, "GET", "go/config").data["max_versions"] == 7

    ask(host, "DELETE", "go/data/app/db")
    assert ask(host, "GET", "go/data/app/db", status=[404]).data["data"] is None
    ask(host, "PUT", "go/undelete/app/db", {"versions": [2]})
    assert ask(host, "GET", "go/data/app/db").data["data"] == {"port": 1, "host": "h"}
    ask(host, "PUT", "go/destroy/app/db", {"versions": [1]})
    assert ask(host, "GET", "go/metadata/app/db").data["versions"]["1"]["destroyed"] is True
    ask(host, "DELETE", "go/metadata/app/db")
    assert ask(host, "GET", "go/data/app/db", status=[404]).json == {"errors": []}


def test_B4_check_and_set_is_refused_with_the_plugins_words(host):
    mount(host, "go", "2")
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}, "options": {"cas": 0}})
    refused = ask(host, "PUT", "go/data/a", {"data": {"n": 2}, "options": {"cas": 0}}, status=[400])
    assert refused.json["errors"] == ["check-and-set parameter did not match the current version"]
    assert ask(host, "PUT", "go/data/a", {"options": {}}, status=[400]).json["errors"] == ["no data provided"]


def test_B4_a_path_that_the_plugin_does_not_know_is_its_own_404(host):
    mount(host, "go", "2")
    answer = ask(host, "GET", "go/nosuch", status=[404])
    (warning,) = answer.json["warnings"]
    assert warning.startswith("Invalid path for a versioned K/V secrets engine")


def test_B4_the_cli_speaks_to_it_as_to_any_kv(host):
    mount(host, "go", "1")
    host.cli("kv", "put", "go/app", "user=joe")
    assert host.cli("kv", "get", "-field=user", "go/app").stdout.strip() == "joe"


def test_B7_two_mounts_see_nothing_of_each_other(host):
    mount(host, "go-a", "2")
    mount(host, "go-b", "2")
    ask(host, "PUT", "go-a/data/x", {"data": {"of": "a"}})
    assert ask(host, "GET", "go-b/data/x", status=[404]).json == {"errors": []}
    ask(host, "PUT", "go-b/data/x", {"data": {"of": "b"}})
    assert ask(host, "GET", "go-a/data/x").data["data"] == {"of": "a"}
    assert host.request("DELETE", "sys/mounts/go-a").status == 204
    assert ask(host, "GET", "go-b/data/x").data["data"] == {"of": "b"}
    # The storage of a mount goes with it.
    mount(host, "go-a", "2")
    assert ask(host, "GET", "go-a/data/x", status=[404]).json == {"errors": []}


CAUSES_V2 = [
    ("data-write", "PUT", "go/data/foo", {"data": {"a": "b"}}),
    ("data-patch", "PATCH", "go/data/foo", {"data": {"a": "c"}}),
    ("data-delete", "DELETE", "go/data/foo", None),
    ("undelete", "PUT", "go/undelete/foo", {"versions": [2]}),
    ("delete", "PUT", "go/delete/foo", {"versions": [1]}),
    ("destroy", "PUT", "go/destroy/foo", {"versions": [1]}),
    ("metadata-write", "PUT", "go/metadata/foo", {"max_versions": 7}),
    ("metadata-patch", "PATCH", "go/metadata/foo", {"max_versions": 8}),
    ("metadata-delete", "DELETE", "go/metadata/foo", None),
    ("config-write", "PUT", "go/config", {"max_versions": 5}),
]


def plugin_info(host, path):
    entry = host.request("GET", f"sys/mounts/{path}").data
    return {"mount_class": "secret", "mount_accessor": entry["accessor"], "mount_path": f"{path}/", "plugin": "go-kv",
            **({"version": entry["options"]["version"]} if entry["options"] else {})}


def test_B8_each_of_its_events_reaches_a_subscriber_with_what_the_host_knows(host):
    mount(host, "go", "2")
    info = plugin_info(host, "go")
    with host.subscribe("kv-v2*") as subscriber:
        for operation, method, path, body in CAUSES_V2:
            ask(host, method, path, body)
            event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
            assert event["event_type"] == f"kv-v2/{operation}"
            assert {k: v for k, v in event["plugin_info"].items() if v} == info
            metadata = event["event"]["metadata"]
            assert metadata["path"] == path and metadata["operation"] == operation and metadata["modified"] == "true"
            assert metadata.get("data_path", path).startswith("go/")


def test_B8_version_1_tells_of_writes_and_deletes(host):
    mount(host, "go", "1")
    info = plugin_info(host, "go")
    with host.subscribe("kv-v1*") as subscriber:
        ask(host, "PUT", "go/a/b", {"x": "y"})
        ask(host, "DELETE", "go/a/b")
        events = [json.loads(subscriber.recv(timeout=PATIENCE))["data"] for _ in range(2)]
    assert [event["event_type"] for event in events] == ["kv-v1/write", "kv-v1/delete"]
    for event in events:
        assert event["event"]["metadata"]["path"] == "go/a/b"
        assert {k: v for k, v in event["plugin_info"].items() if v} == info


def test_B8_a_binary_frame_says_the_same(host, event_received):
    mount(host, "go", "2")
    with host.subscribe("kv*", query="") as subscriber:
        ask(host, "PUT", "go/data/foo", {"data": {"a": "b"}})
        event = event_received.FromString(subscriber.recv(timeout=PATIENCE))
    assert event.event_type == "kv-v2/data-write"
    assert event.plugin_info.mount_path == "go/" and event.plugin_info.plugin == "go-kv"
    assert event.event.metadata["data_path"] == "go/data/foo"


def test_B11_killed_while_idle_it_is_back_for_the_next_request(host):
    mount(host, "go", "2")
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}})
    (before,) = gokvs(host)
    os.kill(before, signal.SIGKILL)
    assert ask(host, "GET", "go/data/a").data["data"] == {"n": 1}
    (after,) = gokvs(host)
    assert after != before


def test_B11_killed_in_the_middle_of_a_request_it_is_started_anew_and_answers_it(host):
    mount(host, "go", "2")
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}})
    (plugin,) = gokvs(host)
    os.kill(plugin, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        requests = [pool.submit(host.request, "GET", "go/data/a") for _ in range(4)]
        done, _ = concurrent.futures.wait(requests, timeout=0.5)
        assert not done, "a plugin that is stopped has answered"
        os.kill(plugin, signal.SIGKILL)
        for request in requests:
            answer = request.result(timeout=PATIENCE)
            assert (answer.status, answer.data["data"]) == (200, {"n": 1})


def test_B11_when_one_is_killed_both_mounts_go_on(host):
    for path in ("go-a", "go-b"):
        mount(host, path, "2")
        ask(host, "PUT", f"{path}/data/x", {"data": {"of": path}})
    for plugin in gokvs(host):
        os.kill(plugin, signal.SIGKILL)
    for path in ("go-a", "go-b"):
        assert ask(host, "GET", f"{path}/data/x").data["data"] == {"of": path}


def test_B11_events_flow_again_after_a_kill(host):
    mount(host, "go", "2")
    with host.subscribe("kv-v2*") as subscriber:
        for version in range(1, 4):
            ask(host, "PUT", "go/data/a", {"data": {"n": version}})
            event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]
            assert event["metadata"]["current_version"] == str(version)
            os.kill(gokvs(host)[0], signal.SIGKILL)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def processes(host, plugin):
    return [entry for entry in ask(host, "GET", "sys/plugins/processes").data["plugins"] if entry["name"] == plugin]


def test_B2_a_program_with_another_sum_than_the_registered_one_is_never_started(start_server, go_plugins, tmp_path):
    program = tmp_path / "changed"
    shutil.copy(go_plugins / "go-kv", program)
    host = start_server(plugin_dir=tmp_path)
    refused = ask(host, "PUT", "sys/plugins/catalog/secret/theirs", {"command": "changed", "sha256": "0" * 64}, status=[400])
    assert "checksums did not match" in refused.text
    ask(host, "PUT", "sys/plugins/catalog/secret/theirs", {"command": "changed", "sha256": sha256(program)})
    ask(host, "POST", "sys/mounts/go", {"type": "theirs"})
    (pid,) = [pid for pid, name in descendants(host.process.pid) if name == "changed"]
    replacement = tmp_path / "replacement"
    replacement.write_bytes(program.read_bytes() + b"x")  # It would run just as well.
    replacement.chmod(0o755)
    replacement.rename(program)
    os.kill(pid, signal.SIGKILL)
    assert "the server's log says why" in ask(host, "GET", "go/a", status=[500, 503]).text
    assert "checksums did not match" in host.log_text()
    ask(host, "POST", "sys/mounts/go2", {"type": "theirs"}, status=[400])
    assert [name for _, name in descendants(host.process.pid) if name == "changed"] == []


def test_B5_a_mount_with_data_becomes_version_2_and_keeps_it(host):
    mount(host, "go", "1")
    for n in range(100):
        ask(host, "PUT", f"go/folder/k{n}", {"n": n})
    with host.subscribe("kv-v2*") as subscriber:
        tuned = ask(host, "POST", "sys/mounts/go/tune", {"options": {"version": "2"}})
        assert tuned.json["warnings"] == ["Upgrading mount from version 1 to version 2. This mount will be unavailable for a brief "
                                          "period and will resume service shortly."]

        def upgraded():
            answer = host.request("GET", "go/data/folder/k0")
            if answer.status == 400:  # The plugin's own word while it moves the keys.
                assert answer.json["errors"][0].startswith("Upgrading from non-versioned to versioned data.")
            return answer.status == 200
        assert eventually(upgraded)
        for n in range(100):
            assert ask(host, "GET", f"go/data/folder/k{n}").data["data"] == {"n": n}
        assert len(ask(host, "LIST", "go/metadata/folder").data["keys"]) == 100
        assert ask(host, "PUT", "go/data/folder/k0", {"data": {"n": "new"}}).data["version"] == 2
        event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
    assert event["event_type"] == "kv-v2/data-write" and event["plugin_info"]["version"] == "2"
    assert ask(host, "GET", "sys/mounts/go").data["options"] == {"version": "2"}


def test_B5_a_plugin_killed_in_the_upgrade_finishes_it(host):
    mount(host, "go", "1")
    for n in range(200):
        ask(host, "PUT", f"go/k{n}", {"n": n})
    ask(host, "POST", "sys/mounts/go/tune", {"options": {"version": "2"}})
    os.kill(gokvs(host)[0], signal.SIGKILL)
    assert eventually(lambda: host.request("GET", "go/data/k0").status == 200)
    for n in range(200):
        assert ask(host, "GET", f"go/data/k{n}").data["data"] == {"n": n}


def test_B7_two_mounts_share_one_process(host):
    for path, version in (("go-a", "1"), ("go-b", "2"), ("go-c", "2")):
        mount(host, path, version)
    (pid,) = gokvs(host)
    (entry,) = processes(host, "go-kv")
    assert [(p["pid"], p["mounts"]) for p in entry["running"]] == [(pid, ["go-a/", "go-b/", "go-c/"])]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for request in [pool.submit(ask, host, "PUT", f"go-{m}/data/x{n}", {"data": {"of": m}}) for m in "bc" for n in range(20)]:
            request.result(timeout=PATIENCE)
    for m in "bc":
        assert ask(host, "GET", f"go-{m}/data/x7").data["data"] == {"of": m}
    os.kill(pid, signal.SIGKILL)
    for m in "bc":
        assert ask(host, "GET", f"go-{m}/data/x7").data["data"] == {"of": m}
    assert len(gokvs(host)) == 1, "all went to the one new process"


def test_B8_of_two_mounts_on_one_process_each_tells_its_own_events(host):
    mount(host, "go-a", "2")
    mount(host, "go-b", "2")
    infos = {path: plugin_info(host, path) for path in ("go-a", "go-b")}
    with host.subscribe("kv-v2/data-write") as subscriber:
        for n in range(10):
            for path in infos:
                ask(host, "PUT", f"{path}/data/x{n}", {"data": {"n": n}})
                event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
                assert {k: v for k, v in event["plugin_info"].items() if v} == infos[path]
                assert event["event"]["metadata"]["path"] == f"{path}/data/x{n}"


def test_B9_help_is_the_plugins(host):
    mount(host, "go", "2")
    of_all = ask(host, "GET", "go?help=1").json
    assert "This backend provides a versioned key-value store." in of_all["help"]
    of_path = ask(host, "GET", "go/data/foo?help=1").json
    assert "Write, Patch, Read, and Delete data in the Key-Value Store." in of_path["help"]
    # It names the host's version, which it has asked for.
    # Of the Vault that is reproduced: plugins compare it.
    assert of_path["openapi"]["info"]["version"] == ask(host, "GET", "sys/health").json["version"].partition("+")[0]
    assert "/data/{path}" in of_path["openapi"]["paths"]


def test_B10_a_reload_gives_a_new_process_and_loses_nothing(host):
    mount(host, "go", "2")
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}})
    (before,) = gokvs(host)
    with host.subscribe("kv-v2*") as subscriber:
        ask(host, "PUT", "sys/plugins/reload/backend", {"plugin": "go-kv"})
        assert ask(host, "PUT", "go/data/a", {"data": {"n": 2}}).data["version"] == 2
        assert json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]["metadata"]["current_version"] == "2"
    (after,) = gokvs(host)
    assert after != before


def test_B12_a_plugin_that_does_not_react_is_killed_with_the_host(start_server, go_plugins):
    host = start_server(plugin_dir=go_plugins)
    mount(host, "go", "2")
    (plugin,) = gokvs(host)
    os.kill(plugin, signal.SIGSTOP)
    assert host.stop() == 0
    assert not alive(plugin)
    assert not host.sockets()


def test_B12_unmounting_ends_the_process_and_removes_its_sockets(host):
    mount(host, "go", "2")
    (plugin,) = gokvs(host)
    before = len(host.sockets())
    assert host.request("DELETE", "sys/mounts/go").status == 204
    assert eventually(lambda: not alive(plugin))
    assert eventually(lambda: len(host.sockets()) <= before - 2)


def test_B13_the_trace_of_a_go_runtime_reaches_the_log_and_the_next_request_is_served(start_server, go_plugins):
    host = start_server("-log-level=debug", plugin_dir=go_plugins)
    mount(host, "go", "2")
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}})
    os.kill(gokvs(host)[0], signal.SIGQUIT)  # Go's runtime prints every goroutine and ends.
    assert ask(host, "GET", "go/data/a").data["data"] == {"n": 1}
    assert eventually(lambda: re.search(r"SIGQUIT: quit.*goroutine \d+", host.log_text(), re.DOTALL))


def test_B16_a_mount_moves_from_one_release_to_the_next(start_server, tmp_path):
    for version in VERSIONS:
        shutil.copy(built_kv(version) / "go-kv", tmp_path / f"go-kv-{version}")
    host = start_server(plugin_dir=tmp_path)
    for version in VERSIONS:
        ask(host, "PUT", "sys/plugins/catalog/secret/theirs",
            {"command": f"go-kv-{version}", "sha256": sha256(tmp_path / f"go-kv-{version}"), "version": version})
    old, new = VERSIONS
    ask(host, "POST", "sys/mounts/go", {"type": "theirs", "plugin_version": old, "options": {"version": "2"}})
    ask(host, "PUT", "go/data/a", {"data": {"n": 1}})
    assert ask(host, "GET", "sys/mounts/go").data["running_sha256"] == sha256(tmp_path / f"go-kv-{old}")
    ask(host, "POST", "sys/mounts/go/tune", {"plugin_version": new})
    ask(host, "PUT", "sys/plugins/reload/backend", {"mounts": ["go/"]})
    assert ask(host, "GET", "sys/mounts/go").data["running_sha256"] == sha256(tmp_path / f"go-kv-{new}")
    assert ask(host, "GET", "go/data/a").data["data"] == {"n": 1}
    with host.subscribe("kv-v2*") as subscriber:
        ask(host, "PUT", "go/data/a", {"data": {"n": 2}})
        info = json.loads(subscriber.recv(timeout=PATIENCE))["data"]["plugin_info"]
    assert (info["plugin"], info["plugin_version"]) == ("theirs", new)
