"""Several writers of the same keys at once, on a real server, and what every subscriber is told meanwhile: versions only grow."""

import json
import os
import random
import threading

import pytest

from conftest import PATIENCE

WRITERS = 4
OPERATIONS = 60  # Of each writer.
KEYS = ("a", "a/b", "c")
MISMATCH = "check-and-set parameter did not match the current version"
# Event types that tell of a new version.
NEW_VERSION = ("kv-v2/data-write", "kv-v2/data-patch")


class Writer(threading.Thread):
    """Does random operations, and keeps what versions it made and knew of."""

    def __init__(self, server, seed):
        super().__init__()
        self.server, self.random = server, random.Random(seed)
        self.made = []  # (key, version, the version that check-and-set named or None)
        self.known = dict.fromkeys(KEYS, 0)
        self.failure = None

    def run(self):
        try:
            for number in range(OPERATIONS):
                self.step(self.random.choice(KEYS), number)
        except Exception as failure:
            self.failure = failure

    def step(self, key, number):
        data = {self.name: number}
        choice = self.random.randrange(8)
        if choice < 3:
            self.told(key, None, self.server.request("PUT", f"secret/data/{key}", {"data": data}))
        elif choice < 5:
            body = {"data": data, "options": {"cas": self.known[key]}}
            self.told(key, self.known[key], self.server.request("PUT", f"secret/data/{key}", body))
        elif choice == 5:
            self.told(key, None, self.server.patch(f"secret/data/{key}", {"data": data}))
        elif choice == 6:
            self.look(key)
        else:
            assert self.server.request("DELETE", f"secret/data/{key}").status == 204

    def told(self, key, cas, answer):
        if answer.status == 200:
            self.made.append((key, answer.data["version"], cas))
            assert answer.data["version"] > self.known[key]
            self.known[key] = answer.data["version"]
        elif answer.status == 400:
            assert cas is not None and answer.json["errors"] == [MISMATCH], answer.text
            self.look(key)
        else:
            assert answer.status == 404, answer.text  # A patch of what is not there.

    def look(self, key):
        answer = self.server.request("GET", f"secret/data/{key}")
        assert answer.status in (200, 404), answer.text
        version = answer.data["metadata"]["version"] if "data" in answer.json else 0
        assert version >= self.known[key]
        self.known[key] = version


def collect(subscriber, frames):
    """Until the key `end` is written: all frames that came, as (type, key, current_version)."""
    while True:
        event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
        key = event["event"]["metadata"]["path"].removeprefix("secret/data/")
        if key == "end":
            return
        frames.append((event["event_type"], key, int(event["event"]["metadata"]["current_version"])))


@pytest.fixture
def seed():
    """Printed when the test fails; BELFRY_TEST_SEED brings the same operations again."""
    chosen = int(os.environ.get("BELFRY_TEST_SEED", random.randrange(2**32)))
    print(f"BELFRY_TEST_SEED={chosen}")
    return chosen


def test_versions_only_grow_for_writers_and_for_every_subscriber(server, seed):
    patterns = ["kv*", "kv-v2/data-*", "*"]
    subscribers = [server.subscribe(pattern) for pattern in patterns]
    frames = [[] for _ in patterns]
    readers = [threading.Thread(target=collect, args=pair) for pair in zip(subscribers, frames)]
    writers = [Writer(server, seed + number) for number in range(WRITERS)]
    for thread in [*readers, *writers]:
        thread.start()
    for writer in writers:
        writer.join()
    assert server.request("PUT", "secret/data/end", {"data": {}}).status == 200
    for thread in readers:
        thread.join()
    for subscriber in subscribers:
        subscriber.close()
    assert [writer.failure for writer in writers] == [None] * WRITERS

    made = [one for writer in writers for one in writer.made]
    assert all(cas is None or version == cas + 1 for _, version, cas in made)
    for key in KEYS:
        dense = list(range(1, 1 + sum(1 for one in made if one[0] == key)))
        assert dense, "no writer came to it"
        assert sorted(version for of, version, _ in made if of == key) == dense
        for told in frames:
            assert [version for kind, of, version in told if of == key and kind in NEW_VERSION] == dense
            of_key = [version for _, of, version in told if of == key]
            assert of_key == sorted(of_key)
    assert frames == [frames[0]] * len(patterns), "one mount's events reach all in one order"
