"""Runs a document's console blocks: one folder, one environment, and servers and subscribers in the background."""

import os
import subprocess
import urllib.request

from conftest import BIN, PATIENCE, Lines, eventually
from document import matches

DOCUMENTED_ADDRESS = "http://127.0.0.1:8200"
COMMAND_PATIENCE = 1200


class Terminal:
    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = dict(environment, PATH=f"{BIN}:{environment['PATH']}", TMPDIR=str(folder))
        self.address = None
        self.background = []  # (process, its Lines, what is expected of it)

    def run(self, block):
        for command, expected in block.commands():
            if self.address:
                command = command.replace(DOCUMENTED_ADDRESS, self.address)
            if command.startswith("belfry server "):
                self.start_server(command)
            elif command.startswith("belfry events subscribe "):
                self.start_subscriber(command, expected)
            else:
                self.run_to_its_end(command, expected, block.place)

    def run_to_its_end(self, command, expected, place):
        kept = self.folder / ".environment"
        result = subprocess.run(["bash", "-c", f"set -ea\n{command}\nenv -0 >'{kept}'"], cwd=self.folder, env=self.environment,
                                capture_output=True, text=True, timeout=COMMAND_PATIENCE)
        output = result.stdout + result.stderr
        assert result.returncode == 0, f"{place}: {command}: {result.returncode}\n{output[-8000:]}"

        for line in expected:
            assert any(matches(line, said) for said in output.splitlines()), f"{place}: {command}: no {line!r} in\n{output[-8000:]}"
        # A plain assignment lasts as long as the terminal, too.
        self.environment = dict(pair.split("=", 1) for pair in kept.read_text().split("\0") if "=" in pair)

    def start(self, command, expected):
        process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.background.append((process, Lines(process.stdout), expected))
        return self.background[-1][1]

    # On any free port, whatever the document says.
    def start_server(self, command):
        lines = self.start(command + " -dev-listen-address=127.0.0.1:0", [])
        self.address = lines.until(r"export VAULT_ADDR='([^']+)'").group(1)
        lines.until("Root Token: root")

    # It says nothing until an event comes; the server counts it once it is there.
    def start_subscriber(self, command, expected):
        self.start(command, expected)
        assert eventually(lambda: "belfry_events_subscriptions 1\n" in self.metrics())

    def metrics(self):
        request = urllib.request.Request(f"{self.address}/v1/sys/metrics?format=prometheus", headers={"X-Vault-Token": "root"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def await_expected(self):
        """What subscribers were to show, in order."""

        for _, lines, expected in self.background:
            for line in expected:
                said = lines.next()
                assert said is not None and matches(line, said), f"{line!r} was expected, not {said!r}"

    def close(self):
        for process, _, _ in reversed(self.background):
            process.terminate()
            process.wait(timeout=PATIENCE)
