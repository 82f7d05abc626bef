"""A server that unseals by itself, with a key in a file or with a program that keeps it: what it needs no people for, and what it says when it cannot."""

import base64
import os
import re
import time

import pytest
from conftest import alive, eventually


def put_key(folder, mode=0o400, key=None):
    file = folder / "seal.key"
    file.unlink(missing_ok=True)
    file.write_text(base64.b64encode(key or os.urandom(32)).decode() + "\n")
    file.chmod(mode)
    return file


# Encrypts with a key that it keeps, as a KMS would.
WRAPPER = """
case $1 in
  wrap) base64 -d | openssl enc -aes-256-ctr -pbkdf2 -pass file:KEY | base64 ;;
  unwrap) base64 -d | openssl enc -d -aes-256-ctr -pbkdf2 -pass file:KEY | base64 ;;
esac
"""


def put_wrapper(folder, script=WRAPPER):
    key = folder / "wrapper.key"
    if not key.exists():
        key.write_text("only the wrapper knows")
    program = folder / "wrap"
    # Beside it first: what is being executed cannot be written.
    (folder / "new").write_text("#!/bin/sh\n" + script.replace("KEY", str(key)))
    (folder / "new").chmod(0o700)
    (folder / "new").rename(program)
    return program


@pytest.fixture
def file_server(start_configured, tmp_path):
    put_key(tmp_path)
    return start_configured("rocksdb", settings=f'seal "file" {{ path = "{tmp_path}/seal.key" }}\n')


@pytest.fixture
def command_server(start_configured, tmp_path):
    program = put_wrapper(tmp_path)
    return start_configured("rocksdb", settings=f'seal "command" {{\n  command = "{program}"\n  timeout = "5s"\n}}\n')


def initialize(server, shares=3, threshold=2):
    answer = server.request("PUT", "sys/init", {"recovery_shares": shares, "recovery_threshold": threshold}, token=None)
    assert answer.status == 200, answer.text
    server.token = answer.json["root_token"]
    return answer.json


def seal_status(server):
    return server.request("GET", "sys/seal-status", token=None).json


def unsealed(server):
    return eventually(lambda: not seal_status(server)["sealed"])


def write_and_restart(server, before_start=lambda: None):
    """With something in it that can be looked for."""
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    assert server.request("PUT", "kv/planted-name", {"a": "planted-value"}).status == 204
    assert server.stop() == 0
    before_start()
    server.start()


def failed_to_unseal(server, why):
    assert eventually(lambda: "failed to unseal" in server.log_text()), server.log_text()
    assert why in server.log_text(), server.log_text()
    assert seal_status(server)["sealed"]
    assert server.request("GET", "kv/planted-name").status == 503


def check_init_and_restart(server, kind):
    made = initialize(server)
    assert made["keys"] == made["keys_base64"] == [] and len(made["recovery_keys"]) == len(made["recovery_keys_base64"]) == 3
    write_and_restart(server)
    assert unsealed(server)
    status = seal_status(server)
    assert (status["type"], status["recovery_seal"], status["recovery_seal_type"], status["t"], status["n"]) == (kind, True, "shamir", 2, 3)
    assert server.request("GET", "kv/planted-name").data == {"a": "planted-value"}


def test_a_restart_needs_no_people(file_server):
    check_init_and_restart(file_server, "file")


def test_a_program_unseals_as_well(command_server):
    check_init_and_restart(command_server, "command")


def test_a_program_that_refuses_leaves_it_sealed_and_the_log_has_its_reason(command_server, tmp_path):
    initialize(command_server)
    write_and_restart(command_server, lambda: put_wrapper(tmp_path, "echo 'the KMS said no' >&2\nexit 7"))
    failed_to_unseal(command_server, "exited with code 7")
    assert "the KMS said no" in command_server.log_text()
    put_wrapper(tmp_path)
    assert unsealed(command_server)


def test_a_program_that_hangs_is_killed_and_holds_up_nothing(command_server, tmp_path):
    initialize(command_server)
    write_and_restart(command_server, lambda: put_wrapper(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; wait"))
    assert eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    child = (tmp_path / "child").read_text()
    began = time.monotonic()
    assert command_server.request("GET", "sys/health", token=None).status == 503
    assert time.monotonic() - began < 4
    failed_to_unseal(command_server, "did not end within 5s and was killed")
    assert eventually(lambda: not alive(int(child)))


def test_a_program_that_does_not_encrypt_is_refused_before_anything_is_stored(command_server, tmp_path):
    put_wrapper(tmp_path, "cat")
    refused = command_server.request("PUT", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1}, token=None)
    assert refused.status == 500 and "it must encrypt it" in refused.text
    assert command_server.request("GET", "sys/init", token=None).json == {"initialized": False}


def test_unseal_keys_are_neither_made_nor_taken(file_server):
    refused = file_server.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=None)
    assert (refused.status, refused.json["errors"]) == (400, ["parameters secret_shares,secret_threshold not applicable to seal type file"])
    key = initialize(file_server)["recovery_keys"][0]
    refused = file_server.request("PUT", "sys/unseal", {"key": key}, token=None)
    assert refused.status == 400 and "takes no unseal keys" in refused.text


def test_sealed_by_hand_it_stays_sealed_until_it_is_restarted(file_server):
    keys = initialize(file_server)["recovery_keys"]
    assert file_server.request("PUT", "sys/seal").status == 204
    for key in keys:
        assert file_server.request("PUT", "sys/unseal", {"key": key}, token=None).status == 400
    assert seal_status(file_server)["sealed"]
    assert file_server.stop() == 0
    file_server.start()
    assert unsealed(file_server)


