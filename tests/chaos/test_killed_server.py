"""kill -9 of the server, again and again, while clients write secrets to three mounts, create tokens and change policies.

Whatever was acknowledged is there after the restart; what was under way is there whole or not at all; versions have no gap.
BELFRY_CHAOS_SERVER_KILLS says how often: a few in `./dev test`, 300 in `./dev chaos`.
"""

import http.client
import json
import os
import random
import threading
import time

from conftest import PATIENCE

KILLS = int(os.environ.get("BELFRY_CHAOS_SERVER_KILLS", "6"))
MOUNTS = ("one", "two", "three")


class Worker(threading.Thread):
    """One client, which does one thing after the other until the server has gone."""

    def __init__(self, server, number, history):
        super().__init__(daemon=True)
        self.server, self.number, self.history = server, number, history
        self.failure = None
        self.acknowledged = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection(self.server.address, timeout=PATIENCE)
        try:
            while True:
                self.step(connection)
                self.acknowledged.set()
        except (OSError, http.client.HTTPException):
            pass  # The server has been killed.
        except AssertionError as error:
            self.failure = error

    def ask(self, connection, method, path, body):
        connection.request(method, "/v1/" + path, json.dumps(body), {"X-Vault-Token": self.server.token})
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status in (200, 204), (path, response.status, text)
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


class PolicyWriter(Worker):
    def step(self, connection):
        number = self.history.setdefault("policy", 0) + 1
        self.ask(connection, "PUT", "sys/policies/acl/p", {"policy": f'path "number/{number}" {{ capabilities = ["read"] }}'})
        self.history["policy"] = number


def check(server, history):
    """Brings the history up to what the server has, where one write of a client was under way."""
    for key, acknowledged in history.items():
        if key == "tokens":
            # The last ones, and some of the others.
            for token in acknowledged[-20:] + random.sample(acknowledged, min(20, len(acknowledged))):
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


def test_what_was_acknowledged_survives_kill_9(start_configured):
    server = start_configured("rocksdb")
    server.initialize(shares=2, threshold=2)
    server.unseal()
    for mount in MOUNTS:
        assert server.request("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}}).status == 204
    history, started = {}, []
    for kill in range(KILLS):
        workers = [SecretWriter(server, number, history) for number in range(6)]
        workers += [TokenMaker(server, 0, history), PolicyWriter(server, 0, history)]
        for worker in workers:
            worker.start()
        # Each has done something, and is doing the next thing.
        for worker in workers:
            assert worker.acknowledged.wait(PATIENCE), worker.failure
        time.sleep(0.05 * (kill % 7))
        server.kill()
        for worker in workers:
            worker.join(PATIENCE)
            assert worker.failure is None, worker.failure
        begun = time.monotonic()
        server.start()
        assert server.request("GET", "sys/health", token=None).status == 503
        server.unseal()
        started.append(time.monotonic() - begun)
        check(server, history)
    print(f"{KILLS} kills: {sum(n for key, n in history.items() if '/' in key)} versions of {len(history) - 2} secrets, "
          f"{len(history['tokens'])} tokens, {history['policy']} policies; up again in {max(started):.2f} s at worst")
    assert all(history[key] > 0 for key in history if key != "tokens") and history["tokens"]
