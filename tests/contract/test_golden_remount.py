"""What a real Vault 1.21 was asked and answered about moving mounts, asked again in the same order of a server of ours."""

from replay import Replay, place, recording

MOVED = 2
# Vault moves later and warns of that; here the answer comes when the mount is at its new path.
QUEUED = ".warnings: ['Mount move has been queued. Progress will be reported in Vault's server log, tagged with the returned migration_id'] " \
         "is expected, not None"


def test_moves_are_answered_as_recorded(server):
    replay, exchanges = Replay(server), recording("http-vault-1.21-remount")
    assert len(exchanges) == 14
    for number, exchange in enumerate(exchanges):
        found = [line.replace('"', "'") for line in replay.differences(exchange)]
        assert found == ([QUEUED] if number == MOVED else []), place(exchange)
