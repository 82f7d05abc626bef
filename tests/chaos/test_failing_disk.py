"""A disk that fails under load, damaged files, and a clock that was set back: nothing that was acknowledged is lost, and nothing wrong is served."""

import os
import random
import re
import shutil
import signal
import subprocess

import pytest
from conftest import BIN, PATIENCE
from failing_disk import FULL, NOTHING, SYNC_ERROR, TORN_WRITE, FailingDisk
from wall_clock import WallClock
from workers import MOUNTS, check, finish, prepare, start, summary

HOUR = 3600
SEED = int(os.environ.get("BELFRY_CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
# How often each kind of fault comes, each time at another call.
ROUNDS = int(os.environ.get("BELFRY_CHAOS_FAULTS", "2"))


def restart(server):
    assert server.stop() == 0
    server.start()
    server.unseal()


@pytest.mark.parametrize("fault", [FULL, TORN_WRITE, SYNC_ERROR], ids=["full_disk", "torn_write", "fsync_error"])
def test_a_disk_that_fails_makes_the_server_read_only_and_loses_nothing(fault, start_configured, tmp_path, monkeypatch):
    choose = random.Random(f"{SEED} {fault}")
    server = start_configured("rocksdb", plugin_dir=tmp_path)
    prepare(server, tmp_path)
    disk = FailingDisk(tmp_path, server.tmp / "data", monkeypatch)
    history = {}
    for _ in range(ROUNDS):
        disk.fail(NOTHING)
        restart(server)
        check(server, history)
        workers = start(server, history)
        disk.fail(fault, after_calls=choose.randrange(40))
        for refusal in finish(workers, refused=True):
            assert re.search(r": 500 .*storage is read-only", refusal), refusal
        health = server.request("GET", "sys/health", token=None).json
        assert health["storage"]["read_only"] is True, health
        # What is there can be read.
        for mount in MOUNTS:
            assert server.request("GET", f"{mount}/data/{MOUNTS.index(mount)}").status == 200
    disk.fail(NOTHING)
    restart(server)
    check(server, history)
    print(f"{ROUNDS} faults (BELFRY_CHAOS_SEED={SEED}): {summary(history)}")


def test_a_flipped_byte_in_any_file_is_never_served(start_configured, tmp_path):
    choose = random.Random(SEED)
    server = start_configured("rocksdb", plugin_dir=tmp_path)
    prepare(server, tmp_path)
    history = {}
    workers = start(server, history)
    server.kill()
    finish(workers)
    whole = tmp_path / "whole"
    data = server.tmp / "data"
    shutil.copytree(data, whole)
    files = sorted(path.name for path in whole.iterdir() if path.stat().st_size > 0)
    assert any(name.endswith(".log") for name in files) and "FORMAT" in files, files
    outcomes = {}
    for name in files:
        shutil.rmtree(data)
        shutil.copytree(whole, data)
        content = bytearray((data / name).read_bytes())
        at = choose.randrange(len(content))
        content[at] ^= 1 << choose.randrange(8)
        (data / name).write_bytes(content)
        where = f"byte {at} of {name} (BELFRY_CHAOS_SEED={SEED})"
        refused = subprocess.run([BIN / "belfry", "operator", "check", f"-config={server.tmp}/belfry.hcl"], capture_output=True, text=True,
                                 timeout=PATIENCE)
        if refused.returncode:
            # A bit of a table lets RocksDB end the process (docs/decisions/0012-rocksdb.md).
            ended = refused.returncode == -signal.SIGABRT and name.endswith(".sst")
            said = refused.returncode == 2 and re.search("damaged|newer version", refused.stderr)
            assert ended or said, (where, refused.returncode, refused.stderr)
            outcomes[name] = "refused"
            continue
        # What RocksDB reads in no way that matters, and what FORMAT has twice or not at all.
        server.start()
        server.unseal()
        check(server, dict(history))
        assert server.stop() == 0
        outcomes[name] = "ignored"
    assert "refused" in outcomes.values(), outcomes
    shutil.rmtree(data)
    shutil.copytree(whole, data)
    server.start()
    server.unseal()
    check(server, history)


def test_nothing_is_lost_when_the_clock_was_set_back_before_a_restart(start_configured, tmp_path, monkeypatch):
    clock = WallClock(tmp_path, monkeypatch)
    clock.set(48 * HOUR)
    server = start_configured("rocksdb", plugin_dir=tmp_path)
    prepare(server, tmp_path)
    history = {}
    for hours in (24, 0):
        workers = start(server, history)
        server.kill()
        finish(workers)
        clock.set(hours * HOUR)
        server.start()
        server.unseal()
        check(server, history)
    print(summary(history))
