"""Commands of a real Vault 1.21's command line, again in the same order with ours."""

import json
import os
import re
import subprocess

from conftest import BIN, PATIENCE, ROOT

RECORDING = ROOT / "tests/golden/cli-vault-1.21.jsonl"
COUNT = 70
# Commands that ours has not, done by the API, so that those after them find what they expect.
NOT_YET = {
    "kv enable-versioning one": ("POST", "sys/mounts/one/tune", {"options": {"version": "2"}}),
    "kv rollback -version=1 secret/app/db": ("PUT", "secret/data/app/db", {"data": {"user": "alice", "password": "one"}}),
    "kv rollback secret/app/db": None,
    "kv metadata patch -remove-custom-metadata=owner secret/app/db": (
        "PATCH", "secret/metadata/app/db", {"custom_metadata": {"owner": None}}),
}
# Where ours says it in its own words, or more: what it says, as a regular expression.
OUR_WORDS = {
    "kv patch secret/app/nosuch a=b": r"No value found at secret/data/app/nosuch",
    "kv destroy secret/app/db": r'No versions provided, use the "-versions" flag .*',
    "kv put secret/x": r"Not enough arguments \(expected 2, got 1\)",
    "kv put secret/z a": r'"a" is neither KEY=VALUE nor @file nor -',
    "kv get secret/x": r"cannot reach the server at 127.0.0.1:1: Connection refused .*",
    "status": r"Error checking seal status: cannot reach the server at 127.0.0.1:1: Connection refused .*|"
              r'cannot use the address "rubbish": .*',
}
# Where the server itself answers otherwise, without a token or with a namespace: how, and all that it says.
OTHER_ANSWERS = {
    "kv get secret/in": (2, r"GET .* was answered with 403\n\* permission denied\nno token was sent: set VAULT_TOKEN$"),
    "kv get -namespace=ns1 secret/in": (2, r'GET .* was answered with 400\n\* there is only the root namespace on this server, no "ns1"$'),
}
# The plugin protocol tells a plugin no client id, so that our kv cannot keep one.
CLIENT_ID = re.compile(r'(created|deleted|last_updated)_by')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def recorded():
    return [json.loads(line) for line in RECORDING.read_text().splitlines()]


def one_line(error):
    """Vault's way to show a refusal, in our shape: the request and the status in a line, the reasons below."""
    error = re.sub(r"Error making API request\.\n\nURL: (.*)\nCode: (\d+)\. Errors:\n\n+", r"\1 was answered with \2\n", error)
    error = re.sub(r"WARNING! The following warnings.*\n\n  \* ", "* ", error)
    return error.replace("http://<server>", "").rstrip("\n")


def plain(text):
    """Without what differs from run to run, and with Go's map[…] written as JSON."""
    text = re.sub(r"map\[(\w+):(\w+)\]", r'{"\1":"\2"}', TIME.sub("<time>", text))
    lines = [re.sub(r"( {3,}|: )\S*$", r"\1<own>", line) if re.search(r"request_id|ersion  +1\.21|build_date|Build Date|luster|\"version\": \"1", line)
             else line for line in text.splitlines() if not CLIENT_ID.search(line)]
    return [re.sub(r" {2,}", "  ", line) for line in lines]


def without_client_ids(value):
    if isinstance(value, dict):
        return {name: without_client_ids(member) for name, member in value.items() if not CLIENT_ID.fullmatch(name)}
    return value


def same_output(ours, theirs):
    if theirs.startswith(("{", "[")):
        mine, other = without_client_ids(json.loads(ours)), without_client_ids(json.loads(theirs))
        if isinstance(mine, dict):
            mine, other = ({name: value for name, value in it.items() if name not in VARYING} for it in (mine, other))
        return json.loads(TIME.sub("<time>", json.dumps(mine))) == json.loads(TIME.sub("<time>", json.dumps(other)))
    return plain(ours) == plain(theirs)


VARYING = {"request_id", "version", "build_date", "cluster_name", "cluster_id", "lease_duration", "wrap_info", "auth"}


def run(server, folder, command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BELFRY_"))}
    token = command.get("token", server.token)
    environment.update({"HOME": str(folder), "VAULT_ADDR": f"http://{server.address}"}, **({"VAULT_TOKEN": token} if token else {}))
    environment.update(command.get("env", {}))
    return subprocess.run([str(BIN / "belfry"), *command["args"]], input=command.get("stdin", ""), cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=PATIENCE)


def difference(server, ours, command):
    words = " ".join(command["args"])
    if words in OTHER_ANSWERS and (command.get("token") == "" or "namespace" in words):
        code, said = OTHER_ANSWERS[words]
        return None if ours.returncode == code and re.match(said, ours.stderr) else f"it says {ours.stderr!r}"
    if ours.returncode != command["exit"]:
        return f"exit {command['exit']} is expected, not {ours.returncode}: {ours.stderr}"
    if command.get("usage"):
        return None
    if not same_output(ours.stdout, command["stdout"]):
        return f"the output is\n{ours.stdout}not\n{command['stdout']}"
    said = ours.stderr.replace(f"http://{server.address}", "").rstrip("\n")
    expected = one_line(command["stderr"])
    if words in OUR_WORDS and command["exit"] != 0:
        return None if re.match(OUR_WORDS[words], said) else f"it says {said!r}"
    if words == "events":
        return None if "Commands:\n    subscribe" in said else f"it says {said!r}"
    # A wrong use is followed by the usage.
    said = said.split("\n\nUsage: ")[0]
    # Two reasons are a list in Vault's one error.
    return None if re.sub(r"\s+", " ", said) == re.sub(r"\s+", " ", expected) else f"it says\n{said}\nnot\n{expected}"


def test_the_command_line_answers_as_vaults(server, tmp_path):
    (tmp_path / "d.json").write_text('{"a":1,"b":{"c":[1,2]}}')
    commands = recorded()
    assert len(commands) == COUNT
    differences = []
    for number, command in enumerate(commands):
        words = " ".join(command["args"])
        if words in NOT_YET:
            if NOT_YET[words]:
                method, path, body = NOT_YET[words]
                answer = server.patch(path, body) if method == "PATCH" else server.request(method, path, body)
                assert answer.status < 300, (words, answer.text)
            continue
        found = difference(server, run(server, tmp_path, command), command)
        if found:
            differences.append(f"line {number}: belfry {words}: {found}")
    assert not differences, "\n\n".join(differences)
