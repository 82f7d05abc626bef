"""Every exchange of a real Vault 1.21 with its kv engine, versions 1 and 2, again in the same order with a server of ours."""

import re

import pytest

from replay import Replay, place, recording

# What goes to a mount of kv, what `vault kv` asks about one before, and its mounting and tuning.
OF_KV = re.compile(r"/v1/(sys/(internal/ui/)?mounts/)?(secret|kv1|team/kv2?)([/?].*)?")
# How many the recording has.
COUNT = 72
# A policy and the token that some of them are sent with. Lines of the recording, from 0.
PREPARATIONS = [67, 68]

NO_CLIENT_ID = "the plugin protocol tells a plugin no client id; the recorded kv was built into Vault"
NEVER_SEALED = "before it the recording sealed its Vault; ours goes on, and answers"
# Differences that are intended, by line: why, and all that differs.
INTENDED = {
    29: (NO_CLIENT_ID, [f".data.{where}.client_id is only in one of them" for where in (
        "last_updated_by", "versions.1.created_by", "versions.1.deleted_by", "versions.2.created_by", "versions.2.deleted_by",
        "versions.3.created_by", "versions.4.created_by")]),
    117: (NEVER_SEALED, ["status: 503 is expected, not 200", *(f".{name} is only in one of them" for name in (
        "auth", "data", "errors", "lease_duration", "lease_id", "mount_type", "renewable", "request_id", "warnings", "wrap_info"))]),
}


@pytest.fixture
def replay(server):
    """With the mounts that the recording used: kv1, and one that was moved from team/kv to team/kv2 when it had been tuned."""
    tuned = {"type": "kv-v2", "description": "d", "config": {"max_lease_ttl": "30m"}, "options": {"max_versions": "3"}}
    assert server.request("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}}).status == 204
    assert server.request("POST", "sys/mounts/team/kv2", tuned).status == 204
    return Replay(server)


def test_kv_answers_as_recorded(replay):
    recorded = recording()
    of_kv = [line for line, exchange in enumerate(recorded) if OF_KV.fullmatch(exchange["request"]["path"])]
    assert len(of_kv) == COUNT
    assert set(INTENDED) < set(of_kv)
    for line in sorted([*of_kv, *PREPARATIONS]):
        _, intended = INTENDED.get(line, (None, []))
        assert list(replay.differences(recorded[line])) == intended, f"{line}: {place(recorded[line])}"
