"""What a real Vault 1.21 was asked before, while and after it was unsealed, asked again in the same order of a server of ours, on
RocksDB and in memory, with shares of our own."""

import base64
import re

import pytest
from replay import ANYTHING, NUMBER, TIME, UUID, VARYING, Replay, place, recording

# What is answered otherwise, by the line of the recording, with the reason.
OTHERWISE = {
    16: "fields are read in one way everywhere: the error names the field, and is no text of Go's JSON package",
    46: "no cluster address: there are no other nodes",
    48: "no identity engine, and sys/ and cubbyhole/ are described as they are here",
    71: "the nonce that is missing is said to be wrong, where Vault says EOF of the body",
}


class SealReplay(Replay):
    names = {
        "root_token": ANYTHING, "keys": ANYTHING, "keys_base64": ANYTHING, "nonce": UUID, "verification_nonce": UUID, "otp": ANYTHING,
        "cluster_name": ANYTHING, "cluster_id": UUID, "created_time": TIME, "accessor": ANYTHING,
    }
    varying = VARYING | {
        "server_time_utc": NUMBER, "version": ANYTHING, "build_date": ANYTHING, "install_time": TIME, "encryptions": NUMBER,
        "encoded_token": ANYTHING, "encoded_root_token": ANYTHING, "storage_type": re.compile("inmem|rocksdb"),
        "cluster_name": re.compile("(vault|belfry)-cluster-[0-9a-f]{8}"),
    }

    def learn(self, recorded, given):
        super().learn(recorded, given)
        if isinstance(recorded, dict) and isinstance(given, dict) and recorded.get("encoded_token") and given.get("encoded_token"):
            self.ours[token_of(recorded, list(self.ours))] = token_of(given, list(self.ours.values()))


def token_of(answer, names):
    """The token that was handed out under one of the one-time pads that were."""
    encoded = base64.b64decode(answer["encoded_token"] + "==")
    tokens = [bytes(a ^ b for a, b in zip(encoded, otp.encode())) for otp in names if len(otp) == len(encoded)]
    return next(token for token in tokens if re.fullmatch(rb"hvs\.[0-9A-Za-z]+", token)).decode()


@pytest.mark.parametrize("storage", ["rocksdb", "inmem"])
def test_a_seal_is_answered_as_recorded(start_configured, storage):
    replay, recorded = SealReplay(start_configured(storage)), recording("http-vault-1.21-seal")
    assert len(recorded) == 107
    found = {}
    for number, exchange in enumerate(recorded, 1):
        found[number] = [f"{number} {place(exchange)}: {difference}" for difference in replay.differences(exchange)]
    unexpected = [line for number, lines in found.items() if number not in OTHERWISE for line in lines]
    assert unexpected == []
    assert [number for number in OTHERWISE if not found[number]] == [], "listed as different, and not different any more"
