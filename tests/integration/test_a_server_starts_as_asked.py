"""`belfry server` does what its flags and its environment say, or says why it does not."""

import os
import re
import signal
import subprocess

import pytest
from conftest import BIN, PATIENCE, Lines


class Started:
    """A server with flags and an environment of its own, in a process group of its own."""

    def __init__(self, *flags, **environment):
        self.process = subprocess.Popen([str(BIN / "belfry"), "server", "-dev", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True, env=dict(os.environ, **environment))
        self.out, self.log = Lines(self.process.stdout), Lines(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE)

    def started(self):
        address = self.out.until(r"export VAULT_ADDR='http://([^']+)'").group(1)
        token = self.out.until(r"Root Token: (\S+)").group(1)
        return address, token

    def whole_log(self):
        while self.log.next() is not None:
            pass
        return "\n".join(self.log.seen)


def refused(*flags, **environment):
    result = subprocess.run([str(BIN / "belfry"), "server", "-dev", *flags], capture_output=True, text=True, timeout=PATIENCE,
                            env=dict(os.environ, **environment))
    assert result.returncode == 1 and result.stdout == ""
    return result.stderr


def cli(address, token, *arguments):
    return subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          env=dict(os.environ, VAULT_ADDR=f"http://{address}", VAULT_TOKEN=token))


def test_a_plugin_folder_that_is_none_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in "/nope", str(tmp_path / "file"), str(tmp_path / "file/below"):
        error = refused(f"-dev-plugin-dir={folder}", "-dev-listen-address=127.0.0.1:0")
        assert "-dev-plugin-dir" in error and folder in error


@pytest.mark.parametrize("port", ["8200", "0"])
def test_an_address_without_a_host_is_an_error_that_says_what_to_write(port):
    for flags, environment in ([f"-dev-listen-address=:{port}"], {}), ([], {"VAULT_DEV_LISTEN_ADDRESS": f":{port}"}):
        error = refused(*flags, **environment)
        assert f"127.0.0.1:{port}" in error and f"0.0.0.0:{port}" in error
        assert ("-dev-listen-address" if flags else "VAULT_DEV_LISTEN_ADDRESS") in error


@pytest.mark.parametrize("address", ["8200", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:-1", "nosuch.invalid:0",
                                     "127.0.0.1 :0", "[::1:0"])
def test_an_address_that_is_none_is_an_error_that_names_it(address):
    assert f'"{address}"' in refused(f"-dev-listen-address={address}")


def test_a_port_that_is_too_high_is_said_to_be():
    for port in "65536", "99999":
        assert "the port must be a number from 0 to 65535" in refused(f"-dev-listen-address=127.0.0.1:{port}")


def test_localhost_is_loopback():
    with Started("-dev-listen-address=localhost:0") as server:
        assert server.started()[0].startswith("127.0.0.1:")


def test_the_environment_is_honoured_and_flags_win():
    environment = {"VAULT_DEV_ROOT_TOKEN_ID": "from-the-environment", "VAULT_DEV_LISTEN_ADDRESS": "127.0.0.1:0"}
    with Started(**environment) as server:
        address, token = server.started()
        assert token == "from-the-environment" and not address.endswith(":8200")
        assert cli(address, token, "secrets", "list").returncode == 0
    with Started("-dev-root-token-id=of-a-flag", **environment) as server:
        assert server.started()[1] == "of-a-flag"
    with Started(BELFRY_DEV_ROOT_TOKEN_ID="ours", **environment) as server:
        assert server.started()[1] == "ours"


def test_a_root_token_that_no_header_can_carry_is_refused():
    for token in "root\n", "ro\x01ot", "a b ", "root ", " root", "r\u00f6t", "ro\x7fot":
        assert "-dev-root-token-id" in refused(f"-dev-root-token-id={token}", "-dev-listen-address=127.0.0.1:0")
        assert "VAULT_DEV_ROOT_TOKEN_ID" in refused("-dev-listen-address=127.0.0.1:0", VAULT_DEV_ROOT_TOKEN_ID=token)


def test_the_banner_can_be_pasted_into_a_shell():
    with Started("-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=it's") as server:
        address, _ = server.started()
        exports = "\n".join(line.strip().removeprefix("$ ") for line in server.out.seen if " $ export " in line)
        shown = subprocess.run(["bash", "-c", f'{exports}\nprintf "%s %s" "$VAULT_ADDR" "$VAULT_TOKEN"'], capture_output=True, text=True,
                               timeout=PATIENCE)
        assert shown.stdout == f"http://{address} it's"


