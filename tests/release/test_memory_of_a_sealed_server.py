"""What is in the memory of a server that has been sealed, as a core image of it would show it.

Only of a build without sanitizers, whose allocator keeps what is freed: `./dev test-release`.
"""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import time

import pytest
from conftest import PATIENCE, RawSubscriber

POLICY = """path "planted-mount/*" { capabilities = ["create", "read", "list"] }
path "+/planted-key-name/*" {
  capabilities = ["read"]
  allowed_parameters = { "planted-field" = ["planted-secret-value"] }
}"""
PLANTED = ["planted-mount", "planted-key-name", "planted-field", "planted-secret-value", "planted-policy", "planted-meta", "planted-cubbyhole"]


def memory_of(process):
    """All that the process has in memory and could be read."""
    regions = []
    with open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            begin, end = (int(address, 16) for address in line.split()[0].split("-"))
            # Some, such as [vvar], cannot be read by anyone.
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(begin)
                regions.append(memory.read(end - begin))
    return regions


def found_in_memory(server, planted):
    whatever = re.compile(b"|".join(re.escape(text) for text in planted))
    return {match.group() for region in memory_of(server.process) for match in whatever.finditer(region)}


def use(server, name):
    """Does what clients do; the token and the accessor that it did it with."""
    body = {"data": {"planted-field": "planted-secret-value"}}
    auth = server.request("POST", "auth/token/create", {"policies": ["planted-policy"], "meta": {"a": "planted-meta"}}).json["auth"]
    for number in range(20):
        path = f"planted-key-name/{name}/{number}"
        assert server.request("PUT", f"planted-mount/data/{path}", body).status == 200
        assert server.request("GET", f"planted-mount/data/{path}", token=auth["client_token"]).status == 200
        assert server.request("LIST", f"planted-mount/metadata/planted-key-name/{name}", token=auth["client_token"]).status == 200
        assert server.request("PUT", "sys/policies/acl/planted-policy", {"policy": POLICY}).status == 204
        assert server.request("PUT", f"cubbyhole/planted-cubbyhole/{name}", {"a": "planted-secret-value"}).status == 204
    return auth["client_token"], auth["accessor"]


@pytest.fixture(params=["rocksdb", "inmem"])
def server(start_configured, request):
    server = start_configured(request.param)
    server.initialize(shares=3, threshold=2)
    server.unseal()
    return server


def test_a_core_image_of_the_sealed_server_shows_nothing(server):
    assert server.request("POST", "sys/mounts/planted-mount", {"type": "kv", "options": {"version": "2"}}).status == 204
    assert server.request("PUT", "sys/policies/acl/planted-policy", {"policy": POLICY}).status == 204
    with RawSubscriber(server, server.token) as subscriber:
        with concurrent.futures.ThreadPoolExecutor(8) as users:
            tokens = [token for made in users.map(lambda name: use(server, name), range(8)) for token in made]
        subscriber.frame()
    planted = [text.encode() for text in [*PLANTED, *tokens, server.token, *server.keys]] + [bytes.fromhex(key) for key in server.keys]

    # Clients that keep their connections: what they have asked and been answered last stays nowhere either.
    kept = [http.client.HTTPConnection(server.address, timeout=PATIENCE) for _ in range(3)]
    for connection, (method, path, body) in zip(kept, [
            ("PUT", "sys/unseal", {"key": server.keys[0]}), ("GET", "planted-mount/data/planted-key-name/0/0", None),
            ("PUT", "planted-mount/data/planted-key-name/large", {"data": {"planted-field": "planted-secret-value" * 4000}})]):
        connection.request(method, f"/v1/{path}", body and json.dumps(body), {"X-Vault-Token": server.token})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()

    # The search finds what is there.
    assert {text.encode() for text in PLANTED[:3]} <= found_in_memory(server, planted)
    assert server.request("PUT", "sys/seal").status == 204
    # The answer may come a moment before the thread that gives it has left the memory in order.
    deadline = time.monotonic() + PATIENCE
    while (found := found_in_memory(server, planted)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not found
    for connection in kept:
        connection.request("GET", "/v1/sys/seal-status")
        assert json.loads(connection.getresponse().read())["sealed"]
        connection.close()
    server.unseal()
    assert server.request("GET", "planted-mount/data/planted-key-name/0/0").data["data"] == {"planted-field": "planted-secret-value"}
