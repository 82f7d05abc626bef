"""What the author of a plugin sees of it under a host: hooks, logs, errors, reloads. On the plugin tests/integration/trial."""

import os
import signal
import subprocess

import pytest

from conftest import BIN, eventually
from test_plugins import processes

TRIALS = BIN / "test-plugins"


def enable(server, mount, **options):
    return server.request("POST", f"sys/mounts/{mount}", {"type": "trial", "options": options})


def runs(server, mount):
    return server.request("GET", f"{mount}/runs").data["runs"]


@pytest.fixture
def author(start_server):
    return start_server("-dev-periodic-interval=50ms", plugin_dir=TRIALS)


def test_a_periodic_hook_runs_under_the_server(author):
    assert enable(author, "often", every="1ms").status == 204
    assert eventually(lambda: runs(author, "often") >= 3)


def test_a_daily_hook_runs_once_though_its_plugin_is_killed(author):
    assert enable(author, "daily", every="24h").status == 204
    assert enable(author, "often", every="1ms").status == 204
    assert eventually(lambda: runs(author, "daily") == 1)
    for pid in {p["pid"] for p in processes(author, "trial")["running"]}:
        os.kill(pid, signal.SIGKILL)
    # Both are asked in the same rounds: as the one has run more often, the other has been asked again.
    before = runs(author, "often")
    assert eventually(lambda: runs(author, "often") >= before + 3)
    assert runs(author, "daily") == 1


@pytest.mark.parametrize("interval", ["0", "-1s", "soon", "1"])
def test_an_interval_that_is_no_duration_is_refused(interval):
    result = subprocess.run([str(BIN / "belfry"), "server", "-dev", f"-dev-periodic-interval={interval}"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "-dev-periodic-interval must be a duration above zero" in result.stderr