@pytest.mark.parametrize("flags, environment, shown", [
    (["-log-level=DEBUG"], {}, "debug"), (["-log-level=Warn"], {}, "warn"), ([], {"VAULT_LOG_LEVEL": "Debug"}, "debug"),
    ([], {"VAULT_LOG_LEVEL": "debug", "BELFRY_LOG_LEVEL": "error"}, "error"), (["-log-level=info"], {"VAULT_LOG_LEVEL": "debug"}, "info")])
def test_the_log_level_is_taken_in_any_case_from_a_flag_or_the_environment(flags, environment, shown):
    with Started("-dev-listen-address=127.0.0.1:0", *flags, **environment) as server:
        assert server.out.until(r"Log Level: (\S+)").group(1) == shown


def test_a_log_level_that_is_none_is_an_error_that_names_its_source():
    assert '-log-level must be trace' in refused("-log-level=loud")
    assert 'VAULT_LOG_LEVEL must be trace' in refused(VAULT_LOG_LEVEL="loud")


def test_a_hangup_is_logged_and_the_server_goes_on():
    with Started("-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=root") as server:
        address, token = server.started()
        for _ in range(2):
            server.process.send_signal(signal.SIGHUP)
            server.log.until(r"\[INFO\]  core: there is nothing to reload: signal=SIGHUP$")
            assert cli(address, token, "secrets", "list").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_log_names_the_signal_that_stops_the_server(number):
    with Started("-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=root") as server:
        server.started()
        server.process.send_signal(number)
        server.log.until(rf"^\S+Z \[INFO\]  core: stopping: signal={number.name}$")
        assert server.process.wait(timeout=PATIENCE) == 0


def test_the_experiment_for_events_is_taken_with_a_note():
    for flags, environment in ((["-experiment=events.alpha1", "-experiment", "events.alpha1"], {}),
                               ([], {"VAULT_EXPERIMENTS": "events.alpha1"})):
        with Started("-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=root", *flags, **environment) as server:
            address, _ = server.started()
            assert any("events are always on" in line for line in server.out.seen)
            experiments = subprocess.run(["curl", "-sf", "-H", "X-Vault-Token: root", f"http://{address}/v1/sys/experiments"],
                                         capture_output=True, text=True, timeout=PATIENCE).stdout
            assert '"available":["events.alpha1"]' in experiments and '"enabled":["events.alpha1"]' in experiments
    with Started("-dev-listen-address=127.0.0.1:0") as server:
        server.started()
        assert not any("experiment" in line for line in server.out.seen)


def test_the_log_warns_where_tokens_travel_in_the_clear():
    for address, warns in (("127.0.0.1:0", False), ("0.0.0.0:0", True)):
        with Started(f"-dev-listen-address={address}") as server:
            server.started()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=PATIENCE) == 0
            assert ("tokens travel in the clear" in server.whole_log()) == warns


def test_an_unknown_experiment_is_an_error_that_names_those_there_are():
    for flags, environment in (["-experiment=nosuch"], {}), ([], {"VAULT_EXPERIMENTS": "events.alpha1,nosuch"}):
        error = refused("-dev-listen-address=127.0.0.1:0", *flags, **environment)
        assert '"nosuch"' in error and "events.alpha1" in error


def test_status_tells_the_vault_and_the_belfry_it_is(server):
    own = re.fullmatch(r"Belfry v(.*)\n", server.cli("version").stdout).group(1)
    version = f"1.21.0+belfry.{own}"
    assert re.search(rf"^Version +{re.escape(version)}$", server.cli("status").stdout, re.MULTILINE)
    assert server.request("GET", "sys/seal-status").json["version"] == version
    assert server.request("GET", "sys/health").json["version"] == version
    # What clients read as a semantic version.
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9A-Za-z.-]+", version)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_plugins_that_end_with_their_host_are_no_crash(number):
    with Started("-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=root") as server:
        address, token = server.started()
        assert cli(address, token, "secrets", "enable", "-path=second", "kv").returncode == 0
        os.killpg(server.process.pid, number)
        log = server.whole_log()
        assert server.process.wait(timeout=PATIENCE) == 0
        assert "crash" not in log and "[ERROR]" not in log and "[WARN]" not in log, log


def test_a_plugin_that_is_told_to_end_before_its_host_is_no_crash(server):
    """As systemd does it: one process after the other, whatever their groups."""
    for number in signal.SIGTERM, signal.SIGINT:
        assert server.cli("kv", "put", "secret/a", "x=1").returncode == 0
        plugin, = server.plugins()
        os.kill(plugin, number)
        # Whatever comes of it, the mount goes on.
        assert server.cli("kv", "put", "secret/a", "x=2").returncode == 0
    server.stop()
    log = (server.tmp / "server.log").read_text()
    assert "crash" not in log and "[ERROR]" not in log, log
    assert "the plugin was told to end by a signal" in log
