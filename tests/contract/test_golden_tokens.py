"""What a real Vault 1.21 was asked about policies, tokens and capabilities, asked again in the same order of a server of ours."""

import json
import re

import pytest

from conftest import ROOT

# Those exchanges, and what a token was refused or given because of its policies. The lines of the recording, from 0.
EXCHANGES = [1, *range(60, 82), 105, 106]

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
NUMBER = re.compile(r"\d+")
ANYTHING = re.compile(r".*")
# Values that differ from run to run, by key: both must look like this.
VARYING = {
    "request_id": UUID, "uuid": UUID, "issue_time": TIME, "expire_time": TIME, "last_renewal": TIME, "creation_time": NUMBER,
    "last_renewal_time": NUMBER, "running_plugin_version": ANYTHING, "running_sha256": ANYTHING,
}
# Names of tokens and mounts: what the recording calls so, this server calls otherwise, but always the same.
NAMES = ("client_token", "accessor")
# Where the order of keys varies from one Vault to the next, too.
ANY_ORDER = ("/v1/sys/capabilities", "/v1/sys/auth")


class Replay:
    def __init__(self, server):
        self.server = server
        self.ours = {}  # By the recording's name.

    def translated(self, value):
        text = json.dumps(value)
        for theirs, ours in self.ours.items():
            text = text.replace(theirs, ours)
        return json.loads(text)

    def learn(self, recorded, given):
        """Notes what is called how, wherever both have it."""
        if isinstance(recorded, dict) and isinstance(given, dict):
            for key in recorded.keys() & given.keys():
                if key in NAMES and isinstance(recorded[key], str) and recorded[key]:
                    self.ours.setdefault(recorded[key], given[key])
                self.learn(recorded[key], given[key])

    def ask(self, exchange):
        request = self.translated(exchange["request"])
        answer = self.server.request(request["method"], request["path"].removeprefix("/v1/"), request["body"], token=None,
                                     headers=request["headers"])
        body = json.loads(answer.text) if answer.text else None
        self.learn(exchange["response"]["body"], body)
        return answer, body


def differences(expected, given, key=""):
    if isinstance(expected, dict) and isinstance(given, dict):
        for name in sorted(expected.keys() ^ given.keys()):
            yield f"{key}.{name} is only in one of them"
        for name in sorted(expected.keys() & given.keys()):
            yield from differences(expected[name], given[name], f"{key}.{name}")
    elif not alike(expected, given, key.rpartition(".")[2]):
        yield f"{key}: {expected!r} is expected, not {given!r}"


def alike(expected, given, name):
    if type(expected) is not type(given):
        return False
    if name in VARYING and expected is not None:
        return all(VARYING[name].fullmatch(str(value)) for value in (expected, given))
    if name == "ttl":
        return abs(expected - given) <= 2
    return expected == given


def keys_in_order(value):
    return [(key, keys_in_order(inner)) for key, inner in value.items()] if isinstance(value, dict) else None


@pytest.fixture
def recorded():
    lines = (ROOT / "tests/golden/http-vault-1.21.jsonl").read_text().splitlines()
    return [json.loads(lines[number]) for number in EXCHANGES]


def test_policies_and_tokens_are_answered_as_recorded(server, recorded):
    replay = Replay(server)
    for exchange in recorded:
        path, response = exchange["request"]["path"], exchange["response"]
        place = f"{exchange['request']['method']} {path}"
        answer, body = replay.ask(exchange)
        assert answer.status == response["status"], f"{place}: {answer.text}"
        for name, value in response["headers"].items():
            assert answer.headers.get(name.lower()) == value, f"{place}: {name}"
        expected = replay.translated(response["body"])
        assert list(differences(expected, body)) == [], place
        if path not in ANY_ORDER:
            assert keys_in_order(body) == keys_in_order(expected), place
    tokens = {name for name in replay.ours if name.startswith("hvs.")}
    assert len(tokens) == 1, "the recording has one token besides the root token"
