"""What a real Vault 1.21 was asked about policies, tokens and capabilities, asked again in the same order of a server of ours."""

from replay import Replay, place, recording

# Those exchanges, and what a token was refused or given because of its policies. The lines of the recording, from 0.
EXCHANGES = [1, *range(60, 82), 105, 106]


def test_policies_and_tokens_are_answered_as_recorded(server):
    replay, recorded = Replay(server), recording()
    for number in EXCHANGES:
        assert list(replay.differences(recorded[number])) == [], place(recorded[number])
    tokens = {name for name in replay.ours if name.startswith("hvs.")}
    assert len(tokens) == 1, "the recording has one token besides the root token"
