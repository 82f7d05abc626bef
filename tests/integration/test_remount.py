"""A mount that is moved: its data and its events, and who may see them, before and after."""

import json
import threading

from conftest import PATIENCE


def test_a_moved_mount_has_its_data_and_its_events_come_from_its_new_path(server):
    assert server.request("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "2"}}).status == 204
    server.cli("kv", "put", "old/a", "x=1")
    with server.subscribe("kv-v2/data-write") as events:
        assert "Moved the secrets engine old/ to new/home/" in server.cli("secrets", "move", "old", "new/home").stdout
        server.cli("kv", "put", "new/home/a", "x=2")
        event = json.loads(events.recv(PATIENCE))["data"]
    assert event["event"]["metadata"]["path"] == "new/home/data/a"
    assert event["plugin_info"]["mount_path"] == "new/home/"
    assert server.request("GET", "new/home/data/a?version=1").json["data"]["data"] == {"x": "1"}
    assert server.request("GET", "old/data/a").status == 404


def test_a_policy_for_the_old_path_gives_nothing_at_the_new_one(server):
    assert server.request("POST", "sys/mounts/left", {"type": "kv"}).status == 204
    server.cli("kv", "put", "left/a", "x=1")
    server.request("PUT", "sys/policies/acl/left", {"policy": 'path "left/*" { capabilities = ["read", "sudo", "update"] }'})
    token = server.request("POST", "auth/token/create", {"policies": ["left"]}).json["auth"]["client_token"]
    assert server.request("GET", "left/a", token=token).status == 200
    assert server.request("POST", "sys/remount", {"from": "left", "to": "taken"}, token=token).status == 403
    assert server.request("POST", "sys/remount", {"from": "left", "to": "right"}).status == 200
    assert server.request("GET", "right/a", token=token).status == 403
    # What is mounted at the old path later is another mount.
    assert server.request("POST", "sys/mounts/left", {"type": "kv"}).status == 204
    assert server.request("GET", "left/a", token=token).status == 404


def test_no_request_finds_a_mount_half_moved(server):
    """Back and forth under readers: each gets its secret, or is told to try again, or that nothing is mounted there."""
    assert server.request("POST", "sys/mounts/here", {"type": "kv"}).status == 204
    server.cli("kv", "put", "here/a", "x=1")
    odd, done = [], threading.Event()

    def read():
        while not done.is_set():
            for path in "here/a", "there/a":
                answer = server.request("GET", path)
                if (answer.status, answer.json.get("data")) != (200, {"x": "1"}) and answer.status not in (404, 503):
                    odd.append((path, answer.status, answer.text))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for source, target in [("here", "there"), ("there", "here")] * 4:
            assert server.request("POST", "sys/remount", {"from": source, "to": target}).status == 200
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert odd == []
    assert server.request("GET", "here/a").status == 200


def test_a_mount_goes_nowhere_where_no_request_could_name_it(server):
    assert server.request("POST", "sys/mounts/named", {"type": "kv"}).status == 204
    for target in ["a\nb", "a\u0000b", "x\u202e", "a/../b", "//a", "n" * 9000, "/".join("s" * 300), "x/tune",
                   # A path of them could be named, and the one of their tuning could not.
                   "n" * 8180, "/".join("s" * 253)]:
        answer = server.request("POST", "sys/remount", {"from": "named", "to": target})
        assert answer.status == 400, (target[:20], answer.text)
    assert server.request("POST", "sys/mounts/" + "/".join("s" * 253), {"type": "kv"}).status == 400
    assert server.request("POST", "sys/mounts/" + "/".join("s" * 252), {"type": "kv"}).status == 204
    assert server.request("GET", "sys/mounts/" + "/".join("s" * 252) + "/tune").status == 200
    assert "named/" in server.request("GET", "sys/mounts").data
