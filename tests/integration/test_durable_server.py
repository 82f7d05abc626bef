"""A server that is configured, on a disk, sealed and unsealed: what it keeps, what it shows, and what it says when the disk fails."""

import contextlib
import hashlib
import http.client
import pathlib
import re
import signal
import threading

from conftest import BIN, PATIENCE, descendants, eventually, put_plugin, with_small_files
from wall_clock import WallClock

def serve(start_configured, **options):
    server = start_configured("rocksdb", **options)
    server.initialize(shares=3, threshold=2)
    server.unseal()
    return server


def restart(server):
    assert server.stop() == 0
    server.start()
    server.unseal()


def test_everything_that_is_stored_is_there_after_a_restart(start_configured):
    server = serve(start_configured)
    assert server.request("POST", "sys/mounts/team", {"type": "kv", "options": {"version": "2"}, "description": "ours"}).status == 204
    for number in range(3):
        assert server.request("PUT", "team/data/app", {"data": {"number": number}}).status == 200
    assert server.request("PUT", "sys/policies/acl/reader", {"policy": 'path "team/data/*" { capabilities = ["read"] }'}).status == 204
    assert server.request("POST", "auth/token/roles/short", {"allowed_policies": "reader", "orphan": True}).status == 204
    token = server.request("POST", "auth/token/create/short", {"policies": ["reader"]}).json["auth"]["client_token"]
    assert server.request("PUT", "cubbyhole/mine", {"a": "b"}, token=token).status == 204
    before = server.request("GET", "sys/mounts").data["team/"]
    names = server.request("GET", "sys/health", token=None).json

    restart(server)
    assert server.request("GET", "team/data/app", token=token).data["data"] == {"number": 2}
    assert server.request("GET", "team/data/app?version=1").data["data"] == {"number": 0}
    assert server.request("PUT", "team/data/app", {"data": {}}, token=token).status == 403
    assert server.request("GET", "cubbyhole/mine", token=token).data == {"a": "b"}
    assert server.request("LIST", "auth/token/roles").data["keys"] == ["short"]
    assert server.request("GET", "sys/mounts").data["team/"] == before
    after = server.request("GET", "sys/health", token=None).json
    assert (after["cluster_id"], after["cluster_name"]) == (names["cluster_id"], names["cluster_name"])


def test_a_plugin_that_hangs_while_it_is_unsealed_holds_up_no_end(start_configured, tmp_path):
    program = put_plugin(tmp_path, "belfry-kv", "slow")
    server = serve(start_configured, plugin_dir=tmp_path, settings='limits {\n  plugin_start_timeout = "1h"\n}\n')
    assert server.request("POST", "sys/mounts/slow", {"type": "slow"}).status == 204
    assert server.stop() == 0
    program.unlink()
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)
    server.start()

    def unseal():
        with contextlib.suppress(OSError, http.client.HTTPException):
            for key in server.keys:
                server.request("PUT", "sys/unseal", {"key": key}, token=None)

    unsealing = threading.Thread(target=unseal)
    unsealing.start()
    assert eventually(lambda: "sleep" in [name for _, name in descendants(server.process.pid)])
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=PATIENCE) == 0
    unsealing.join()


