"""What a real Vault 1.21 was asked and answered, asked again of a server of ours, in the same order."""

import json
import re

from conftest import ROOT

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
NUMBER = re.compile(r"\d+")
ANYTHING = re.compile(r".*")
# Values that differ from run to run, by key: both must look like this.
VARYING = {
    "request_id": UUID, "uuid": UUID, "issue_time": TIME, "expire_time": TIME, "last_renewal": TIME, "creation_time": NUMBER,
    "last_renewal_time": NUMBER, "running_plugin_version": ANYTHING, "running_sha256": ANYTHING,
}
# Values that are named again later: what the recording calls so, this server calls otherwise, but always the same.
NAMES = {
    "client_token": ANYTHING, "accessor": ANYTHING, "client_id": re.compile(r"[A-Za-z0-9+/]{43}="), "migration_id": UUID,
    "created_time": TIME, "updated_time": TIME, "deletion_time": TIME,
}
# Where the order of keys varies from one Vault to the next, too.
ANY_ORDER = ("/v1/sys/capabilities", "/v1/sys/auth", "/v1/sys/mounts/secret", "/v1/sys/mounts/secret/tune", "/v1/sys/key-status")


def recording(name="http-vault-1.21"):
    return [json.loads(line) for line in (ROOT / f"tests/golden/{name}.jsonl").read_text().splitlines()]


def place(exchange):
    return f"{exchange['request']['method']} {exchange['request']['path']}"


class Replay:
    names = NAMES
    varying = VARYING

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
                pairs = [(recorded[key], given[key])]
                if isinstance(recorded[key], list) and isinstance(given[key], list):
                    pairs = list(zip(recorded[key], given[key]))
                for theirs, ours in pairs:
                    if self.named(key, theirs) and self.named(key, ours):
                        self.ours.setdefault(theirs, ours)
                self.learn(recorded[key], given[key])

    def differences(self, exchange):
        """Asks what the exchange asked. Yields a line for each thing in which the answer is not the recorded one."""
        request, recorded = self.translated(exchange["request"]), exchange["response"]
        answer = self.server.request(request["method"], request["path"].removeprefix("/v1/"), request["body"], token=None,
                                     headers=request["headers"])
        body = json.loads(answer.text) if answer.text else None
        self.learn(recorded["body"], body)
        expected = self.translated(recorded["body"])
        if answer.status != recorded["status"]:
            yield f"status: {recorded['status']} is expected, not {answer.status}"
        for name, value in recorded["headers"].items():
            if answer.headers.get(name.lower()) != value:
                yield f"{name}: {value!r} is expected, not {answer.headers.get(name.lower())!r}"
        yield from self.differing(expected, body)
        if request["path"] not in ANY_ORDER:
            yield from misplaced(expected, body)

    def named(self, key, value):
        return key in self.names and isinstance(value, str) and value != "" and self.names[key].fullmatch(value) is not None

    def differing(self, expected, given, key=""):
        if isinstance(expected, dict) and isinstance(given, dict):
            for name in sorted(expected.keys() ^ given.keys()):
                yield f"{key}.{name} is only in one of them"
            for name in sorted(expected.keys() & given.keys()):
                yield from self.differing(expected[name], given[name], f"{key}.{name}")
        elif not self.alike(expected, given, key.rpartition(".")[2]):
            yield f"{key}: {expected!r} is expected, not {given!r}"

    def alike(self, expected, given, name):
        if type(expected) is not type(given):
            return False
        if name in self.varying and expected is not None:
            return all(self.varying[name].fullmatch(str(value)) for value in (expected, given))
        if name == "ttl":
            return abs(expected - given) <= 2
        return expected == given


def misplaced(expected, given, key=""):
    """The objects whose members, of those in both, are in another order."""
    if isinstance(expected, dict) and isinstance(given, dict):
        if [name for name in expected if name in given] != [name for name in given if name in expected]:
            yield f"{key or 'the whole'} has its keys in another order"
        for name in expected.keys() & given.keys():
            yield from misplaced(expected[name], given[name], f"{key}.{name}")
