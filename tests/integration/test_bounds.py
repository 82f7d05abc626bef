"""Every cost is bounded: questions, types, filters, rules and bodies; and who may not have something cannot make the server work for it."""

import concurrent.futures
import json
import os
import re
import urllib.parse

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import PATIENCE, eventually

MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(module_servers):
    return module_servers()


@pytest.fixture
def lean_server(start_server, monkeypatch):
    """Whose memory says what it holds: a sanitizer gives back what was freed."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:malloc_context_size=0")
    return start_server()


def memory(server):
    """In bytes, without what is only mapped."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def token_with(server, name, policy, *more_policies):
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": policy}).status == 204
    answer = server.request("POST", "auth/token/create", {"policies": [name, *more_policies]})
    assert answer.status == 200, answer.text
    return answer.json["auth"]["client_token"]


def metric(server, name):
    text = server.request("GET", "sys/metrics?format=prometheus").text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def refusal(server, event_type, query):
    with pytest.raises(InvalidStatus) as refused:
        server.subscribe(event_type, query=query)
    response = refused.value.response
    return response.status_code, response.body.decode()


@pytest.mark.parametrize("endpoint, who", [("capabilities-self", {}), ("capabilities", {"token": "root"})])
@pytest.mark.parametrize("field, value, reason", [
    ("paths", ["a/" * 700_000], "a path may have 8192 bytes"),
    ("paths", ["secret/data/a", "a" * 8193], "a path may have 8192 bytes"),
    ("path", "a/" * 256 + "a", "a path may have 256 segments"),
    ("paths", ["secret/data/a"] * 513, "more than 512 paths"),
])
def test_a_question_about_capabilities_is_bounded(server, endpoint, who, field, value, reason):
    answer = server.request("POST", f"sys/{endpoint}", {field: value, **who})
    assert answer.status == 400
    assert reason in answer.json["errors"][0]


def test_what_is_within_the_bounds_is_answered(server):
    token = token_with(server, "plus", 'path "+/data/+/x" { capabilities = ["read"] }\n'
                       'path "sys/capabilities-self" { capabilities = ["update"] }')
    paths = [f"secret/data/{i}/x" for i in range(511)] + ["a/" * 255 + "a"]
    data = server.request("POST", "sys/capabilities-self", {"paths": paths}, token=token).data
    assert [data[path] for path in paths] == [["read"]] * 511 + [["deny"]]


@pytest.mark.parametrize("size", [257, 200_000, 300_000])
def test_a_type_is_no_longer_than_that_of_an_event(server, size):
    status, body = refusal(server, "a" * size, "json=true")
    # A path that long is refused as a path.
    assert status == 400, body
    assert server.request("GET", "sys/events/explain/" + "a" * size).status == 400
    if size < 8000:
        assert "an event type has at most 256 bytes" in body


def test_a_type_as_long_as_that_of_an_event_is_taken(server):
    with server.subscribe("a" * 256):
        pass
    assert server.request("GET", "sys/events/explain/" + "a" * 256).status == 200


@pytest.mark.parametrize("patterns, reason", [
    (["n" * 257], "a namespace pattern has at most 256 bytes"),
    (["n" * 400_000], "a namespace pattern has at most 256 bytes"),
    (["n"] * 64, "at most 64 namespace patterns"),
])
def test_namespace_patterns_are_bounded(server, patterns, reason):
    status, body = refusal(server, "kv*", urllib.parse.urlencode([("namespaces", pattern) for pattern in patterns]))
    assert status == 400
    assert reason in body


def test_subscriptions_leave_nothing_behind(lean_server):
    token = token_with(lean_server, "subscriber", 'path "sys/events/subscribe/*" { capabilities = ["read"] }')

    def round_of_subscriptions():
        for i in range(50):
            assert refusal(lean_server, "kv*", f"namespaces={i}" + "n" * 400_000)[0] == 400
            query = urllib.parse.urlencode([("namespaces", f"{i}-{j}-" + "n" * 200) for j in range(63)])
            with lean_server.subscribe(f"{i}*", query=query, token=token):
                pass

    round_of_subscriptions()
    before = memory(lean_server)
    for _ in range(2):
        round_of_subscriptions()
    assert eventually(lambda: metric(lean_server, "belfry_events_subscriptions") == 0)
    assert memory(lean_server) - before < 30 * MEGABYTE


def test_rights_are_asked_before_filters(server):
    token = token_with(server, "rightless", 'path "sys/events/subscribe/*" { capabilities = ["read"] }')
    denied, filtered = (metric(server, f"belfry_events_{name}_total") for name in ("denied", "filtered"))
    subscribers = [server.subscribe("*", token=token, query=urllib.parse.urlencode(
        {"filter": f"data_path matches `never{i}`"})) for i in range(20)]
    try:
        for _ in range(5):
            assert server.request("PUT", "secret/data/a", {"data": {"a": "1"}}).status == 200
        # No filter had anything to say.
        assert metric(server, "belfry_events_denied_total") - denied == 100
        assert metric(server, "belfry_events_filtered_total") - filtered == 0
    finally:
        for subscriber in subscribers:
            subscriber.close()


def test_what_a_filter_costs_its_subscriber_pays_alone(server):
    # Worked out byte by byte, as its automaton has too many states to keep.
    expensive = " or ".join(f"data_path matches `(a|b)*a(a|b){{250}}{i}`" for i in range(8))
    path = "secret/data/" + "abbabaab" * 400
    with server.subscribe("*", query=urllib.parse.urlencode({"json": "true", "filter": expensive})) as slow, \
            server.subscribe("*") as other:
        for _ in range(20):
            assert server.request("PUT", path, {"data": {"a": "1"}}).status == 200
        for _ in range(20):
            assert json.loads(other.recv(timeout=PATIENCE))["data"]["event"]["metadata"]["data_path"] == path
        slow.close()


