"""A command whose output is lost fails and says why; a reader that has seen enough is no failure of that kind."""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from all_commands import all_commands, belfry
from conftest import BIN, PATIENCE, eventually

# What every configuration needs, and nothing else.
SMALLEST = pathlib.Path(__file__).with_name("smallest.hcl")
# Files of the commands; made with the server.
FOLDER = pathlib.Path(tempfile.gettempdir()) / f"belfry-lost.{os.getpid()}"
# What makes each command print something, after `prepare`.
ARGUMENTS = {
    ("server",): ["-dev", "-dev-listen-address=127.0.0.1:0", "-log-level=error"],
    ("status",): [],
    ("version",): [],
    ("events", "subscribe"): ["*"],
    ("events", "explain"): ["*"],
    ("kv", "put"): ["secret/a", "x=1"],
    ("kv", "get"): ["secret/a"],
    ("kv", "patch"): ["secret/a", "x=2"],
    ("kv", "delete"): ["secret/a"],
    ("kv", "undelete"): ["-versions=1", "secret/a"],
    ("kv", "destroy"): ["-versions=1", "secret/a"],
    ("kv", "list"): ["secret"],
    ("kv", "metadata", "get"): ["secret/a"],
    ("kv", "metadata", "put"): ["-max-versions=3", "secret/a"],
    ("kv", "metadata", "patch"): ["-max-versions=4", "secret/a"],
    ("kv", "metadata", "delete"): ["secret/b"],
    ("operator", "init"): ["-status"],
    ("operator", "unseal"): ["00" * 33],
    ("operator", "seal"): [],
    ("operator", "rekey"): ["-status"],
    ("operator", "generate-root"): ["-status"],
    ("operator", "rotate"): [],
    ("operator", "key-status"): [],
    ("operator", "members"): [],
    ("operator", "step-down"): [],
    ("operator", "config", "check"): [str(SMALLEST)],
    ("operator", "check"): [f"-config={FOLDER}/check.hcl"],
    ("operator", "snapshot", "save"): [f"{FOLDER}/saved"],
    ("operator", "snapshot", "inspect"): [f"{FOLDER}/a.snapshot"],
    ("operator", "snapshot", "restore"): [f"-config={FOLDER}/{{}}.hcl", f"{FOLDER}/a.snapshot"],
    ("secrets", "enable"): ["-path=lost{}", "kv"],
    ("secrets", "list"): [],
    ("secrets", "move"): ["moving{}", "moved{}"],
    ("secrets", "disable"): ["nosuch"],
}
HELP = [(*command, "-h") for command in ARGUMENTS] + [("-h",), ("kv", "-h")]


@pytest.fixture(scope="module")
def server(module_servers):
    server = module_servers()
    server.cli("kv", "put", "secret/a", "x=0")
    server.cli("kv", "put", "secret/b", "x=0")
    # What is sealed is of no use to the other commands.
    server.to_seal = module_servers()
    FOLDER.mkdir()
    server.cli("operator", "snapshot", "save", str(FOLDER / "a.snapshot"))
    write_config("check")
    server.cli("operator", "snapshot", "restore", f"-config={FOLDER}/check.hcl", str(FOLDER / "a.snapshot"))
    yield server
    shutil.rmtree(FOLDER)


def write_config(name):
    """Of a data directory of its own."""
    (FOLDER / f"{name}.hcl").write_text(SMALLEST.read_text().replace('"inmem" {}', f'"rocksdb" {{\n path = "{FOLDER}/{name}"\n}}'))


def subscriptions(server):
    return "belfry_events_subscriptions 1\n" in server.request("GET", "sys/metrics?format=prometheus").text


NUMBERS = itertools.count()


def run(server, command, stdout, prefix=()):
    """Exit code and standard error of a command with that standard output."""
    number = next(NUMBERS)
    command = tuple(word.replace("{}", str(number)) for word in command)
    write_config(number)
    address = server.to_seal.address if command[:2] == ("operator", "seal") else server.address
    environment = dict(os.environ, VAULT_ADDR=f"http://{address}", VAULT_TOKEN=server.token)
    if command[:2] == ("secrets", "move") and "-h" not in command:
        server.cli("secrets", "enable", f"-path={command[2]}", "kv")
    process = subprocess.Popen([*prefix, str(BIN / "belfry"), *command], stdout=stdout, stderr=subprocess.PIPE, text=True,
                               env=environment)
    try:
        if command[:2] == ("events", "subscribe") and "-h" not in command:
            assert eventually(lambda: subscriptions(server) or process.poll() is not None)
            server.cli("kv", "put", "secret/a", "x=event")
        _, err = process.communicate(timeout=PATIENCE)
        return process.returncode, err
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)


def test_every_command_is_tried():
    assert set(ARGUMENTS) == set(all_commands())


@pytest.mark.parametrize("command", [(*name, *arguments) for name, arguments in ARGUMENTS.items()] + HELP, ids=" ".join)
def test_a_full_disk_is_1_with_the_reason(server, command):
    with open("/dev/full", "w") as full:
        code, err = run(server, command, full)
    assert code == 1
    assert err.endswith("cannot write to standard output: No space left on device\n"), err


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != ("events", "subscribe")], ids=" ".join)
def test_a_closed_output_is_1_with_the_reason(server, name):
    code, err = run(server, (*name, *ARGUMENTS[name]), None, prefix=("bash", "-c", '"$@" >&-', "bash"))
    assert code == 1 and err.endswith("cannot write to standard output: Bad file descriptor\n"), err


def test_a_closed_output_does_not_become_the_connection(server):
    code, err = run(server, ("events", "subscribe", "*"), None, prefix=("bash", "-c", '"$@" >&-', "bash"))
    assert code == 1 and "Bad file descriptor" in err


@pytest.mark.parametrize("name", ARGUMENTS, ids=" ".join)
def test_a_reader_that_has_gone_is_told_of_by_nothing_but_the_exit_code(server, name):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, err = run(server, (*name, *ARGUMENTS[name]), writer)
    finally:
        os.close(writer)
    assert err == ""
    # A subscription has no other end.
    assert code == (0 if name == ("events", "subscribe") else 1)


def test_a_refused_command_keeps_its_exit_code():
    with open("/dev/full", "w") as full:
        process = subprocess.run([str(BIN / "belfry"), "nosuch"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert process.returncode == 127


def test_what_cannot_be_read_is_not_taken_for_empty(server, tmp_path):
    for argument in "-", "x=-":
        result = subprocess.run([str(BIN / "belfry"), "kv", "put", "secret/unread", argument], stdin=os.open(tmp_path, os.O_RDONLY),
                                env=dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token),
                                capture_output=True, text=True, timeout=PATIENCE)
        assert result.returncode == 1 and "cannot read standard input" in result.stderr
    for argument in f"@{tmp_path}", f"x=@{tmp_path}", "x=@/nosuch":
        result = server.cli("kv", "put", "secret/unread", argument, check=False)
        assert result.returncode == 1 and "cannot read the file" in result.stderr
    assert server.request("GET", "secret/data/unread").status == 404
    assert belfry("version").returncode == 0
