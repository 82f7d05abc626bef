"""The wall clock is set while the server runs: nothing that waits for a duration notices."""

import collections
import os
import re
import signal
import threading

import pytest

from conftest import BIN, eventually
from wall_clock import WallClock

HOUR = 3600


@pytest.fixture
def wall_clock(tmp_path, monkeypatch):
    return WallClock(tmp_path, monkeypatch)


@pytest.fixture
def server(wall_clock, start_server, tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    fickle = folder / "fickle"
    fickle.write_text(f"#!/bin/sh\n[ -e {tmp_path}/broken ] && exit 9\n{wall_clock.exports}\nexec {BIN}/plugins/belfry-kv\n")
    fickle.chmod(0o755)
    return start_server(plugin_dir=folder)


def time_of(server):
    return server.request("GET", "sys/health").json["server_time_utc"]


def test_no_request_ends_because_the_clock_was_set(server, wall_clock):
    assert server.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status == 200
    statuses = collections.Counter()
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            statuses[server.request("PUT", "secret/data/a", {"data": {"b": "c"}}).status] += 1

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    begin = time_of(server)
    try:
        for hours in (1, 2, 3, 1, -1, 0):
            before = sum(statuses.values())
            wall_clock.set(hours * HOUR)
            # Abseil looks at the kernel's clock every two seconds.
            assert eventually(lambda: abs(time_of(server) - begin - hours * HOUR) < HOUR / 2), "the clock was not set"
            assert eventually(lambda: sum(statuses.values()) > before + 40)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert set(statuses) == {200}, statuses


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_process_that_runs_serves_a_new_mount_after_the_clock_was_set(server, wall_clock, hours):
    def process():
        plugins = server.request("GET", "sys/plugins/processes").data["plugins"]
        return next(plugin["running"][0] for plugin in plugins if plugin["name"] == "kv")

    before = process()["pid"]
    wall_clock.set(hours * HOUR)
    assert server.request("POST", "sys/mounts/new", {"type": "kv"}).status == 204
    assert server.request("PUT", "new/a", {"b": "c"}).status == 204
    assert process()["pid"] == before and process()["mounts"] == ["new/", "secret/"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_plugin_in_back_off_is_tried_again_in_half_a_minute_at_most(server, wall_clock, tmp_path, hours):
    assert server.request("POST", "sys/mounts/f", {"type": "fickle"}).status == 204
    (tmp_path / "broken").touch()
    plugins = server.request("GET", "sys/plugins/processes").data["plugins"]
    os.kill(next(plugin["running"][0]["pid"] for plugin in plugins if plugin["name"] == "fickle"), signal.SIGKILL)

    def delay():
        found = re.search(r"tried again in ([0-9.]+)(ms|s)[^0-9a-z]", server.request("GET", "f/a").text + " ")
        return found and float(found.group(1)) * (0.001 if found.group(2) == "ms" else 1)

    assert eventually(delay)
    wall_clock.set(hours * HOUR)
    # The next delay, or what is left of this one.
    assert eventually(delay)
    assert delay() is None or delay() <= 30
    (tmp_path / "broken").unlink()
    assert eventually(lambda: server.request("GET", "f/a").status == 404)