def test_what_was_published_became_something_for_everybody(server):
    names = ("published", "delivered", "filtered", "denied", "missed", "abandoned")

    def adds_up():
        counts = {name: metric(server, f"belfry_events_{name}_total") for name in names}
        return counts.pop("published") == sum(counts.values())

    with server.subscribe("*", query=urllib.parse.urlencode({"filter": "data_path matches `^secret/data/1`"})):
        for i in range(30):
            assert server.request("PUT", f"secret/data/{i}", {"data": {"a": "1"}}).status == 200
    assert eventually(adds_up)


def test_a_right_that_goes_holds_for_what_has_passed_a_filter(start_server):
    server = start_server()
    policy = 'path "sys/events/subscribe/*" {{ capabilities = ["read"] }}\n' \
             'path "secret/data/*" {{ capabilities = ["{}"] subscribe_event_types = ["*"] }}'
    token = token_with(server, "seer", policy.format("subscribe"))
    query = urllib.parse.urlencode({"json": "true", "filter": "data_path matches `secret`"})
    with server.subscribe("kv-v2/data-write", token=token, query=query) as subscriber:
        assert server.request("PUT", "secret/data/before", {"data": {"a": "1"}}).status == 200
        assert "before" in subscriber.recv(timeout=PATIENCE)
        assert server.request("PUT", "sys/policies/acl/seer", {"policy": policy.format("deny")}).status == 204
        assert server.request("PUT", "secret/data/after", {"data": {"a": "1"}}).status == 200
        assert eventually(lambda: metric(server, "belfry_events_denied_total") >= 1)
        assert server.request("POST", "auth/token/revoke", {"token": token}).status == 204
        with pytest.raises(ConnectionClosed) as closed:
            subscriber.recv(timeout=PATIENCE)
    assert closed.value.rcvd.reason == "token revoked"


def many_rules(count):
    return "\n".join(f'path "some/+/path/{i}/*" {{ capabilities = ["read"] }}' for i in range(count))


def test_rules_are_kept_once_whatever_names_a_token_has(lean_server):
    first = token_with(lean_server, "large", many_rules(2000))
    assert lean_server.request("GET", "auth/token/lookup-self", token=first).status == 200
    before = memory(lean_server)
    tokens = []
    for i in range(100):
        answer = lean_server.request("POST", "auth/token/create", {"policies": ["large", f"nope-{i}"]})
        tokens.append(answer.json["auth"]["client_token"])
        assert lean_server.request("GET", "auth/token/lookup-self", token=tokens[-1]).status == 200
    assert memory(lean_server) - before < 60 * MEGABYTE
    for token in tokens:
        assert lean_server.request("POST", "auth/token/revoke", {"token": token}).status == 204
    assert memory(lean_server) - before < 60 * MEGABYTE


@pytest.mark.parametrize("path", ["secret/data/a", "secret/config", "nowhere/a"])
def test_a_body_for_a_forbidden_path_is_not_read(server, path):
    token = server.request("POST", "auth/token/create", {"policies": ["default"]}).json["auth"]["client_token"]
    assert server.request("PUT", path, raw="{no JSON", token=token).status == 403
    large = '{"a":[' + "0," * 10_000_000 + "no JSON"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = pool.map(lambda _: server.request("PUT", path, raw=large, token=token), range(3))
    assert [answer.status for answer in answers] == [403] * 3


def test_a_body_for_an_allowed_path_is_read(server):
    assert server.request("PUT", "secret/data/a", raw="{no JSON").status == 400
    token = token_with(server, "bounded", 'path "secret/data/*" { capabilities = ["create", "update"]\n'
                       'denied_parameters = { "options" = [] } }')
    assert server.request("PUT", "secret/data/a", raw="{no JSON", token=token).status == 400
    assert server.request("PUT", "secret/data/a", {"data": {"a": "1"}, "options": {}}, token=token).status == 403
    assert server.request("PUT", "secret/data/a", {"data": {"a": "1"}}, token=token).status == 200


def test_what_the_server_reads_itself_is_bounded(server):
    large = '{"a":[' + "0," * 10_000_000 + "0]}"
    token = server.request("POST", "auth/token/create", {"policies": ["default"]}).json["auth"]["client_token"]
    for path in ("sys/capabilities-self", "sys/policies/acl/a", "auth/token/create"):
        answer = server.request("PUT", path, raw=large, token=token)
        assert answer.status == 413
        assert "request body too large" in answer.json["errors"][0]
    # Nobody else's request was lost meanwhile.
    assert server.request("GET", "sys/health").status == 200


def test_a_body_with_too_many_values_is_refused_and_costs_nobody_memory(lean_server):
    """A value of three bytes takes up a hundred and more where it is read."""
    before = memory(lean_server)
    deep = "[" * 290 + "]" * 290
    body = '{"data":{"a":[' + ",".join([deep] * 5000) + "]}}"
    for _ in range(5):
        answer = lean_server.request("POST", "secret/data/deep", raw=body)
        assert answer.status == 400 and "it has more than 100000 values" in answer.text, answer.text
    assert memory(lean_server) - before < 60 * MEGABYTE
    flat = '{"data":{"a":[' + ",".join(["1"] * 90_000) + "]}}"
    assert lean_server.request("POST", "secret/data/flat", raw=flat).status == 200
