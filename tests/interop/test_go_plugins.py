"""The real kv plugin, written in Go and unmodified, under our host. The names begin with the case of the protocol's list."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from conftest import PATIENCE, ROOT, alive, descendants, eventually

VERSIONS = ["v0.25.0", "v0.26.2"]
PROGRAM = "github.com/hashicorp/vault-plugin-secrets-kv/cmd/vault-plugin-secrets-kv"


@pytest.fixture(scope="session", params=VERSIONS)
def go_plugins(request):
    """A folder with the plugin as `gokv`, built from the released module."""
    go = os.environ.get("BELFRY_GO") or shutil.which("go")
    if not go:
        pytest.skip("needs Go 1.26 (`./dev test` looks for it)")
    folder = ROOT / "build/interop" / request.param
    subprocess.run([go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", folder / "gokv", PROGRAM],
                   cwd=ROOT / "tests/interop/kv" / request.param, check=True)
    return folder


@pytest.fixture
def host(start_server, go_plugins):
    return start_server(plugin_dir=go_plugins)


def mount(host, path, version=None):
    body = {"type": "gokv"} | ({"options": {"version": version}} if version else {})
    answer = host.request("POST", f"sys/mounts/{path}", body)
    assert answer.status == 204, answer.text


def ask(host, method, path, body=None, status=(200, 204)):
    answer = host.patch(path, body) if method == "PATCH" else host.request(method, path, body)
    assert answer.status in status, (method, path, answer.status, answer.text)
    return answer


def gokvs(host):
    return [pid for pid, name in descendants(host.process.pid) if name == "gokv"]


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
    assert answer.json["mount_type"] == "gokv"
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
    return {"mount_class": "secret", "mount_accessor": entry["accessor"], "mount_path": f"{path}/", "plugin": "gokv",
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
    assert event.plugin_info.mount_path == "go/" and event.plugin_info.plugin == "gokv"
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
