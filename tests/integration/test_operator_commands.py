"""What operators do with the command line: keys are given by hand, at a terminal or by scripts, and never shown."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios

import pytest
from conftest import BIN, PATIENCE


@pytest.fixture
def server(start_configured):
    server = start_configured("inmem")
    server.token = ""
    return server


def initialized(server, *flags):
    made = json.loads(server.cli("operator", "init", "-key-shares=3", "-key-threshold=2", "-format=json", *flags).stdout)
    server.token = made["root_token"]
    return made["unseal_keys_b64"]


def unsealed(server):
    keys = initialized(server)
    for key in keys[:2]:
        server.cli("operator", "unseal", "-", input=key)
    return keys


def table(text):
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def test_what_init_prints_unseals_the_server(server):
    text = server.cli("operator", "init").stdout
    keys = re.findall(r"^Unseal Key (\d+): (\S+)$", text, re.MULTILINE)
    assert [number for number, _ in keys] == ["1", "2", "3", "4", "5"]
    server.token = re.search(r"^Initial Root Token: (hvs\.\S+)$", text, re.MULTILINE).group(1)
    assert server.cli("operator", "init", "-status").stdout == "Vault is initialized\n"
    for count, (_, key) in enumerate(keys[:3], 1):
        shown = table(server.cli("operator", "unseal", input=f"{key}\n").stdout)
        assert shown.get("Unseal Progress") == (f"{count}/3" if count < 3 else None)
    assert server.cli("status", "-format=json").returncode == 0
    assert server.cli("operator", "key-status").stdout.startswith("Key Term            1\n")


def test_a_key_with_more_than_itself_is_not_sent(server):
    keys = initialized(server)
    for arguments in [], ["-"]:
        refused = server.cli("operator", "unseal", *arguments, input="\n".join(keys), check=False)
        assert refused.returncode == 1 and "one unseal key is expected" in refused.stderr and keys[0] not in refused.stderr
        assert server.cli("operator", "unseal", *arguments, input="", check=False).stderr == "no unseal key was given\n"
    assert table(server.cli("status", check=False).stdout)["Unseal Progress"] == "0/2"


def take_signals():
    """Also where the tests were started in the background or by nohup, which ignore some for all that is started."""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


class Typist:
    """A command at a terminal of its own, on which also what it says is seen; its output goes elsewhere."""

    def __init__(self, server, *arguments):
        self.master, self.terminal = pty.openpty()
        environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token)
        self.process = subprocess.Popen([str(BIN / "belfry"), *arguments], stdin=self.terminal, stdout=subprocess.PIPE, stderr=self.terminal,
                                        text=True, env=environment, preexec_fn=take_signals)
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(timeout=PATIENCE)
        os.close(self.master)
        os.close(self.terminal)

    def shows(self):
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def until(self, words):
        while words not in self.seen:
            assert select.select([self.master], [], [], PATIENCE)[0], f"no {words!r} after {self.seen!r}"
            self.seen += os.read(self.master, 4096).decode()

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        out, _ = self.process.communicate(timeout=PATIENCE)
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 4096).decode()
        return out


def test_a_typed_key_is_not_shown(server):
    key = initialized(server)[0]
    with Typist(server, "operator", "unseal") as typist:
        typist.until("Unseal Key (will be hidden): ")
        assert not typist.shows()
        typist.type(f"{key}\n")
        out = typist.end()
        assert typist.process.returncode == 0 and table(out)["Unseal Progress"] == "1/2"
        assert typist.seen == "Unseal Key (will be hidden): \r\n" and typist.shows()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_question_and_leaves_a_terminal_that_shows_what_is_typed(server, number):
    initialized(server)
    with Typist(server, "operator", "unseal") as typist:
        typist.until("Unseal Key (will be hidden): ")
        assert not typist.shows()
        typist.process.send_signal(number)
        assert typist.end() == "" and typist.process.returncode == -number
        assert typist.shows()


def test_who_types_a_key_is_told_what_for(server):
    keys = unsealed(server)
    nonce = table(server.cli("operator", "rekey", "-init", "-key-shares=1", "-key-threshold=1").stdout)["Nonce"]
    with Typist(server, "operator", "rekey") as typist:
        typist.until(f"Operation nonce: {nonce}\r\nUnseal Key (will be hidden): ")
        typist.type(f"{keys[0]}\n")
        assert table(typist.end())["Rekey Progress"] == "1/2" and keys[0] not in typist.seen


def test_keys_are_replaced(server):
    keys = unsealed(server)
    nonce = table(server.cli("operator", "rekey", "-init", "-n=2", "-t=2").stdout)["Nonce"]
    server.cli("operator", "rekey", f"-nonce={nonce}", "-", input=keys[0])
    done = server.cli("operator", "rekey", input=keys[2])
    assert done.stderr == f"Operation nonce: {nonce}\n" and f"\nOperation nonce: {nonce}\n" in done.stdout
    new = re.findall(r"^Key \d: (\S+)$", done.stdout, re.MULTILINE)
    assert len(new) == 2
    assert server.cli("operator", "seal").stdout == "Success! Vault is sealed.\n"
    for key in new:
        server.cli("operator", "unseal", "-", input=key)
    assert server.cli("status").returncode == 0
    refused = server.cli("operator", "rekey", "-nonce=x", "-", input=keys[0], check=False)
    assert refused.returncode == 1 and "No rekey is in progress" in refused.stderr


def test_keys_are_replaced_once_the_new_ones_are_verified(server):
    keys = unsealed(server)
    server.cli("operator", "rekey", "-init", "-verify", "-key-shares=2", "-key-threshold=2")
    server.cli("operator", "rekey", input=keys[0])
    made = server.cli("operator", "rekey", input=keys[1]).stdout
    new = re.findall(r"^Key \d: (\S+)$", made, re.MULTILINE)
    assert table(made)["Verification Progress"] == "0/2" and table(made)["Verification Nonce"] != "n/a"
    assert table(server.cli("operator", "rekey", "-verify", input=new[0]).stdout)["Verification Progress"] == "1/2"
    assert table(server.cli("operator", "rekey", "-verify", "-status").stdout)["Verification Progress"] == "1/2"
    assert server.cli("operator", "rekey", "-verify", "-cancel").stdout.startswith("Success! The verification begins again")
    assert table(server.cli("operator", "rekey", "-verify", "-status").stdout)["Verification Progress"] == "0/2"
    for key in new:
        done = server.cli("operator", "rekey", "-verify", input=key).stdout
    assert done.startswith("Success! ")
    server.cli("operator", "seal")
    assert table(server.cli("operator", "unseal", "-", input=new[0]).stdout)["Total Shares"] == "2"
    server.cli("operator", "unseal", "-", input=new[1])
    assert server.cli("status").returncode == 0


def shown_nowhere(server, *arguments, **options):
    """What a command says whose output cannot be written."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(BIN / "belfry"), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
                              env=dict(os.environ, VAULT_ADDR=f"http://{server.address}"), **options)
    assert done.returncode == 1
    return done.stderr


