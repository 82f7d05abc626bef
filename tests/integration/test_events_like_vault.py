"""Every event type that a real Vault 1.15 was recorded sending, caused the same way and compared byte for byte where nothing varies."""

import base64
import json
import re

import pytest

from conftest import PATIENCE, golden_events

# What caused the recorded events, in their order: method, path, body.
CAUSES = [
    ("POST", "secret/config", {"max_versions": 5}),
    ("PUT", "secret/data/foo", {"data": {"a": "1"}, "options": {}}),
    ("PUT", "secret/data/foo", {"data": {"a": "2"}, "options": {}}),
    ("PATCH", "secret/data/foo", {"data": {"b": "3"}}),
    ("DELETE", "secret/data/foo", None),
    ("PUT", "secret/undelete/foo", {"versions": ["3"]}),
    ("PUT", "secret/delete/foo", {"versions": ["1", "2"]}),
    ("PUT", "secret/undelete/foo", {"versions": ["1"]}),
    ("PUT", "secret/destroy/foo", {"versions": ["2"]}),
    ("PUT", "secret/metadata/foo", {"max_versions": 7}),
    ("PATCH", "secret/metadata/foo", {"custom_metadata": {"k": "v"}}),
    ("DELETE", "secret/metadata/foo", None),
    ("PUT", "kv1/a/b", {"x": "y"}),
    ("DELETE", "kv1/a/b", None),
    ("DELETE", "kv1/never", None),
]

# What we add on purpose to what 1.15 sent; newer Vault sends both.
ADDED_METADATA = {"kv-v2/destroy": {"destroyed_versions": "[2]"}}


def cause_everything(server):
    assert server.request("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}}).status == 204
    for method, path, body in CAUSES:
        answer = server.patch(path, body) if method == "PATCH" else server.request(method, path, body)
        assert answer.status in (200, 204), (method, path, answer.status, answer.text)


def masked(frame):
    """The frame as text, with what differs from run to run blanked and nothing else touched."""
    frame = re.sub(r'"id":"[0-9a-f-]{36}"', '"id":"ID"', frame)
    frame = re.sub(r'"mount_accessor":"kv_[0-9a-f]{8}"', '"mount_accessor":"ACCESSOR"', frame)
    return re.sub(r'"time":"[0-9TZ:.-]+"', '"time":"TIME"', frame)


def expected(recorded):
    """The recorded frame with our additions in place: a metadata key in its sorted position, the mount's version at the end."""
    frame = json.loads(recorded["json_text_frame"])
    metadata = frame["data"]["event"]["metadata"]
    metadata.update(ADDED_METADATA.get(recorded["event_type"], {}))
    frame["data"]["event"]["metadata"] = dict(sorted(metadata.items()))
    frame["data"]["plugin_info"]["version"] = recorded["event_type"][len("kv-v"):][0]
    return json.dumps(frame, separators=(",", ":")) + "\n"


def test_every_recorded_event_arrives_in_order_as_the_same_text(server):
    recorded = golden_events()
    assert len(recorded) == len(CAUSES)
    with server.subscribe("kv*") as subscriber:
        cause_everything(server)
        for event in recorded:
            frame = subscriber.recv(timeout=PATIENCE)
            assert isinstance(frame, str)
            assert masked(frame) == masked(expected(event))


def test_both_formats_name_the_same_events(server, event_received):
    recorded = golden_events()
    with server.subscribe("kv*") as as_json, server.subscribe("kv%2A", query="") as as_protobuf:
        cause_everything(server)
        for event in recorded:
            frame = json.loads(as_json.recv(timeout=PATIENCE))
            message = event_received.FromString(as_protobuf.recv(timeout=PATIENCE))
            theirs = event_received.FromString(base64.b64decode(event["protobuf_binary_frame_base64"]))

            assert message.event.id == frame["id"] == frame["data"]["event"]["id"]
            assert message.event_type == frame["data"]["event_type"] == event["event_type"]
            assert dict(message.event.metadata.items()) == frame["data"]["event"]["metadata"]
            assert message.plugin_info.mount_accessor == frame["data"]["plugin_info"]["mount_accessor"]

            theirs.event.id = message.event.id
            theirs.plugin_info.mount_accessor = message.plugin_info.mount_accessor
            theirs.plugin_info.version = message.plugin_info.version
            for key, value in ADDED_METADATA.get(event["event_type"], {}).items():
                theirs.event.metadata[key] = value
            assert message == theirs


@pytest.mark.parametrize("pattern, wanted", [
    ("kv-v2/data-write", ["kv-v2/data-write", "kv-v2/data-write"]),
    ("kv-v1*", ["kv-v1/write", "kv-v1/delete", "kv-v1/delete"]),
    ("*delete", ["kv-v2/data-delete", "kv-v2/undelete", "kv-v2/delete", "kv-v2/undelete", "kv-v2/metadata-delete",
                 "kv-v1/delete", "kv-v1/delete"]),
    ("k*/*-patch", ["kv-v2/data-patch", "kv-v2/metadata-patch"]),
])
def test_a_star_stands_for_anything_even_slashes(server, pattern, wanted):
    with server.subscribe(pattern) as subscriber:
        cause_everything(server)
        got = [json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event_type"] for _ in wanted]
    assert got == wanted


def test_reading_metadata_is_told_as_not_modifying(server):
    server.request("PUT", "secret/data/foo", {"data": {"a": "1"}})
    with server.subscribe("kv-v2/metadata-read") as subscriber:
        assert server.request("GET", "secret/metadata/foo").status == 200
        metadata = json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]["metadata"]
    assert metadata == {"data_path": "secret/metadata/foo", "modified": "false", "operation": "metadata-read",
                        "path": "secret/metadata/foo"}


def test_a_subscriber_gets_nothing_from_before_it_came(server):
    server.request("PUT", "secret/data/before", {"data": {"a": "1"}})
    with server.subscribe("kv*") as subscriber:
        server.request("PUT", "secret/data/after", {"data": {"a": "1"}})
        first = json.loads(subscriber.recv(timeout=PATIENCE))
    assert first["data"]["event"]["metadata"]["path"] == "secret/data/after"
