"""What the command line puts into a request's head cannot start another header, wherever it comes from."""

import itertools
import os
import socket
import subprocess
import threading

import pytest
from all_commands import WITHOUT_REQUESTS, all_commands
from conftest import BIN, PATIENCE

# Some way to send each command on its way.
ARGUMENTS = {"kv put": ["secret/a", "x=1"], "kv patch": ["secret/a", "x=1"], "secrets list": [], "secrets move": ["a", "b"], "status": []}
ARGUMENTS |= {" ".join(name): [] for name in all_commands() if name[0] == "operator"}
ARGUMENTS["operator snapshot save"] = ["file"]
COMMANDS = [(*name, *ARGUMENTS.get(" ".join(name), ["secret/a"])) for name in all_commands() if name not in WITHOUT_REQUESTS]
# A newline, what smuggles a header, a carriage return, NUL's neighbours, DEL, a tab.
BAD = ["root\n", "root\r\nX-Vault-Namespace: ns1", "ro\rot", "\x01root", "root\x7f", "ro\tot"]


class Listener:
    """Counts who connects."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture(scope="module")
def listener():
    listener = Listener()
    yield listener
    assert listener.connections == 0
    listener.socket.close()


def run(listener, command, home, flags=(), **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BELFRY_"))}
    count = 2 if command[0] != "status" else 1
    if command[:2] in (("kv", "metadata"), ("operator", "snapshot")):
        count = 3
    return subprocess.run([str(BIN / "belfry"), *command[:count], *flags, *command[count:]], capture_output=True, text=True,
                          timeout=PATIENCE, env=dict(clean, HOME=str(home), VAULT_ADDR=listener.address) | environment)


def refused(result, source):
    assert result.returncode == 1 and result.stdout == ""
    assert source in result.stderr and "cannot be sent" in result.stderr and "take it out" in result.stderr
    assert "root" not in result.stderr.replace("cannot", "")


@pytest.mark.parametrize("value", BAD, ids=ascii)
def test_tokens_and_namespaces_of_the_environment(listener, tmp_path, value):
    for program, name in itertools.product(("VAULT", "BELFRY"), ("TOKEN", "NAMESPACE")):
        variable = f"{program}_{name}"
        result = run(listener, ("secrets", "list"), tmp_path, **{variable: value})
        refused(result, variable)
        assert ("line break" if value.strip("root")[:1] in ("\n", "\r") else "control character") in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command(listener, tmp_path, command):
    refused(run(listener, command, tmp_path, VAULT_TOKEN=BAD[1]), "VAULT_TOKEN")
    refused(run(listener, command, tmp_path, flags=(f"-namespace={BAD[1]}",)), "-namespace")


@pytest.mark.parametrize("value", BAD, ids=ascii)
def test_the_stored_token(listener, tmp_path, value):
    (tmp_path / ".vault-token").write_bytes(f"{value}middle".encode())
    refused(run(listener, ("secrets", "list"), tmp_path), "~/.vault-token")


def test_white_space_around_the_stored_token_is_no_part_of_it(server, tmp_path):
    (tmp_path / ".vault-token").write_text(" root\r\n\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BELFRY_"))}
    result = subprocess.run([str(BIN / "belfry"), "secrets", "list"], capture_output=True, text=True, timeout=PATIENCE,
                            env=dict(environment, HOME=str(tmp_path), VAULT_ADDR=f"http://{server.address}"))
    assert result.returncode == 0 and "secret/" in result.stdout


def test_a_stored_token_that_cannot_be_read_is_no_absent_one(listener, tmp_path):
    (tmp_path / ".vault-token").mkdir()
    result = run(listener, ("secrets", "list"), tmp_path)
    assert result.returncode == 1 and ".vault-token" in result.stderr


@pytest.mark.parametrize("suffix", ["\n", "/base\r\nX-Vault-Token: other", "/a b", "/\x7f", "\r"], ids=ascii)
def test_addresses(listener, tmp_path, suffix):
    for source in {"VAULT_ADDR": listener.address + suffix}, {"BELFRY_ADDR": listener.address + suffix}, {}:
        flags = () if source else (f"-address={listener.address}{suffix}",)
        result = run(listener, ("secrets", "list"), tmp_path, flags=flags, **source)
        assert result.returncode == 1 and "cannot use the address" in result.stderr
