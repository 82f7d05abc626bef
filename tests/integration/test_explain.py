"""`sys/events/explain` and `belfry events explain`: what they say is what a subscriber gets."""

import json
import sys
import urllib.parse

from conftest import PATIENCE, ROOT

sys.path.insert(0, str(ROOT / "tests/documents"))
from document import read

POLICY = """path "sys/events/subscribe/kv*" { capabilities = ["read"] }
path "secret/data/*" {
  capabilities = ["subscribe"]
  subscribe_event_types = ["kv-v2/data-write", "kv-v2/data-patch"]
}
path "secret/metadata/team/*" {
  capabilities = ["list", "subscribe"]
  subscribe_event_types = ["kv-v2/metadata-*"]
}
path "secret/delete/+/a" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }
path "secret/data/team/hidden" { capabilities = ["deny"] }
"""


def write_policy(server, name, text):
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": text}).status == 204


def create(server, *policies):
    answer = server.request("POST", "auth/token/create", {"policies": policies})
    return answer.json["auth"]


def explain(server, event_type, token, **query):
    answer = server.request("GET", f"sys/events/explain/{event_type}?{urllib.parse.urlencode(query)}", token=token)
    assert answer.status == 200, answer.text
    return answer.data


def change_secrets(server):
    for name in ("team/a", "team/hidden", "other/a"):
        assert server.request("PUT", f"secret/data/{name}", {"data": {"x": 1}}).status == 200
        assert server.request("PUT", f"secret/metadata/{name}", {"custom_metadata": {"k": "v"}}).status == 204
        assert server.request("PUT", f"secret/delete/{name}", {"versions": [1]}).status == 204
        assert server.request("PUT", f"secret/destroy/{name}", {"versions": [1]}).status == 204
        assert server.request("DELETE", f"secret/metadata/{name}").status == 204
    assert server.request("PUT", "secret/data/the-end", {"data": {}}).status == 200


def received(subscriber):
    events = []
    while not events or events[-1][1] != "secret/data/the-end":
        event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
        events.append((event["event_type"], event["event"]["metadata"]["path"]))
    return events


def rows(table):
    return [line.split(maxsplit=4) for line in table.splitlines()]


def test_of_every_event_it_says_whether_the_subscriber_gets_it(server):
    write_policy(server, "app", POLICY)
    token = create(server, "app")["client_token"]
    with server.subscribe("kv*") as everything, server.subscribe("kv*", token=token) as some:
        change_secrets(server)
        sent, told = received(everything), received(some)
    explained = [(kind, path) for kind, path in sent
                 if explain(server, kind, token, path=path)["event"]["verdict"] == "granted"]
    assert explained == told
    assert len(sent) == 16 and 0 < len(told) < 16


def test_with_the_lines_that_it_offers_a_subscriber_gets_what_was_denied(server):
    write_policy(server, "app", POLICY)
    auth = create(server, "app", "more")
    wanted = ("kv-v2/metadata-write", "secret/metadata/other/a")
    denied = explain(server, wanted[0], auth["client_token"], path=wanted[1])["event"]
    assert denied["verdict"] == "denied" and denied["reason"] == "no rule matches"
    with server.subscribe("kv*", token=auth["client_token"]) as subscriber:
        change_secrets(server)
        assert wanted not in received(subscriber)
        write_policy(server, "more", denied["grant"])
        change_secrets(server)
        assert wanted in received(subscriber)


def test_the_command_shows_lines_and_what_to_add(server):
    write_policy(server, "app", POLICY)
    auth = create(server, "app")
    operator, server.token = server.token, auth["client_token"]
    try:
        table = server.cli("events", "explain", "-path=secret/data/team/hidden", "kv-v2/data-write").stdout
        overview = server.cli("events", "explain", "kv*").stdout
        refused = server.cli("events", "explain", "-accessor=other", "kv*", check=False)
    finally:
        server.token = operator
    assert rows(table)[-1] == ["secret/", "secret/data/team/hidden", "denied", "app:11:6", "the rule denies the path"]
    assert ["secret/", "secret/delete/+/a", "granted", "app:10:6", "the rule grants it"] in rows(overview)
    assert 'path "secret/*" {\n  capabilities = ["subscribe"]\n  subscribe_event_types = ["kv*"]\n}' in overview
    assert refused.returncode == 2 and "permission denied" in refused.stderr
    # The operator sees the same of the token by its accessor.
    asked = ("events", "explain", f"-accessor={auth['accessor']}", "-format=json", "kv*")
    data = json.loads(server.cli(*asked).stdout)
    assert data["policies"] == ["app", "default"]
    assert [mount["mount"] for mount in data["mounts"]] == ["secret/"]


def test_the_command_says_that_nothing_will_arrive_and_that_a_path_has_no_mount(server):
    nothing = "\nNo event will arrive: no rule of the token grants subscribe to this type in any mount.\n"
    write_policy(server, "reader", 'path "secret/data/*" { capabilities = ["read"] }')
    operator = server.token
    assert nothing not in server.cli("events", "explain", "kv*").stdout
    try:
        server.token = create(server, "default")["client_token"]
        without_rows = server.cli("events", "explain", "kv*").stdout
        server.token = create(server, "reader")["client_token"]
        denied = server.cli("events", "explain", "kv*").stdout
        elsewhere = server.cli("events", "explain", "-path=nowhere/x", "kv*").stdout
        here = server.cli("events", "explain", "-path=secret/data/x", "kv*").stdout
    finally:
        server.token = operator
    assert nothing + "-path=PATH shows which lines would grant the events of a path.\n" in without_rows
    assert nothing in denied and "-path=PATH" not in denied and 'path "secret/data/*" {' in denied
    assert "\nNote: the token knows of no mount there: a path begins with its mount, and what is proposed helps only where there is one.\n" in elsewhere
    assert "Note:" not in here


def test_the_document_shows_what_the_command_prints(server):
    policy, shown = read(ROOT / "docs/event_policies.md", ROOT)
    write_policy(server, "app", policy.text)
    server.token = create(server, "app")["client_token"]
    command, _, output = shown.text.partition("\n")
    assert command == "$ belfry events explain 'kv-v2/data-*'"
    assert server.cli("events", "explain", "kv-v2/data-*").stdout == output
