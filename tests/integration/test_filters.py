"""filter= and namespaces= on subscriptions: who asks for less gets less, and who asks wrongly is told where and why."""

import json
import os
import re
import subprocess
import urllib.parse

import pytest
from websockets.exceptions import InvalidStatus

from conftest import BIN, PATIENCE, ROOT, Lines, eventually


def query(filter_=None, *namespaces):
    pairs = [("json", "true")] + [("namespaces", pattern) for pattern in namespaces]
    return urllib.parse.urlencode(pairs + ([("filter", filter_)] if filter_ is not None else []))


def next_path(subscriber):
    return json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]["metadata"]["path"]


def write(server, path):
    assert server.request("PUT", f"secret/data/{path}", {"data": {"a": "1"}}).status == 200


def refusal(server, **options):
    with pytest.raises(InvalidStatus) as refused:
        server.subscribe("kv*", **options)
    response = refused.value.response
    return response.status_code, json.loads(response.body)["errors"]


def metric(server, name):
    text = server.request("GET", "sys/metrics?format=prometheus").text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_a_write_is_seen_through_one_filter_and_not_through_another(server):
    ours = server.subscribe("kv*", query=query('data_path matches "^secret/data/ours/"'))
    theirs = server.subscribe("kv*", query=query("theirs in data_path and operation == `data-write`"))
    everything = server.subscribe("kv*")
    with ours, theirs, everything:
        for path in ("theirs/1", "ours/2", "nobody/3", "ours/4", "theirs/5"):
            write(server, path)
        assert [next_path(ours) for _ in range(2)] == ["secret/data/ours/2", "secret/data/ours/4"]
        assert [next_path(theirs) for _ in range(2)] == ["secret/data/theirs/1", "secret/data/theirs/5"]
        assert [next_path(everything)[-1] for _ in range(5)] == ["1", "2", "3", "4", "5"]
        assert metric(server, "belfry_events_published_total") == 15
        # Filters are asked in their own time.
        assert eventually(lambda: metric(server, "belfry_events_delivered_total") == 9)
        assert eventually(lambda: metric(server, "belfry_events_filtered_total") == 6)


def test_a_filter_on_deletions_leaves_out_writes(server):
    with server.subscribe("kv*", query=query("event_type matches `delete$` and source_plugin_mount == secret/")) as deletions:
        write(server, "x")
        assert server.request("DELETE", "secret/data/x").status == 204
        assert server.request("DELETE", "secret/metadata/x").status == 204
        types = [json.loads(deletions.recv(timeout=PATIENCE))["data"]["event_type"] for _ in range(2)]
    assert types == ["kv-v2/data-delete", "kv-v2/metadata-delete"]


def test_the_binary_format_is_filtered_too(server, event_received):
    wanted = urllib.parse.urlencode({"filter": "data_path == secret/data/b"})
    with server.subscribe("kv*", query=wanted) as subscriber:
        write(server, "a")
        write(server, "b")
        event = event_received.FromString(subscriber.recv(timeout=PATIENCE))
    assert event.event.metadata["data_path"] == "secret/data/b"


@pytest.mark.parametrize("filter_, reason", [
    ("operation == data-write", '1:18 (17): no match found, expected: ".", "[", [ \\t\\r\\n], [a-zA-Z0-9_/] or EOF; hint: a value with other '
                                'characters than letters, digits, _ and / needs quotes: `data-write`'),
    ("(operation == a", '1:16 (15): rule "grouping": Unmatched parentheses'),
    ("operation == a or path == b", '1:19 (18): there is no field "path"; the fields are event_type, operation, '
                                    "source_plugin_mount, data_path, namespace, source_plugin_is_local"),
    ("source_plugin_mount == secret", "1:24 (23): no mount is called this, their paths end in '/': secret/"),
    ("source_plugin_is_local == 2", "1:27 (26): source_plugin_is_local is true or false, not this"),
    ("operation matches `a(`", "1:19 (18): this is no regular expression: missing ): a("),
    ("operation == x" + " or operation == x" * 1000, "longer than 16384 bytes"),
])
def test_a_filter_that_cannot_match_is_400_and_says_why(server, filter_, reason):
    assert refusal(server, query=query(filter_)) == (400, ["invalid filter: " + reason])


def test_the_filters_that_the_documentation_shows_are_taken(server):
    section = (ROOT / "docs/life_of_an_event.md").read_text().split("| Filter | Takes |\n")[1].split("\n\n")[0]
    shown = re.findall(r"^\| `([^`]+)` \|", section, re.M)
    assert len(shown) == 4
    for filter_ in shown:
        server.subscribe("kv*", query=query(filter_)).close()


def test_patterns_of_namespaces_leave_the_root_in(server):
    for patterns in (["*"], ["ns1", "ns2/*"], ["", "/"]):
        with server.subscribe("kv*", query=query(None, *patterns), headers={"X-Vault-Namespace": ""}) as subscriber:
            write(server, "a")
            assert next_path(subscriber) == "secret/data/a"


def test_another_namespace_is_refused_wherever_it_is_named(server):
    headers = {"X-Vault-Namespace": "team/"}
    reason = ['there is only the root namespace on this server, no "team"']
    assert refusal(server, headers=headers) == (400, reason)
    answer = server.request("PUT", "secret/data/a", {"data": {"a": "1"}}, headers=headers)
    assert (answer.status, answer.json["errors"], answer.headers["x-vault-namespace"]) == (400, reason, "team/")
    assert server.request("POST", "sys/mounts/kv3", {"type": "kv"}, headers=headers).status == 400
    assert server.request("GET", "secret/data/a").status == 404
    assert server.request("GET", "team/sys/events/subscribe/kv*").status == 404
    assert server.request("PUT", "secret/data/a", {"data": {"a": "1"}}, headers={"X-Vault-Namespace": "root"}).status == 200


def test_the_command_line_passes_filters_on(server):
    environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token)
    process = subprocess.Popen([str(BIN / "belfry"), "events", "subscribe", "-namespaces=*", "-filter", " data_path == `secret/data/b` ", "kv*"],
                               stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert eventually(lambda: metric(server, "belfry_events_subscriptions") == 1)
        lines = Lines(process.stdout)
        write(server, "a")
        write(server, "b")
        assert json.loads(lines.next())["data"]["event"]["metadata"]["path"] == "secret/data/b"
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)


@pytest.mark.parametrize("flag, reason", [
    ("-filter=operation == ", "1:13 (12): no match found, expected: "),
    ("-filter=nosuch is empty", 'there is no field "nosuch"'),
    ("-namespace=team", 'there is only the root namespace on this server, no "team"'),
])
def test_the_command_line_shows_the_servers_reason(server, flag, reason):
    result = server.cli("events", "subscribe", flag, "kv*", check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert "400" in result.stderr and reason in result.stderr
