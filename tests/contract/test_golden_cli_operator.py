"""Commands of a real Vault 1.21's command line on a server that is initialized, unsealed, rekeyed and sealed, again in the same order with
ours, with keys, nonces and tokens of our own."""

import json
import re

from conftest import ROOT
from test_golden_cli import one_line, run, same_output

RECORDING = ROOT / "tests/golden/cli-vault-1.21-operator.jsonl"
COUNT = 42
NO_COMMAND = r'There is no command "{}"\.'
# What is otherwise, by the line of the recording: the exit code, all of standard error as a regular expression, and why.
OTHERWISE = {
    6: (2, r"Error unsealing: PUT \S+ was answered with 400\n\* Vault is not initialized$",
        "that the server is not initialized is said whatever the key is"),
    14: (2, r"Error unsealing: PUT \S+ was answered with 400\n\* invalid key: key is shorter than minimum 32 bytes$",
         "the unseal key has 32 bytes always"),
    18: (1, r'unknown format "yaml" \(-format\): it must be table or json$', "no yaml"),
    25: (2, r'Error canceling rekey: DELETE \S+ was answered with 400\n\* incorrect nonce supplied\n-nonce must name the operation; -status shows its nonce$',
         "the nonce that is missing is said to be wrong, where Vault says EOF of the body"),
    28: (0, r"$", "no cluster address: there are no other nodes"),
    29: (1, NO_COMMAND.format("operator raft"), "no Raft storage"),
    32: (127, NO_COMMAND.format("token"), "no such command"),
    41: (127, NO_COMMAND.format("read"), "no such command"),
}
# Where standard output is as recorded, and what is said besides is in our own words.
OUR_WORDS = {
    23: r"WARNING! The new unseal keys are shown once, with the answer to the last old key, and kept nowhere\.\n"
        r"Without -verify the old ones are lost at that moment, also where the answer does not arrive\.$",
    37: r"Keep the OTP: the root token will be encoded with it, and it is not shown again\.$",
}
KEPT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|hvs\.\w+|\b\w{28}\b")
VARYING = [(re.compile(r"Encryption Count( +)\d+"), r"Encryption Count\1<own>"), (re.compile(r'"encryptions": \d+'), '"encryptions": 0'),
           (re.compile(r"\d\d \w{3} \d\d \d\d:\d\d UTC"), "<time>")]


def settled(text):
    for pattern, own in VARYING:
        text = pattern.sub(own, text)
    return text


class Names:
    """What the recording calls so, this server calls otherwise."""

    def __init__(self):
        self.ours = {}

    def translated(self, value):
        text = json.dumps(value)
        for theirs, ours in self.ours.items():
            text = text.replace(theirs, ours)
        return json.loads(text)

    def learn(self, recorded, given):
        if "unseal_keys_b64" in recorded:
            # Not by their looks: a piece of a key in base64 may look like a one-time pad.
            theirs, ours = json.loads(recorded), json.loads(given)
            pairs = [(theirs["root_token"], ours["root_token"])]
            for member in "unseal_keys_b64", "unseal_keys_hex":
                pairs += zip(theirs[member], ours[member])
        else:
            pairs = list(zip(KEPT.findall(recorded), KEPT.findall(given)))
        for theirs, ours in pairs:
            self.ours.setdefault(theirs, ours)


def difference(server, number, ours, command):
    said = ours.stderr.replace(f"http://{server.address}", "").rstrip("\n")
    if number in OTHERWISE:
        code, pattern, _ = OTHERWISE[number]
        return None if ours.returncode == code and re.match(pattern, said) else f"exit {ours.returncode}, it says {said!r}"
    if ours.returncode != command["exit"]:
        return f"exit {command['exit']} is expected, not {ours.returncode}: {said}"
    expected = command["stdout"].replace("<server>", server.address)
    if not same_output(settled(ours.stdout), settled(expected)):
        return f"the output is\n{ours.stdout}not\n{expected}"
    if number in OUR_WORDS:
        return None if re.match(OUR_WORDS[number], said) else f"it says {said!r}"
    return None if said == one_line(command["stderr"]) else f"it says\n{said}\nnot\n{one_line(command['stderr'])}"


def test_operators_commands_answer_as_vaults(start_configured, tmp_path):
    server, names = start_configured("inmem"), Names()
    recorded = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    assert len(recorded) == COUNT
    differences = []
    for number, command in enumerate(recorded, 1):
        ours = run(server, tmp_path, names.translated(command))
        names.learn(command["stdout"], ours.stdout)
        found = difference(server, number, ours, names.translated(command))
        if found:
            differences.append(f"line {number}: belfry {' '.join(command['args'])}: {found}")
    assert not differences, "\n\n".join(differences)