def test_keys_that_could_not_be_shown_are_said_to_be_lost(server):
    said = shown_nowhere(server, "operator", "init", "-n", "1", "-t", "1")
    assert "its keys and the root token could not be shown, and are lost: end the server, remove its data directory" in said


def test_a_rekey_whose_keys_could_not_be_shown_says_what_is_lost(server):
    keys = unsealed(server)
    begun = server.cli("operator", "rekey", "-init", "-n", "1", "-t", "1")
    assert "Without -verify the old ones are lost at that moment" in begun.stderr
    server.cli("operator", "rekey", input=keys[0])
    said = shown_nowhere(server, "operator", "rekey", input=keys[1])
    assert "could not be shown, and are lost. The server can never be unsealed again: before it is sealed" in said


def test_a_rekey_is_canceled_by_its_nonce(server):
    unsealed(server)
    nonce = json.loads(server.cli("operator", "rekey", "-init", "-format=json").stdout)["nonce"]
    assert server.cli("operator", "rekey", "-cancel", check=False).returncode == 2
    assert server.cli("operator", "rekey", "-cancel", f"-nonce={nonce}").stdout == "Success! Canceled rekeying (if it was started)\n"
    assert json.loads(server.cli("operator", "rekey", "-status", "-format=json").stdout)["started"] is False


@pytest.mark.parametrize("own_otp", [False, True])
def test_a_root_token_is_made_of_keys(server, own_otp):
    keys = unsealed(server)
    otp = server.cli("operator", "generate-root", "-generate-otp").stdout
    assert re.fullmatch(r"[0-9A-Za-z]{28}", otp)
    begun = table(server.cli("operator", "generate-root", "-init", *([f"-otp={otp}"] if own_otp else [])).stdout)
    assert ("OTP" in begun) is not own_otp
    otp = otp if own_otp else begun["OTP"]
    server.cli("operator", "generate-root", f"-nonce={begun['Nonce']}", "-", input=keys[0])
    done = table(server.cli("operator", "generate-root", input=keys[1]).stdout)
    assert done["Complete"] == "true" and done["Progress"] == "2/2"
    server.token = server.cli("operator", "generate-root", f"-decode={done['Encoded Token']}", input=otp).stdout
    assert server.request("GET", "auth/token/lookup-self", token=server.token).data["policies"] == ["root"]
    assert server.cli("operator", "generate-root", "-decode=-", f"-otp={otp}", input=done["Encoded Token"]).stdout == server.token
