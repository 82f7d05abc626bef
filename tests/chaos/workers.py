"""Clients that write one thing after the other, each noting in a history what was acknowledged, and the check that all of it is there.

Whatever was acknowledged is there; what was under way is there whole or not at all; versions have no gap.
"""

import http.client
import json
import random
import threading

from conftest import PATIENCE, put_plugin

MOUNTS = ("one", "two", "three")


class Refused(Exception):
    """The server has answered, and not done it."""


class Worker(threading.Thread):
    """One client, which does one thing after the other until the server has gone."""

    def __init__(self, server, number, history):
        super().__init__(daemon=True)
        self.server, self.number, self.history = server, number, history
        self.failure = self.refusal = None
        self.acknowledged = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection(self.server.address, timeout=PATIENCE)
        try:
            while True:
                self.step(connection)
                self.acknowledged.set()
        except (OSError, http.client.HTTPException):
            pass  # The server has been killed.
        except Refused as refusal:
            self.refusal = str(refusal)
        except Exception as error:  # Whatever it is: it must not look like a server that was killed.
            self.failure = error

    def ask(self, connection, method, path, body):
        connection.request(method, "/v1/" + path, json.dumps(body) if body is not None else None, {"X-Vault-Token": self.server.token})
        response = connection.getresponse()
        text = response.read().decode()
        if response.status not in (200, 204):
            raise Refused(f"{path}: {response.status} {text}")
        return json.loads(text) if text else None


class SecretWriter(Worker):
    """Each write has the number that its version will have, twice: a half write would show."""

    def step(self, connection):
        mount = MOUNTS[self.number % len(MOUNTS)]
        key = f"{mount}/{self.number}"
        number = self.history.setdefault(key, 0) + 1
        data = {"number": number, "again": number}
        answer = self.ask(connection, "PUT", f"{mount}/data/{self.number}", {"data": data})
        assert answer["data"]["version"] == number, (key, answer)
        self.history[key] = number


class TokenMaker(Worker):
    def step(self, connection):
        answer = self.ask(connection, "POST", "auth/token/create", {"policies": ["p"], "ttl": "24h"})
        self.history.setdefault("tokens", []).append(answer["auth"]["client_token"])


class LeaseTaker(Worker):
    def step(self, connection):
        answer = self.ask(connection, "GET", "lent/creds/anna?ttl=24h", None)
        self.history.setdefault("leases", []).append(answer["lease_id"])


class PolicyWriter(Worker):
    def step(self, connection):
        number = self.history.setdefault("policy", 0) + 1
        self.ask(connection, "PUT", "sys/policies/acl/p", {"policy": f'path "number/{number}" {{ capabilities = ["read"] }}'})
        self.history["policy"] = number


def some_of(acknowledged):
    """The last ones, and some of the others."""
    return acknowledged[-20:] + random.sample(acknowledged, min(20, len(acknowledged)))


def prepare(server, plugin_dir):
    """What the clients need, on a new server that has that plugin directory."""
    put_plugin(plugin_dir, "belfry-lender")
    server.initialize(shares=2, threshold=2)
    server.unseal()
    for mount in MOUNTS:
        assert server.request("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}}).status == 204
    assert server.request("POST", "sys/mounts/lent", {"type": "lender"}).status == 204


def start(server, history):
    """Clients each of which has done something, and is doing the next thing."""
    workers = [SecretWriter(server, number, history) for number in range(6)]
    workers += [TokenMaker(server, 0, history), PolicyWriter(server, 0, history), LeaseTaker(server, 0, history)]
    for worker in workers:
        worker.start()
    for worker in workers:
        assert worker.acknowledged.wait(PATIENCE), worker.failure or worker.refusal
    return workers


def finish(workers, refused=False):
    """They have ended because the server was killed or, where that is said, because it refuses; what they were refused with."""
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive() and worker.failure is None, worker.failure
        assert bool(worker.refusal) == refused, worker.refusal
    return [worker.refusal for worker in workers]


def summary(history):
    secrets = [number for key, number in history.items() if "/" in key]
    assert len(secrets) == 6 and all(secrets) and history["policy"] and history["tokens"] and history["leases"]
    return (f"{sum(secrets)} versions of {len(secrets)} secrets, {len(history['tokens'])} tokens, {len(history['leases'])} leases, "
            f"{history['policy']} policies")


def check(server, history):
    """Brings the history up to what the server has, where one write of a client was under way."""
    for key, acknowledged in history.items():
        if key == "leases":
            for lease in some_of(acknowledged):
                answer = server.request("PUT", "sys/leases/lookup", {"lease_id": lease})
                assert answer.status == 200 and answer.data["ttl"] > 0, answer.text
        elif key == "tokens":
            for token in some_of(acknowledged):
                answer = server.request("GET", "auth/token/lookup-self", token=token)
                assert answer.status == 200 and answer.data["policies"] == ["default", "p"], answer.text
        elif key == "policy":
            text = server.request("GET", "sys/policies/acl/p").data["policy"]
            found = int(text.split('number/')[1].split('"')[0])
            assert found in (acknowledged, acknowledged + 1), (key, acknowledged, found)
            history[key] = found
        else:
            mount, number = key.split("/")
            answer = server.request("GET", f"{mount}/data/{number}")
            assert answer.status == 200, (key, acknowledged, answer.text)
            version, data = answer.data["metadata"]["version"], answer.data["data"]
            assert version in (acknowledged, acknowledged + 1), (key, acknowledged, version)
            assert data == {"number": version, "again": version}, (key, version, data)
            versions = server.request("GET", f"{mount}/metadata/{number}").data["versions"]
            assert sorted(int(name) for name in versions) == list(range(version - len(versions) + 1, version + 1)), (key, versions)
            history[key] = version
