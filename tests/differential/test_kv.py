"""Our kv beside HashiCorp's, built from its released module, each under a host of ours: the same requests in the same order, and the same
answers and events, but for what varies from run to run and what is listed here.

BELFRY_SEED and BELFRY_CASES change what is generated. A failure names its seed and the fewest operations that show the difference.
"""

import dataclasses
import datetime
import hashlib
import http.client
import json
import os
import re
import time

import pytest

from conftest import PATIENCE, built_kv, eventually
from differential.kv_operations import Operation, Version1, Version2, patched

SEED = int(os.environ.get("BELFRY_SEED", "1"))
CASES = int(os.environ.get("BELFRY_CASES", "10000"))
GENERATORS = {"1": Version1, "2": Version2}
SHARES = {"1": 0.25, "2": 0.75}
# So many operations between two looks at the events.
BATCH = 100
# No more time than this to find the fewest operations.
SHRINKING = 120


# ---- The two hosts -------------------------------------------------------------------------------

@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    text: str

    def __str__(self):
        return f"{self.status} {self.headers.get('content-type')} {self.text.strip()}"


class Side:
    """One host, with a connection that stays open and a subscriber to all events of kv."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection(server.address, timeout=PATIENCE)
        self.subscriber = server.subscribe("kv*")

    def mount(self, path, version):
        answer = self.server.request("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": version}})
        assert answer.status == 204, answer.text

    def send(self, mount, operation):
        headers = {"X-Vault-Token": "root"}
        if operation.content_type is not None:
            headers["Content-Type"] = operation.content_type
        separator = "" if operation.path.startswith("?") or not operation.path else "/"
        body = None if operation.body is None else operation.body.encode()
        self.connection.request(operation.method, f"/v1/{mount}{separator}{operation.path}", body=body, headers=headers)

    def receive(self):
        response = self.connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read().decode())

    def events_until(self, mount, path):
        """All of a mount, up to the one that tells of this path."""
        events = []
        while not events or events[-1]["data"]["event"]["metadata"]["path"] != f"{mount}/{path}":
            events.append(json.loads(self.subscriber.recv(timeout=PATIENCE)))
        return [event for event in events[:-1] if event["data"]["plugin_info"]["mount_path"] == mount + "/"]


@dataclasses.dataclass
class Found:
    """A difference: after which operation, and what each side said."""
    operation: Operation | None
    ours: object
    theirs: object

    def __str__(self):
        return f"{self.operation or 'events'}\n  ours   {self.ours}\n  theirs {self.theirs}"


class Pair:
    def __init__(self, ours, theirs):
        self.sides = (Side(ours), Side(theirs))
        self.started = time.time()
        self.mounts = 0

    def mount(self, version):
        """A new mount, of the same name on both sides."""
        self.mounts += 1
        for side in self.sides:
            side.mount(f"m{self.mounts}", version)
        return f"m{self.mounts}"

    def ask(self, mount, operation):
        for side in self.sides:
            side.send(mount, operation)
        return [side.receive() for side in self.sides]

    def events(self, mount, version, number):
        """Those of either side since the last time, ours without what only we send."""
        path = f"{'metadata/' if version == '2' else ''}told-{number}"
        marker = Operation("PUT", path, '{"custom_metadata":{"a":"b"}}')
        assert all(answer.status == 204 for answer in self.ask(mount, marker))
        return [side.events_until(mount, path) for side in self.sides]

    def first_difference(self, version, operations):
        mount = self.mount(version)
        for number, operation in enumerate(operations):
            ours, theirs = self.ask(mount, operation)
            if not self.same(operation, ours, theirs):
                return number, Found(operation, ours, theirs)
            if (number + 1) % BATCH == 0 or number + 1 == len(operations):
                ours, theirs = (told(events) for events in self.events(mount, version, number))
                if ours != theirs:
                    return number, Found(None, *first_unequal(ours, theirs))
        return None

    def same(self, operation, ours, theirs):
        if self.known(ours) == self.known(theirs):
            return True
        if ours.status != 400:
            return False
        return theirs.status == 500 and re.search(TRIPPED, theirs.text) or both_refuse_fields_of(operation, ours, theirs)

    def known(self, answer):
        """What must be equal of an answer."""
        headers = {name: value for name, value in answer.headers.items() if name not in ("date", "content-length")}
        return answer.status, headers, answer.text.endswith("\n"), self.body(answer.text)

    def body(self, text):
        text = re.sub(r'"request_id":"[0-9a-f-]{36}"', '"request_id":"ID"', text)
        text = re.sub(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{0,8}[1-9])?Z"', self.time, text)
        try:
            return json.loads(text, parse_int=float, object_pairs_hook=ordered)
        except ValueError:
            return text

    def time(self, match):
        """Of a time only whether it is now or by how many hours to come."""
        then = datetime.datetime.fromisoformat(match.group(1)).replace(tzinfo=datetime.timezone.utc).timestamp()
        ahead = then - self.started
        return '"now"' if -5 < ahead < 1800 else f'"in {ahead // 3600} h"'

    def fewest(self, version, operations):
        """As few of these as still show a difference, and that one."""
        until, size = time.monotonic() + SHRINKING, len(operations) // 2
        found = self.first_difference(version, operations)
        while size and found:
            start = 0
            while start < len(operations) and time.monotonic() < until:
                fewer = operations[:start] + operations[start + size:]
                still = self.first_difference(version, fewer)
                if still:
                    operations, found = fewer[:still[0] + 1], still
                else:
                    start += size
            size //= 2
        return operations, found and found[1]


@pytest.fixture(scope="module")
def pair(module_servers):
    ours = module_servers()
    plugin = built_kv("v0.26.2")
    theirs = module_servers(plugin_dir=plugin)
    digest = hashlib.sha256((plugin / "go-kv").read_bytes()).hexdigest()
    answer = theirs.request("PUT", "sys/plugins/catalog/secret/kv", {"command": "go-kv", "sha256": digest})
    # secret/ is already there, with the kv of this build, and the answer warns of it.
    assert answer.status == 200 and "secret/" in answer.json["warnings"][0], answer.text
    return Pair(ours, theirs)


# ---- What is equal -------------------------------------------------------------------------------

def told(events):
    """What must be equal of events: all but ids, times and accessors."""
    for event in events:
        for varying in (event, event["data"]["event"]):
            varying["id"] = "ID"
        event["time"] = "TIME"
        event["data"]["plugin_info"]["mount_accessor"] = "ACCESSOR"
    return [json.dumps(event) for event in events if event["data"]["event_type"] != ONLY_OURS]


def first_unequal(ours, theirs):
    longest = max(len(ours), len(theirs))
    ours, theirs = (list(events) + ["none"] * (longest - len(events)) for events in (ours, theirs))
    return next((a, b) for a, b in zip(ours, theirs) if a != b)


FIELD = r'error converting input for field \\"(\w+)\\"'


def both_refuse_fields_of(operation, ours, theirs):
    """Of several fields that do not convert, theirs names any."""
    fields = [re.search(FIELD, answer.text) for answer in (ours, theirs)]
    return theirs.status == 400 and all(field and field.group(1) in str(operation) for field in fields)


def ordered(pairs):
    """An object with the order of its members."""
    return tuple((name, comparable(name, value)) for name, value in pairs)


def comparable(name, value):
    if name == "errors":
        return [value_in(line) for error in value for line in without_reason(error)]
    if name == "custom_metadata" and value is not None:
        return tuple((key, value_in(text)) for key, text in value)
    return value


# ---- Differences on purpose, and why -------------------------------------------------------------

# kv-v2/metadata-read: reading who may see what is worth knowing, and Vault does not tell. (the mount option metadata_read_events)
ONLY_OURS = "kv-v2/metadata-read"

# What a client did wrong is 400. Theirs finds it too late, when JSON of its own does not fit, and blames itself.
TRIPPED = r"Invalid JSON Patch|resource does not exist|json: cannot unmarshal number -?\d* ?into|json: cannot unmarshal (number|bool|object|array)"


def without_reason(error):
    """Why a value does not convert, theirs says with Go's types, and repeats the value, which may be a secret. What is wrong with custom
    metadata, it says in any order."""
    error = re.sub(r'(error converting input for field "\w+": |custom_metadata validation failed: (?!length|payload|key|value)).*', r"\1...", error,
                   flags=re.DOTALL)
    return sorted(error.split("\n"))


def value_in(text):
    """A number keeps its text, also where it becomes text; theirs has been through a double."""
    try:
        return json.loads(text, parse_int=float)
    except ValueError:
        return text


@dataclasses.dataclass
class Difference:
    name: str
    why: str
    version: str
    before: list
    operation: Operation
    ours: str
    theirs: str


def put(path, body):
    return Operation("PUT", path, body)


def get(path):
    return Operation("GET", path)


A_SECRET = put("data/a", '{"data":{"n":[{"x":1}]}}')

DIFFERENCES = [
    Difference("numbers_keep_their_text", "A double cannot hold every number; who stores one wants it back.", "2",
               [put("data/a", '{"data":{"big":12345678901234567890,"money":1.50}}')], get("data/a"),
               r'"data":{"big":12345678901234567890,"money":1.50}', r'"data":{"big":12345678901234567000,"money":1.5}'),
    Difference("numbers_keep_their_text_in_version_1", "The same.", "1", [put("a", '{"big":12345678901234567890,"money":1.50}')], get("a"),
               r'"data":{"big":12345678901234567890,"money":1.50}', r'"data":{"big":12345678901234567000,"money":1.5}'),
    Difference("numbers_that_no_double_holds_are_kept", "The same; theirs fails.", "2", [], put("data/a", '{"data":{"n":1e400}}'), "^200 ", "^500 .*1e400"),
    Difference("a_fraction_is_no_integer", "Vault's built-in kv refuses it; only a process of its own gets a double, and cuts it off.", "2", [],
               put("metadata/a", '{"max_versions":1.5}'), "^400 .*expected an integer", "^204 "),
    Difference("a_fraction_is_no_duration", "The same.", "2", [], put("metadata/a", '{"delete_version_after":5400.5}'), "^400 ", "^204 "),
    Difference("an_integer_has_64_bits", "The same; the double becomes an integer of another value.", "2", [],
               put("metadata/a", '{"max_versions":12345678901234567890}'), "^400 .*expected an integer", "^204 "),
    Difference("a_number_of_versions_does_not_wrap_around", "Ours names the field; theirs keeps four billion versions.", "2", [],
               put("metadata/a", '{"max_versions":-1}'), "^400 .*max_versions", "^204 "),
    Difference("two_is_no_boolean", "The same.", "2", [], put("metadata/a", '{"cas_required":2}'), "^400 ", "^204 "),
    Difference("a_reason_names_no_value", "It may be a secret's, and ends up in logs.", "2", [], put("data/a", '{"data":"correct horse"}'),
               "^400 .*expected an object, got a string", "^400 .*expected a map, got 'string'"),
    Difference("a_mistake_in_a_patch_is_the_clients", "See TRIPPED.", "2", [A_SECRET], patched('{"data":null}', "data/a"), "^400 ", "^500 .*Invalid JSON Patch"),
    Difference("a_patch_of_nothing_is_the_clients_mistake", "The same.", "2", [put("data/a", '{"data":null}')], patched('{"data":{"a":1}}', "data/a"),
               "^400 ", "^500 .*resource does not exist"),
    Difference("a_patch_of_metadata_takes_texts", "The same.", "2", [A_SECRET], patched('{"custom_metadata":{"a":1}}', "metadata/a"), "^400 ",
               "^500 .*cannot unmarshal number"),
    Difference("a_patch_leaves_arrays_alone", "RFC 7396 puts them in as they are; theirs takes nulls out of the objects in them.", "2",
               [A_SECRET, patched('{"data":{"m":[{"x":null}]}}', "data/a")], get("data/a"), r'"m":\[{"x":null}\]', r'"m":\[{}\]'),
    Difference("null_in_a_list_is_no_data", "Theirs takes it for null, which is data.", "2", [put("data/a", '{"data":[null]}')], get("data/a"), '"data":{"data":{},',
               '"data":{"data":null,'),
    Difference("two_dots_make_a_key_like_others", "Hosts refuse them in the keys of storage: ours encrypts the names, theirs makes a 500 of it.", "1", [],
               get("a..b"), "^404 ", "^500 .*relative paths not supported"),
]


# ---- The tests -----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", GENERATORS)
def test_random_operations_have_the_same_answers_and_events(pair, version):
    generator = GENERATORS[version](SEED)
    operations = [generator.next() for _ in range(int(CASES * SHARES[version]))]
    difference = pair.first_difference(version, operations)
    if difference:
        number, found = difference
        fewest, smallest = pair.fewest(version, operations[:number + 1])
        shown = "\n".join(f"  {operation}" for operation in fewest)
        pytest.fail(f"BELFRY_SEED={SEED}, kv version {version}, operation {number}: {found}\nthe fewest operations:\n{shown}\nthen\n{smallest or found}",
                    pytrace=False)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_what_differs_differs_as_listed(pair, difference):
    mount = pair.mount(difference.version)
    for operation in difference.before:
        pair.ask(mount, operation)
    ours, theirs = pair.ask(mount, difference.operation)
    assert re.search(difference.ours, str(ours)), ours
    assert re.search(difference.theirs, str(theirs)), theirs


def test_only_we_tell_of_reading_metadata(pair):
    mount = pair.mount("2")
    pair.ask(mount, put("data/a", '{"data":{"a":1}}'))
    pair.ask(mount, get("metadata/a"))
    ours, theirs = pair.events(mount, "2", 0)
    assert [event["data"]["event_type"] for event in ours] == ["kv-v2/data-write", ONLY_OURS]
    assert [event["data"]["event_type"] for event in theirs] == ["kv-v2/data-write"]


def test_a_version_whose_time_is_over_is_the_same_to_both(pair):
    mount = pair.mount("2")
    for operation in (put("metadata/a", '{"delete_version_after":"1s"}'), put("data/a", '{"data":{"a":1}}')):
        pair.ask(mount, operation)
    assert eventually(lambda: all(answer.status == 404 for answer in pair.ask(mount, get("data/a"))))
    for operation in (get("data/a"), get("subkeys/a"), get("metadata/a"), Operation("LIST", "metadata?exclude_deleted=true"),
                      patched('{"data":{"b":2}}', "data/a"), Operation("DELETE", "data/a"), put("delete/a", '{"versions":[1]}'), get("metadata/a"),
                      put("metadata/a", '{"delete_version_after":"90m"}'), put("undelete/a", '{"versions":[1]}'), get("data/a"), get("metadata/a")):
        ours, theirs = pair.ask(mount, operation)
        assert pair.same(operation, ours, theirs), Found(operation, ours, theirs)
    ours, theirs = (told(events) for events in pair.events(mount, "2", 0))
    assert ours == theirs