def test_another_key_leaves_it_sealed_and_the_log_says_why(file_server, tmp_path):
    initialize(file_server)
    right = base64.b64decode((tmp_path / "seal.key").read_text())
    write_and_restart(file_server, lambda: put_key(tmp_path))
    failed_to_unseal(file_server, "put the key back with which the server was initialized")
    put_key(tmp_path, key=right)
    # The next attempt, some seconds later.
    assert unsealed(file_server)
    assert file_server.request("GET", "kv/planted-name").data == {"a": "planted-value"}


def test_a_key_file_that_others_may_read_is_refused(file_server, tmp_path):
    put_key(tmp_path, mode=0o644)
    refused = file_server.request("PUT", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1}, token=None)
    assert refused.status == 500 and f'run \\"chmod 0400 {tmp_path}/seal.key\\"' in refused.text
    assert file_server.request("GET", "sys/init", token=None).json == {"initialized": False}
    put_key(tmp_path)
    initialize(file_server)
    write_and_restart(file_server, lambda: (tmp_path / "seal.key").chmod(0o640))
    failed_to_unseal(file_server, "has mode 0640")


def test_the_command_line_asks_for_recovery_keys_by_itself(file_server):
    file_server.token = ""
    made = file_server.cli("operator", "init").stdout
    assert made.count("Recovery Key ") == 5 and "Unseal Key" not in made
    status = file_server.cli("status").stdout
    for row in (r"Seal Type +file", r"Recovery Seal Type +shamir", r"Total Recovery Shares +5", r"Threshold +3"):
        assert re.search(rf"^{row}$", status, re.MULTILINE), status


def test_recovery_keys_make_a_root_token(file_server):
    keys = initialize(file_server)["recovery_keys"]
    begun = file_server.request("PUT", "sys/generate-root/attempt", token=None).json
    for key in keys[1:]:
        given = file_server.request("PUT", "sys/generate-root/update", {"key": key, "nonce": begun["nonce"]}, token=None).json
    assert given["complete"]
    encoded = given["encoded_token"]
    token = bytes(a ^ b for a, b in zip(base64.b64decode(encoded + "=" * (-len(encoded) % 4)), begun["otp"].encode(), strict=True)).decode()
    assert file_server.request("GET", "auth/token/lookup-self", token=token).data["policies"] == ["root"]


def generate_root(server, keys):
    """Whether these recovery keys make a root token."""
    begun = server.request("PUT", "sys/generate-root/attempt", token=None).json
    for key in keys:
        given = server.request("PUT", "sys/generate-root/update", {"key": key, "nonce": begun["nonce"]}, token=None)
    server.request("DELETE", "sys/generate-root/attempt", token=None)
    return given.status == 200 and given.json["complete"]


def test_the_command_line_replaces_recovery_keys_and_the_server_goes_on_unsealing_itself(command_server):
    old = initialize(command_server)["recovery_keys_base64"]
    begun = command_server.cli("operator", "rekey", "-target=recovery", "-init", "-n=3", "-t=3").stdout
    nonce = re.search(r"^Nonce +(\S+)$", begun, re.MULTILINE).group(1)
    rekey = "operator", "rekey", "-target=recovery", f"-nonce={nonce}", "-"
    command_server.cli(*rekey, input=old[2])
    made = command_server.cli(*rekey, input=old[1]).stdout
    assert "The recovery keys are replaced: 3 of these 3 count now" in made
    new = re.findall(r"^Key \d+: (\S+)$", made, re.MULTILINE)
    assert len(new) == 3
    refused = command_server.cli("operator", "rekey", "-init", check=False)
    assert refused.returncode == 2 and "there are no unseal keys" in refused.stderr
    command_server.kill()
    command_server.start()
    assert unsealed(command_server)
    assert generate_root(command_server, new) and not generate_root(command_server, [*old])


def test_the_data_directory_shows_nothing_without_the_key_file(file_server, tmp_path):
    made = initialize(file_server)
    write_and_restart(file_server, lambda: (tmp_path / "seal.key").rename(tmp_path / "away"))
    failed_to_unseal(file_server, "No such file or directory")
    assert file_server.stop() == 0
    secret = base64.b64decode((tmp_path / "away").read_text())
    planted = [b"planted-name", b"planted-value", made["root_token"].encode(), secret, base64.b64encode(secret), secret.hex().encode()]
    for hexadecimal, text in zip(made["recovery_keys"], made["recovery_keys_base64"], strict=True):
        planted += [bytes.fromhex(hexadecimal), hexadecimal.encode(), text.encode()]
    for file in [path for path in (file_server.tmp / "data").rglob("*") if path.is_file()]:
        data = file.read_bytes()
        assert [text for text in planted if text in data] == [], file
    file_server.start()


def test_without_its_seal_it_does_not_start_and_says_which_it_had(file_server):
    initialize(file_server)
    assert file_server.stop() == 0
    configuration = file_server.tmp / "belfry.hcl"
    whole = configuration.read_text()
    configuration.write_text("\n".join(line for line in whole.splitlines() if not line.startswith("seal ")))
    refused = file_server.cli("server", f"-config={configuration}", check=False)
    assert refused.returncode == 1 and 'initialized with seal "file"' in refused.stderr, refused.stderr
    configuration.write_text(whole)
    file_server.start()
    assert unsealed(file_server)
