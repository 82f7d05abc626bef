"""A subscription ends with the right that it stands on: the socket says why, and nothing more goes out on it."""

import json
import re
import struct

import pytest
from websockets.exceptions import ConnectionClosed

from conftest import PATIENCE, RawSubscriber, eventually, number_of, put_plugin

SUBSCRIBER = """
    path "sys/events/subscribe/*" { capabilities = ["read"] }
    path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }
    path "emitter/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }
    path "auth/token/create" { capabilities = ["update"] }"""
# The same without secret/data/forbidden and without every path of the emitter but one.
LESS = SUBSCRIBER + """
    path "secret/data/forbidden" { capabilities = ["deny"] }
    path "emitter/data/team/service/password-0" { capabilities = ["deny"] }"""


def write_policy(server, text, name="subscriber"):
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": text}).status == 204


def create(server, token="root", path="auth/token/create", **fields):
    answer = server.request("POST", path, {"policies": ["subscriber"], **fields}, token=token)
    assert answer.status == 200, answer.text
    return answer.json["auth"]


def write(server, name="a"):
    """Writes a secret; its event has been judged for every subscriber when this returns."""
    assert server.request("PUT", f"secret/data/{name}", {"data": {"n": 1}}).status == 200


def next_path(subscriber):
    return json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]["metadata"]["path"]


def closed_with(subscriber):
    """The code and reason that the server closes with, if nothing comes before that."""
    with pytest.raises(ConnectionClosed) as closed:
        event = subscriber.recv(timeout=PATIENCE)
        pytest.fail(f"something came after the end: {event}")
    assert closed.value.rcvd, "the connection ended without a close frame"
    return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.fixture
def watched(server):
    write_policy(server, SUBSCRIBER)
    return server


def by_token(server, auth):
    assert server.request("PUT", "auth/token/revoke", {"token": auth["client_token"]}).status == 204


def by_itself(server, auth):
    assert server.request("PUT", "auth/token/revoke-self", token=auth["client_token"]).status == 204


def by_accessor(server, auth):
    assert server.request("PUT", "auth/token/revoke-accessor", {"accessor": auth["accessor"]}).status == 204


def leaving_children(server, auth):
    assert server.request("PUT", "auth/token/revoke-orphan", {"token": auth["client_token"]}).status == 204


@pytest.mark.parametrize("revoke", [by_token, by_itself, by_accessor, leaving_children])
def test_a_revoked_tokens_subscription_is_closed_with_the_reason(watched, revoke):
    auth = create(watched)
    with watched.subscribe("*", token=auth["client_token"]) as subscriber, watched.subscribe("*") as other:
        write(watched)
        assert next_path(subscriber) == next_path(other) == "secret/data/a"
        revoke(watched, auth)
        write(watched, "b")
        assert closed_with(subscriber) == (1000, "token revoked")
        assert next_path(other) == "secret/data/b"


def test_a_childs_subscription_goes_with_its_parent_and_an_orphans_stays(watched):
    parent = create(watched)["client_token"]
    child = create(watched, parent)["client_token"]
    grandchild = create(watched, child)["client_token"]
    orphan = create(watched, no_parent=True)["client_token"]
    with watched.subscribe("*", token=grandchild) as subscriber, watched.subscribe("*", token=orphan) as other:
        assert watched.request("PUT", "auth/token/revoke", {"token": parent}).status == 204
        write(watched)
        assert closed_with(subscriber) == (1000, "parent token revoked")
        assert next_path(other) == "secret/data/a"


def test_an_expired_tokens_subscription_is_closed_though_nobody_asks(watched):
    token = create(watched, ttl="2s")["client_token"]
    with watched.subscribe("*", token=token) as subscriber:
        assert closed_with(subscriber) == (1000, "token expired")


def test_a_renewed_tokens_subscription_lives_on(watched):
    token = create(watched, ttl="2s")["client_token"]
    with watched.subscribe("*", token=token) as subscriber, watched.subscribe("*", token=create(watched, ttl="2s")["client_token"]) as other:
        assert watched.request("PUT", "auth/token/renew", {"token": token, "increment": "1h"}).status == 200
        assert closed_with(other) == (1000, "token expired")
        write(watched)
        assert next_path(subscriber) == "secret/data/a"


def test_a_roles_ttl_ends_its_tokens_subscriptions(watched):
    assert watched.request("POST", "auth/token/roles/brief", {"token_explicit_max_ttl": "2s", "orphan": True}).status == 204
    token = create(watched, path="auth/token/create/brief")["client_token"]
    with watched.subscribe("*", token=token) as subscriber:
        assert closed_with(subscriber) == (1000, "token expired")


def test_the_last_use_of_a_token_closes_its_subscription(watched):
    token = create(watched, num_uses=2)["client_token"]
    with watched.subscribe("*", token=token) as subscriber:
        assert watched.request("GET", "auth/token/lookup-self", token=token).status == 200
        write(watched)
        assert next_path(subscriber) == "secret/data/a"
        assert watched.request("GET", "auth/token/lookup-self", token=token).status == 200
        write(watched)
        assert closed_with(subscriber) == (1000, "token used up")


