"""The server as a system installs and runs it: that its parts find one another, what a service manager is told, and the unit."""

import re
import signal
import socket
import subprocess

import packaging_of_sdk as package
import pytest

from conftest import PATIENCE, ConfiguredServer, servers_to_start

EXPOSURE = 20  # At most, of 100; systemd calls below 20 "OK", and what runs with all rights 96.


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usr")
    package.run(["cmake", "--install", str(package.BUILD), "--prefix", str(folder), "--component", "server"])
    return folder


class InstalledServer(ConfiguredServer):
    """Started as a service manager would."""

    def __init__(self, folder, prefix):
        self.prefix = prefix
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(PATIENCE)
        self.manager.bind(str(folder / "notify"))
        super().__init__(folder)

    def start(self):
        self._launch(["env", f"NOTIFY_SOCKET={self.tmp}/notify", str(self.prefix / "bin/belfry"), "server", f"-config={self.tmp}/belfry.hcl"])
        self.address = self.out.until(r"Api Address: http://(\S+)").group(1)

    def told(self):
        return self.manager.recv(4096).decode()


@pytest.fixture
def server(prefix):
    with servers_to_start(InstalledServer) as start:
        yield start(prefix)


def test_an_installed_server_finds_its_plugins_and_their_guard(server):
    server.initialize()
    server.unseal()
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    assert server.request("PUT", "kv/a", {"b": "c"}).status == 204
    assert server.request("GET", "kv/a").data == {"b": "c"}


def test_the_service_manager_hears_when_it_is_ready_reloads_and_stops(server):
    assert server.told() == "READY=1"
    server.process.send_signal(signal.SIGHUP)
    assert [server.told(), server.told()] == ["RELOADING=1", "READY=1"]
    server.process.send_signal(signal.SIGTERM)
    assert server.told() == "STOPPING=1"
    assert server.process.wait(timeout=PATIENCE) == 0


def test_plugins_do_not_inherit_the_socket_of_the_service_manager(server):
    server.initialize()
    server.unseal()
    assert server.request("POST", "sys/mounts/kv", {"type": "kv"}).status == 204
    for plugin in server.plugins():
        with open(f"/proc/{plugin}/environ", "rb") as environment:
            assert b"NOTIFY_SOCKET" not in environment.read()


@pytest.fixture
def unit(prefix, tmp_path):
    """With the programs where they are installed here."""
    file = tmp_path / "belfry.service"
    text = (prefix / "lib/systemd/system/belfry.service").read_text()
    file.write_text(text.replace("/usr/bin/belfry", str(prefix / "bin/belfry")))
    return file


def test_systemd_understands_all_of_the_unit(unit):
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_the_unit_gives_up_every_right_that_the_server_does_not_need(unit):
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", str(unit)], capture_output=True, text=True,
                            timeout=PATIENCE)
    assert result.returncode == 0, re.findall(r"✗.*|.*Overall.*", result.stdout)


def test_the_example_configuration_is_one(prefix):
    result = subprocess.run([str(prefix / "bin/belfry"), "operator", "config", "check", str(prefix / "share/belfry/belfry.hcl")],
                            capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
