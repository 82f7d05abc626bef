"""More clients than there are descriptors: whoever asks is served, whoever only sits there makes room, and nobody is left without an answer."""

import contextlib
import json
import os
import pathlib
import re
import select
import socket
import time

import pytest

from conftest import PATIENCE, eventually

# Soft and hard: as a service that is allowed so many.
DESCRIPTORS = 256
IDLE = 300


@pytest.fixture
def small(start_server):
    return start_server(wrapper=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))


def connect(server):
    host, port = server.address.split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def is_ended(connection):
    """Whether the server has closed it; what it has sent before is still there."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""


def ask(connection, path="sys/health"):
    connection.sendall(f"GET /v1/{path} HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: root\r\n\r\n".encode())
    return int(connection.recv(65536).split()[1])


def descriptors_of(pid):
    """Soft and hard limit of a process."""
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return tuple(map(int, re.search(r"Max open files +(\d+) +(\d+)", limits).groups()))


def test_idle_connections_make_room_for_those_who_ask(small):
    with contextlib.ExitStack() as stack:
        idle = []
        for _ in range(IDLE):
            idle.append(stack.enter_context(connect(small)))
        for connection in idle[-20:]:
            assert ask(connection) == 200
        assert small.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
        # The longest idle first, and no more of them than needed.
        assert eventually(lambda: is_ended(idle[0]))
        ended = [is_ended(connection) for connection in idle]
        assert ended == sorted(ended, reverse=True)
        assert sum(ended) < IDLE - 100
    assert small.log_text().count("cannot accept a connection") <= 1


def test_a_header_that_never_ends_is_no_request(small):
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            connection = stack.enter_context(connect(small))
            connection.sendall(b"GET /v1/sys/health HTTP/1.1\r\nHost: ")
            assert small.request("GET", "sys/health").status == 200


WRITE = "POST /v1/secret/data/a HTTP/1.1\r\nHost: localhost\r\n"
# Each owes the rest of its body, or has had its answer and does not go.
UNFINISHED = {
    "length": WRITE + "X-Vault-Token: root\r\nContent-Length: 100\r\n\r\n{",
    "without a token": WRITE + "Content-Length: 100\r\n\r\n{",
    "chunked": WRITE + "X-Vault-Token: root\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    "large": WRITE + "X-Vault-Token: root\r\nContent-Length: 1000000\r\n\r\n{",
    "refused": WRITE + "Content-Length: 1000000\r\n\r\n{",
}


@pytest.mark.parametrize("text", UNFINISHED.values(), ids=UNFINISHED)
def test_a_body_that_never_comes_is_no_request(small, text):
    with contextlib.ExitStack() as stack:
        for i in range(IDLE):
            stack.enter_context(connect(small)).sendall(text.encode())
            if i % 10 == 0:
                assert small.request("GET", "sys/health").status == 200
        assert small.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
    assert "cannot accept a connection" not in small.log_text()


def test_the_longest_idle_goes_first_also_where_a_body_is_owed(small):
    with contextlib.ExitStack() as stack:
        owing = []
        for _ in range(IDLE):
            owing.append(stack.enter_context(connect(small)))
            owing[-1].sendall(UNFINISHED["length"].encode())
        assert eventually(lambda: is_ended(owing[0]))
        assert small.request("GET", "sys/health").status == 200
        # Who came last is served once its body is there.
        owing[-1].sendall(b'"data":{"b":"' + b"c" * 83 + b'"}}')
        assert owing[-1].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_burst_leaves_descriptors_to_the_rest(small):
    folder = f"/proc/{small.process.pid}/fd"
    before = len(os.listdir(folder))
    with contextlib.ExitStack() as stack:
        most = 0
        for _ in range(2):
            for _ in range(400):
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                connection.connect_ex((small.address.split(":")[0], int(small.address.split(":")[1])))
            for _ in range(50):
                most = max(most, len(os.listdir(folder)))
                time.sleep(0.01)
        # A quarter is left to plugins and files.
        assert most - before <= DESCRIPTORS * 3 // 4 + 8
        assert small.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
    assert "cannot accept a connection" not in small.log_text()


def subscribe_until_refused(server, stack, token):
    """The subscribers, and what the one was told for whom there was no room."""
    subscribers = []
    # Each is a request under way, and stays.
    for _ in range(IDLE):
        connection = stack.enter_context(connect(server))
        connection.sendall(b"GET /v1/sys/events/subscribe/*?json=true HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: "
                           + token.encode() + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        head = connection.recv(65536)
        if not head.startswith(b"HTTP/1.1 101 "):
            return subscribers, head
        subscribers.append(connection)
    raise AssertionError(f"{IDLE} subscribers on {DESCRIPTORS} descriptors")


def test_subscriptions_leave_room_for_whoever_ends_their_token(small):
    policy = 'path "sys/events/subscribe/*" { capabilities = ["read"] }'
    assert small.request("PUT", "sys/policies/acl/subscriber", {"policy": policy}).status == 204
    token = small.request("POST", "auth/token/create", {"policies": ["subscriber"]}).json["auth"]["client_token"]
    with contextlib.ExitStack() as stack:
        subscribers, refusal = subscribe_until_refused(small, stack, token)
        assert len(subscribers) > DESCRIPTORS // 3
        head, _, body = refusal.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in head
        assert json.loads(body) == {"errors": ["too many subscriptions are open on this server; try again later"]}
        # However many connect beside them, requests are served and subscribers stay.
        for _ in range(100):
            stack.enter_context(connect(small))
        assert served(small)
        assert not any(is_ended(subscriber) for subscriber in subscribers)
        # There is room for the next as soon as one leaves.
        subscribers.pop().close()
        assert eventually(lambda: len(subscribe_until_refused(small, stack, token)[0]) == 1)
        assert small.request("POST", "auth/token/revoke", {"token": token}).status == 204
        for subscriber in subscribers:
            assert b"token revoked" in subscriber.recv(65536)


def served(server):
    with contextlib.suppress(OSError):
        return server.request("GET", "sys/health").status == 200
    return False


# Of nearly a mebibyte, and its end is missing.
LARGE_HEADERS = b"GET /v1/sys/health HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"x" * 60_000 + b"\r\n") * 16


def test_headers_that_nobody_ends_leave_room_for_other_requests(server):
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(server)) for _ in range(100)]
        for connection in waiting:
            connection.sendall(LARGE_HEADERS)
        refused, _, _ = select.select(waiting, [], [], PATIENCE)
        head, _, body = refused[0].recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1" in head and b"\r\nConnection: close" in head
        assert json.loads(body) == {"errors": ["the server holds too many large requests; try again later"]}
        for size in (10, 50_000, 1_000_000):
            assert server.request("PUT", "secret/data/a", {"data": {"b": "c" * size}}).status == 200
    assert eventually(lambda: served_with_large_headers(server))
    metrics = server.request("GET", "sys/metrics?format=prometheus").text
    assert int(re.search(r"^belfry_http_requests_refused_total (\d+)", metrics, re.M).group(1)) > 0


def served_with_large_headers(server):
    with contextlib.suppress(OSError), contextlib.closing(connect(server)) as connection:
        connection.sendall(LARGE_HEADERS + b"\r\n")
        return connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    return False


def test_the_soft_limit_is_raised_to_the_hard_one_but_not_for_plugins(start_server):
    server = start_server(wrapper=("prlimit", "--nofile=64:2048"))
    assert descriptors_of(server.process.pid) == (2048, 2048)
    assert [descriptors_of(plugin) for plugin in server.plugins() if "plugin-guard" not in pathlib.Path(f"/proc/{plugin}/comm").read_text()] \
        == [(64, 2048)]
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(IDLE)]
        assert [ask(connection) for connection in idle] == [200] * IDLE