def test_a_policy_change_counts_for_the_next_event(watched):
    with watched.subscribe("*", token=create(watched)["client_token"]) as subscriber:
        write(watched, "forbidden")
        assert next_path(subscriber) == "secret/data/forbidden"
        write_policy(watched, LESS)
        write(watched, "forbidden")
        write(watched, "allowed")
        assert next_path(subscriber) == "secret/data/allowed"
        write_policy(watched, SUBSCRIBER)
        write(watched, "forbidden")
        assert next_path(subscriber) == "secret/data/forbidden"


@pytest.mark.parametrize("change", ["written", "deleted"])
def test_whoever_may_no_longer_subscribe_is_closed(watched, change):
    with watched.subscribe("*", token=create(watched)["client_token"]) as subscriber, watched.subscribe("*") as root:
        if change == "written":
            write_policy(watched, 'path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }')
        else:
            assert watched.request("DELETE", "sys/policies/acl/subscriber").status == 204
        write(watched)
        assert closed_with(subscriber) == (1000, "permission to subscribe was taken away")
        assert next_path(root) == "secret/data/a"


def test_what_a_mount_that_goes_has_told_still_arrives_and_its_successor_is_judged_anew(watched):
    with watched.subscribe("*", token=create(watched)["client_token"]) as subscriber:
        write(watched)
        assert watched.request("DELETE", "sys/mounts/secret").status == 204
        assert next_path(subscriber) == "secret/data/a"
        for path in ("other", "secret"):
            assert watched.request("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": "2"}}).status == 204
            assert eventually(lambda: watched.request("PUT", f"{path}/data/b", {"data": {"n": 1}}).status == 200)
        # Nothing of other/, though it is the same engine with the same keys.
        assert next_path(subscriber) == "secret/data/b"


def test_a_tuned_mounts_events_are_judged_as_before(watched):
    write_policy(watched, LESS)
    with watched.subscribe("*", token=create(watched)["client_token"]) as subscriber:
        assert watched.request("POST", "sys/mounts/secret/tune", {"description": "new", "max_lease_ttl": "2h"}).status in (200, 204)
        write(watched, "forbidden")
        write(watched, "allowed")
        assert next_path(subscriber) == "secret/data/allowed"


def numbers_until(subscriber, last):
    """The numbers of the events before the first frame that `last` takes, and that frame's payload."""
    numbers = []
    while True:
        opcode, payload = subscriber.frame()
        if last(opcode, payload):
            return numbers, payload
        if opcode != 9:
            assert opcode == 1, (opcode, payload)
            numbers.append(number_of(payload))


@pytest.fixture
def emitting(start_server, tmp_path):
    put_plugin(tmp_path, "belfry-emitter")
    server = start_server(plugin_dir=tmp_path)
    write_policy(server, SUBSCRIBER)
    assert server.request("POST", "sys/mounts/emitter", {"type": "emitter"}).status == 204
    return server


def metric(server, name):
    text = server.request("GET", "sys/metrics?format=prometheus").text
    return int(float(re.search(rf"^{name} (\S+)$", text, re.M).group(1)))


def emit_more_than_the_network_takes(server, paths):
    """How many events were emitted; some of them wait within the server, since nobody reads."""
    count = 0
    while count < 8000:
        answer = server.request("PUT", "emitter/emit", {"count": 1000, "at_once": 1000, "paths": paths, "first": count})
        assert answer.status == 204, answer.text
        count += 1000
    assert metric(server, "belfry_events_delivered_total") == count
    # What the kernel holds cannot be taken back, so that it is given little.
    assert metric(server, "belfry_websocket_bytes_sent_total") < 1 << 20
    assert metric(server, "belfry_websocket_frames_sent_total") < count, "the network took everything: nothing waits in the server"
    return count


def test_what_waits_for_a_slow_subscriber_does_not_leave_after_its_token(emitting):
    auth = create(emitting)
    with RawSubscriber(emitting, auth["client_token"], window=4096) as subscriber:
        count = emit_more_than_the_network_takes(emitting, paths=1)
        by_token(emitting, auth)
        received, close = numbers_until(subscriber, lambda opcode, _: opcode == 8)
        assert close == struct.pack(">H", 1000) + b"token revoked"
        assert received == list(range(len(received)))
        assert len(received) < count
        assert metric(emitting, "belfry_websocket_frames_sent_total") == len(received)
        assert metric(emitting, "belfry_websocket_frames_dropped_total") == count - len(received)


def test_what_waits_for_a_slow_subscriber_is_judged_by_the_policy_of_now(emitting):
    with RawSubscriber(emitting, create(emitting)["client_token"], window=4096) as subscriber:
        count = emit_more_than_the_network_takes(emitting, paths=2)
        write_policy(emitting, LESS)
        write(emitting, "allowed")
        received, _ = numbers_until(subscriber, lambda _, payload: b"secret/data/allowed" in payload)
        # At first both paths, then only the odd numbers of the path that is left.
        odd = received.index(next(n for n in received[1:] if n - 1 not in received))
        assert received[:odd] == list(range(odd))
        assert received[odd:] == list(range(odd + 1, count, 2))
        assert len(received) < count