def test_what_expired_while_the_server_was_down_ends_at_its_start(start_configured, tmp_path, monkeypatch):
    clock = WallClock(tmp_path, monkeypatch)
    put_plugin(tmp_path, "belfry-lender")
    server = serve(start_configured, plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/lent", {"type": "lender"}).status == 204
    assert server.request("PUT", "sys/policies/acl/taker", {"policy": 'path "lent/creds/*" { capabilities = ["read"] }'}).status == 204
    made = {}
    for name, ttl in ("short", "30m"), ("long", "24h"):
        token = server.request("POST", "auth/token/create", {"policies": ["taker"], "ttl": ttl}).json["auth"]["client_token"]
        lease = server.request("GET", f"lent/creds/{name}?ttl=20h", token=token).json["lease_id"]
        assert server.request("PUT", "cubbyhole/mine", {"a": "b"}, token=token).status == 204
        made[name] = token, lease
    assert server.stop() == 0
    clock.set(3600)
    server.start()
    server.unseal()
    (short, short_lease), (long, long_lease) = made["short"], made["long"]
    assert server.request("GET", "auth/token/lookup-self", token=short).status == 403
    assert server.request("GET", "cubbyhole/mine", token=long).data == {"a": "b"}
    assert eventually(lambda: [line for line in server.request("GET", "lent/log").data["log"] if line.startswith("revoked short")])
    assert eventually(lambda: server.request("PUT", "sys/leases/lookup", {"lease_id": short_lease}).status == 400)
    assert server.request("PUT", "sys/leases/lookup", {"lease_id": long_lease}).status == 200


def test_a_deleted_mount_and_a_revoked_token_stay_gone(start_configured):
    server = serve(start_configured)
    assert server.request("POST", "sys/mounts/gone", {"type": "kv"}).status == 204
    assert server.request("PUT", "gone/a", {"a": "b"}).status == 204
    token = server.request("POST", "auth/token/create", {"policies": ["default"]}).json["auth"]["client_token"]
    assert server.request("DELETE", "sys/mounts/gone").status == 204
    assert server.request("POST", "auth/token/revoke", {"token": token}).status == 204
    restart(server)
    assert "gone/" not in server.request("GET", "sys/mounts").data
    assert server.request("GET", "auth/token/lookup-self", token=token).status == 403
    assert server.request("POST", "sys/mounts/gone", {"type": "kv"}).status == 204
    assert server.request("GET", "gone/a").status == 404


def test_the_data_directory_shows_nothing_without_the_keys(start_configured):
    server = serve(start_configured)
    planted = ["planted-secret-value", "planted-key-name", "planted-mount", "planted-policy", "planted-field", "planted-cubbyhole"]
    assert server.request("POST", "sys/mounts/planted-mount", {"type": "kv", "options": {"version": "2"}}).status == 204
    body = {"data": {"planted-field": "planted-secret-value"}}
    assert server.request("PUT", "planted-mount/data/planted-key-name", body).status == 200
    assert server.request("PUT", "sys/policies/acl/planted-policy", {"policy": 'path "planted-mount/*" { capabilities = ["read"] }'}).status == 204
    auth = server.request("POST", "auth/token/create", {"policies": ["planted-policy"]}).json["auth"]
    assert server.request("PUT", "cubbyhole/planted-cubbyhole", {"a": "planted-secret-value"}).status == 204
    planted += [auth["client_token"], auth["accessor"], server.token, *server.keys]
    assert server.stop() == 0
    files = [path for path in (server.tmp / "data").rglob("*") if path.is_file()]
    assert any(path.name.endswith((".log", ".sst")) for path in files)
    for path in files:
        data = path.read_bytes()
        assert [text for text in planted if text.encode() in data] == [], path


def test_sealing_ends_plugins_and_unsealing_brings_the_mounts_back(start_configured):
    server = serve(start_configured)
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    assert server.request("PUT", "kv/a", {"a": "b"}).status == 204
    assert server.plugins()
    assert server.request("PUT", "sys/seal").status == 204
    assert eventually(lambda: not server.plugins())
    for path in ("kv/a", "sys/mounts", "sys/events/subscribe/kv*"):
        answer = server.request("GET", path)
        assert (answer.status, answer.json) == (503, {"errors": ["Vault is sealed"]}), path
    server.unseal()
    assert server.request("GET", "kv/a").data == {"a": "b"}
    # It was 0 meanwhile, otherwise it would be 2.
    assert "\nbelfry_unsealed 1\n" in server.request("GET", "sys/metrics?format=prometheus").text


def test_neither_the_server_nor_its_plugins_leave_core_images(start_configured):
    server = serve(start_configured)
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    for pid in (server.process.pid, *server.plugins()):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits


def test_only_who_may_seals(start_configured):
    server = serve(start_configured)
    token = server.request("POST", "auth/token/create", {"policies": ["default"]}).json["auth"]["client_token"]
    for method in ("PUT", "POST"):
        assert server.request(method, "sys/seal", token=token).status == 403
        assert server.request(method, "sys/seal", token=None).status == 403
        assert server.request(method, "sys/rotate", token=token).status == 403
    assert server.request("GET", "sys/health", token=None).status == 200


def test_a_full_disk_makes_the_server_read_only_and_loses_nothing_acknowledged(start_configured):
    server = serve(start_configured, wrapper=with_small_files(3 << 20))
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    digest = hashlib.sha256((BIN / "plugins/belfry-kv").read_bytes()).hexdigest()
    written, answer = [], None
    for number in range(2000):
        answer = server.request("PUT", f"kv/{number}", {"a": "x" * 8000, "number": number})
        if answer.status != 204:
            break
        written.append(number)
    assert written
    # Whatever would have been written.
    for method, path, body in (("PUT", "kv/more", {"a": "b"}), ("PUT", "sys/policies/acl/p", {"policy": 'path "x" {}'}),
                               ("POST", "sys/mounts/other", {"type": "kv"}), ("POST", "auth/token/create", {}),
                               ("POST", "auth/token/roles/r", {}), ("PUT", "cubbyhole/mine", {"a": "b"}),
                               ("PUT", "sys/plugins/catalog/secret/other", {"command": "belfry-kv", "sha256": digest}), ("PUT", "sys/rotate", None)):
        refused = server.request(method, path, body)
        assert refused.status == 500 and "storage is read-only" in refused.text, (path, refused.status, refused.text)
    health = server.request("GET", "sys/health", token=None)
    assert health.status == 200 and health.json["storage"]["read_only"] is True
    assert "restart the server" in health.json["storage"]["reason"]
    assert "belfry_storage_read_only 1" in server.request("GET", "sys/metrics?format=prometheus").text
    assert "the storage takes no more writes" in server.log_text()
    for number in (written[0], written[-1]):
        assert server.request("GET", f"kv/{number}").data["number"] == number

    server.wrapper = ()
    restart(server)
    for number in written:
        assert server.request("GET", f"kv/{number}").data["number"] == number
    assert server.request("PUT", "kv/more", {"a": "b"}).status == 204
