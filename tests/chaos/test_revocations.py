"""Revocations and policy changes at random moments, while events pour in and subscribers read as fast as they can.

BELFRY_CHAOS_CHANGES says how many: a share in `./dev test`, 200 in `./dev chaos`. BELFRY_CHAOS_SEED repeats a run's choices, though not its timing.

An event is forbidden to a subscriber when its emission was only asked for after the response to what forbids it had been read, and was answered before
anything was asked for that allows it again. Times are those of one clock, the one of this process, which is also the one to ask for everything. What a
subscriber reads later than the response, but was emitted before, may have been in its own kernel by then; that such events do not wait within the server is shown
by tests/integration/test_rights_that_go.py, with a subscriber that does not read.
"""

import bisect
import collections
import dataclasses
import http.client
import json
import os
import random
import statistics
import threading
import time

from conftest import PATIENCE, RawSubscriber, eventually, number_of, put_plugin

CHANGES = int(os.environ.get("BELFRY_CHAOS_CHANGES", "40"))
SEED = int(os.environ.get("BELFRY_CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
SUBSCRIBERS = 20
RATE = 2000  # Events a second.
BATCH = 20  # Events of one request.
PATHS = 4
assert BATCH % PATHS == 0, "or an event's number would not tell its path"
# Between two changes, in seconds, on average.
PAUSE = 0.1

RIGHTS = """
    path "sys/events/subscribe/*" { capabilities = ["read"] }
    path "auth/token/create" { capabilities = ["update"] }
    path "emitter/*" { capabilities = ["subscribe"] subscribe_event_types = ["emitter/*"] }"""
FEWER_RIGHTS = RIGHTS + """
    path "emitter/data/team/service/password-0" { capabilities = ["deny"] }"""
# The path of an event is its number modulo PATHS; FEWER_RIGHTS forbid this one.
FORBIDDEN_PATH = 0


@dataclasses.dataclass
class Span:
    """From just before a request is sent until its answer has been read."""

    begin: float
    end: float = 0.0


class Timed(Span):
    def __init__(self):
        super().__init__(0.0)

    def __enter__(self):
        self.begin = time.monotonic()
        return self

    def __exit__(self, *_):
        self.end = time.monotonic()


class Emitter:
    """Has the plugin emit numbered events, BATCH a request, and keeps when each request was under way."""

    def __init__(self, address):
        self.batches = []
        self.trouble = None
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _emit(self):
        body = json.dumps({"count": BATCH, "at_once": BATCH, "paths": PATHS, "first": len(self.batches) * BATCH})
        with Timed() as span:
            self._connection.request("PUT", "/v1/emitter/emit", body=body, headers={"X-Vault-Token": "root"})
            answer = self._connection.getresponse()
            text = answer.read()
        assert answer.status == 204, text
        self.batches.append(span)

    def _run(self):
        try:
            begin = time.monotonic()
            # Paces the load; nothing is waited for.
            while not self._stop.wait(max(0.0, begin + len(self.batches) * BATCH / RATE - time.monotonic())):
                self._emit()
        except Exception as error:
            self.trouble = error

    def stop(self):
        self._stop.set()
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive() and self.trouble is None, self.trouble
        self._connection.close()


class Session:
    """One subscription from its opening to its end: what it received, and what it was allowed when."""

    def __init__(self, server, token, fewer_rights):
        self.numbers = []
        self.trouble = None
        self.reason = None
        self.closed = None
        # Each change of the policy, and whether it left fewer rights.
        self.changes = [(Span(0.0), fewer_rights)]
        self.end = None
        with Timed() as self.opening:
            self._socket = RawSubscriber(server, token)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while True:
                opcode, payload = self._socket.frame()
                if opcode == 1:
                    self.numbers.append(number_of(payload))
                elif opcode == 8:
                    self.closed = time.monotonic()
                    self.reason = (int.from_bytes(payload[:2], "big"), payload[2:].decode())
                    return
        except Exception as error:
            self.trouble = error
        finally:
            self._socket.__exit__()

    def join(self):
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive(), f"not closed after {self.end}"
        assert self.trouble is None, self.trouble

    def _verdict(self, batch, path):
        """True: it must have got this; False: it must not; None: something that decides about it was under way."""
        if self.end and batch.begin > self.end.end:
            return False
        at = bisect.bisect_left(self.changes, batch.begin, key=lambda change: change[0].end) - 1
        following = self.changes[at + 1][0].begin if at + 1 < len(self.changes) else float("inf")
        if at < 0 or batch.end > following:
            return None
        if self.changes[at][1] and path == FORBIDDEN_PATH:
            return False
        inside = batch.begin > self.opening.end and (self.end is None or batch.end < self.end.begin)
        return True if inside else None

    def check(self, batches):
        """The numbers that it must not have got, and those that it should have got and has not."""
        received = set(self.numbers)
        forbidden, missing = [], []
        for index, batch in enumerate(batches):
            for path in range(PATHS):
                verdict = self._verdict(batch, path)
                numbers = range(index * BATCH + path, (index + 1) * BATCH, PATHS)
                if verdict is False:
                    forbidden += [number for number in numbers if number in received]
                elif verdict is True:
                    missing += [number for number in numbers if number not in received]
        return forbidden, missing


class Slot:
    """A subscriber with a policy and a token of its own, which comes back after each revocation."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.sessions = []
        self.fewer_rights = False
        self.write_policy()
        self.subscribe()

    @property
    def session(self):
        return self.sessions[-1]

    def write_policy(self):
        text = FEWER_RIGHTS if self.fewer_rights else RIGHTS
        with Timed() as span:
            assert self.server.request("PUT", f"sys/policies/acl/{self.name}", {"policy": text}).status == 204
        return span

    def create(self, creator):
        return self.server.request("POST", "auth/token/create", {"policies": [self.name]}, token=creator).json["auth"]

    def subscribe(self):
        self.parent = self.create("root")["client_token"]
        self.auth = self.create(self.parent)
        self.sessions.append(Session(self.server, self.auth["client_token"], self.fewer_rights))

    def change_policy(self):
        self.fewer_rights = not self.fewer_rights
        self.session.changes.append((self.write_policy(), self.fewer_rights))
        return None

    def end(self, reason, method, path, body=None, token="root"):
        with Timed() as self.session.end:
            assert self.server.request(method, path, body, token=token).status == 204
        return reason

    def delete_policy(self):
        return self.end("permission to subscribe was taken away", "DELETE", f"sys/policies/acl/{self.name}")

    def revoke(self):
        return self.end("token revoked", "PUT", "auth/token/revoke", {"token": self.auth["client_token"]})

    def revoke_itself(self):
        # RIGHTS say nothing of it: the default policy does.
        return self.end("token revoked", "PUT", "auth/token/revoke-self", token=self.auth["client_token"])

    def revoke_by_accessor(self):
        return self.end("token revoked", "PUT", "auth/token/revoke-accessor", {"accessor": self.auth["accessor"]})

    def revoke_parent(self):
        return self.end("parent token revoked", "PUT", "auth/token/revoke", {"token": self.parent})

    def come_back(self):
        self.write_policy()
        self.subscribe()


def change(slot, what):
    """Changes something and, when that ends the session, opens the next. How long after the response the close was read, in seconds; negative when it
    came first."""
    expected = what(slot)
    if expected is None:
        return None
    ended = slot.session
    ended.join()
    assert ended.reason == (1000, expected)
    slot.come_back()
    return ended.closed - ended.end.end


def test_nothing_forbidden_is_received_after_the_response_that_forbids_it(start_server, tmp_path):
    print(f"\nBELFRY_CHAOS_SEED={SEED}")
    chance = random.Random(SEED)
    put_plugin(tmp_path, "belfry-emitter")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/emitter", {"type": "emitter"}).status == 204
    slots = [Slot(server, f"subscriber-{n}") for n in range(SUBSCRIBERS)]
    ways = [Slot.change_policy] * 4 + [Slot.delete_policy, Slot.revoke, Slot.revoke_itself, Slot.revoke_by_accessor, Slot.revoke_parent]

    emitter = Emitter(server.address)
    begin = time.monotonic()
    done, delays = collections.Counter(), []
    try:
        assert eventually(lambda: len(emitter.batches) > 10 or emitter.trouble)
        for _ in range(CHANGES):
            time.sleep(chance.expovariate(1 / PAUSE))  # The random moment.
            way = chance.choice(ways)
            delay = change(chance.choice(slots), way)
            done[way.__name__] += 1
            delays += [] if delay is None else [delay]
    finally:
        emitter.stop()
    passed = time.monotonic() - begin

    sessions = [session for slot in slots for session in slot.sessions]
    assert eventually(lambda: not any(session.check(emitter.batches)[1] for session in sessions if session.end is None)), "an event is lost"
    for slot in slots:
        slot.revoke()
        slot.session.join()

    forbidden = sum(len(session.check(emitter.batches)[0]) for session in sessions)
    received = sum(len(session.numbers) for session in sessions)
    print(f"{dict(done)} in {passed:.1f} s, {len(emitter.batches) * BATCH / passed:.0f} events/s to {SUBSCRIBERS} subscribers, {received} received")
    print(f"forbidden events received after the response: {forbidden}")
    print(f"from response to close: longest {max(delays) * 1000:+.2f} ms, median {statistics.median(delays) * 1000:+.2f} ms, {len(delays)} times")

    assert forbidden == 0
    for session in sessions:
        assert session.check(emitter.batches)[1] == [], "an event is lost"
        assert all(a < b for a, b in zip(session.numbers, session.numbers[1:])), "out of order or twice"
    assert received > len(emitter.batches) * BATCH
