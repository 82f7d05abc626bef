"""More clients than there are descriptors: whoever asks is served, whoever only sits there makes room, and nobody is left without an answer."""

import contextlib
import json
import pathlib
import re
import select
import socket

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


def test_a_connection_above_the_limit_is_told_so(small):
    subscribers = []
    with contextlib.ExitStack() as stack:
        refusal = None
        # Each is a request under way, and stays.
        for _ in range(IDLE):
            connection = stack.enter_context(connect(small))
            connection.sendall(b"GET /v1/sys/events/subscribe/*?json=true HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: root\r\n"
                               b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            head = connection.recv(65536)
            if not head.startswith(b"HTTP/1.1 101 "):
                refusal = head
                break
            subscribers.append(connection)
        assert refusal is not None, f"{IDLE} subscribers on {DESCRIPTORS} descriptors"
        assert len(subscribers) > DESCRIPTORS // 2
        head, _, body = refusal.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nConnection: close\r\n" in head and b"\r\nDate: " in head
        assert json.loads(body) == {"errors": ["too many connections; try again later"]}
        for _ in range(100):
            with contextlib.closing(connect(small)) as another:
                another.recv(65536)
        # Those that are served go on being served, and there is room for the next as soon as one leaves.
        assert not any(is_ended(subscriber) for subscriber in subscribers)
        subscribers.pop().close()
        assert eventually(lambda: served(small))
    assert small.log_text().count("too many connections") == 1


def served(server):
    with contextlib.suppress(OSError):
        return server.request("GET", "sys/health").status == 200
    return False


def test_the_soft_limit_is_raised_to_the_hard_one_but_not_for_plugins(start_server):
    server = start_server(wrapper=("prlimit", "--nofile=64:2048"))
    assert descriptors_of(server.process.pid) == (2048, 2048)
    assert [descriptors_of(plugin) for plugin in server.plugins() if "plugin-guard" not in pathlib.Path(f"/proc/{plugin}/comm").read_text()] \
        == [(64, 2048)]
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(IDLE)]
        assert [ask(connection) for connection in idle] == [200] * IDLE
