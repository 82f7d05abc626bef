"""`belfry server -config` does what its files say, and `belfry operator config check` says what is wrong with them."""

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import BIN, PATIENCE, Lines, descendants, eventually, put_plugin

NEEDED = pathlib.Path(__file__).with_name("smallest.hcl").read_text()


def belfry(*arguments, **environment):
    return subprocess.run([str(BIN / "belfry"), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          env=dict(os.environ, **environment))


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "belfry.hcl"

    def write(text):
        file.write_text(NEEDED + text)
        return file
    return write


class Running:
    def __init__(self, *flags):
        self.process = subprocess.Popen([str(BIN / "belfry"), "server", *map(str, flags)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)
        self.out, self.log = Lines(self.process.stdout), Lines(self.process.stderr)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def running(*flags):
    server = Running(*flags)
    try:
        server.out.until("Belfry server started!")
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


def test_the_server_listens_where_its_configuration_says_and_shows_no_secret(config):
    with running("-config", config('api_addr = "http://belfry.example:8200"')) as server:
        shown = "\n".join(server.out.seen)
        assert "Api Address: http://belfry.example:8200\n" in shown and "Storage: inmem\n" in shown
        address = next(line for line in server.out.seen if "Listener 1" in line).split('"')[1]
        try:
            status = urllib.request.urlopen(f"http://{address}/v1/sys/health", timeout=PATIENCE).status
        except urllib.error.HTTPError as answer:
            status = answer.code
        assert status == 501
        assert server.end() == 0
        while server.out.next() is not None:
            pass
        shown = "\n".join(server.out.seen)
        assert not any(word in shown for word in ("Root Token", "Unseal Key", "WARNING", "VAULT_TOKEN"))


def test_the_experiment_for_events_is_taken_with_a_note(config):
    with running("-config", config('experiments = ["events.alpha1"]')) as server:
        assert any("The experiment events.alpha1 changes nothing: events are always on." in line for line in server.out.seen)


def test_several_files_and_directories_are_one_configuration(config, tmp_path):
    more = tmp_path / "more.d"
    more.mkdir()
    (more / "level.json").write_text('{"log_level": "warn"}')
    with running(f"-config={config('')}", f"-config={more}") as server:
        assert any("Log Level: warn" in line for line in server.out.seen)
    with running(f"-config={config('')}", f"-config={more}", "-log-level=debug") as server:
        assert any("Log Level: debug" in line for line in server.out.seen)


@pytest.mark.parametrize("text, error", [
    ("log_levle = 1", "belfry.hcl:3:1: unknown key \"log_levle\"; did you mean log_level?\n"),
    ("ui = false ui = false", "belfry.hcl:3:12: ui is already set at "), ("ui = ", "belfry.hcl:3:6: expected a value")])
def test_what_is_wrong_stops_the_server_and_the_check(config, text, error):
    file = config(text)
    for wrong in belfry("server", f"-config={file}"), belfry("operator", "config", "check", file):
        assert wrong.returncode == 1 and wrong.stdout == ""
        assert wrong.stderr.startswith(str(file.parent)) and error in wrong.stderr


def test_the_check_says_every_error_and_that_there_is_none(config, tmp_path):
    wrong = belfry("operator", "config", "check", config("ui = 3\nlog_level = 4"))
    assert [line.split(":")[1] for line in wrong.stderr.splitlines()] == ["3", "4"]
    right = belfry("operator", "config", "check", config(""))
    assert (right.returncode, right.stdout, right.stderr) == (0, "Success! The configuration is valid.\n", "")
    missing = belfry("operator", "config", "check", tmp_path / "nosuch")
    assert missing.returncode == 1 and missing.stderr == f"{tmp_path}/nosuch: No such file or directory\n"
    assert belfry("operator", "config", "check").returncode == 1


def test_a_server_is_asked_for_one_way_to_run(config):
    nothing = belfry("server")
    assert nothing.returncode == 1 and "belfry server -config=FILE" in nothing.stderr and "belfry server -dev" in nothing.stderr
    both = belfry("server", "-dev", f"-config={config('')}")
    assert (both.returncode, both.stderr) == (1, "-dev and -config cannot be given together\n")
    for flag in "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:0", "-dev-plugin-dir=/", "-dev-no-store-token":
        dev = belfry("server", f"-config={config('')}", flag)
        assert dev.returncode == 1 and dev.stderr.startswith(flag.split("=")[0]) and "-dev" in dev.stderr


def test_a_plugin_directory_that_is_none_is_an_error_that_names_it(config):
    wrong = belfry("server", "-config", config('plugin_directory = "/nope"'))
    assert wrong.returncode == 1 and wrong.stderr.startswith("plugin_directory: /nope")


def test_the_pid_file_is_there_as_long_as_the_server(config, tmp_path):
    file = tmp_path / "pid"
    file.write_text("12345\n")  # Left by one that was killed.
    with running("-config", config(f'pid_file = "{file}"')) as server:
        assert file.read_text() == f"{server.process.pid}\n"
        assert server.end() == 0
    assert not file.exists()
    wrong = belfry("server", "-config", config('pid_file = "/nope/pid"'))
    assert wrong.returncode == 1 and "/nope/pid: No such file or directory" in wrong.stderr


def test_the_pid_file_is_never_written_over_anything_else(config, tmp_path):
    file = tmp_path / "pid"
    file.write_text("something that somebody needs")
    wrong = belfry("server", "-config", config(f'pid_file = "{file}"'))
    assert wrong.returncode == 1 and "holds something else than a process id: remove it" in wrong.stderr
    assert file.read_text() == "something that somebody needs"


@pytest.mark.parametrize("path, why", [("FOLDER", "Is a directory"), ("/dev/full", "No space left on device")])
def test_a_pid_file_that_is_none_is_an_error_that_names_it(config, tmp_path, path, why):
    path = path.replace("FOLDER", str(tmp_path))
    wrong = belfry("server", "-config", config(f'pid_file = "{path}"'))
    assert wrong.returncode == 1 and f"cannot write the pid file {path}: {why}" in wrong.stderr


def test_the_pid_file_of_another_server_stays(config, tmp_path):
    file = tmp_path / "pid"
    with running("-config", config(f'pid_file = "{file}"')) as server:
        file.write_text("12345\n")
        assert server.end() == 0
    assert file.read_text() == "12345\n"


def test_the_pid_file_of_a_server_that_runs_is_not_taken_over(config, tmp_path):
    file = tmp_path / "pid"
    with running("-config", config(f'pid_file = "{file}"')) as server:
        second = belfry("server", "-config", config(f'pid_file = "{file}"'))
        assert second.returncode == 1, second.stdout
        assert f"the pid file {file} is in use by a running server, process {server.process.pid}: stop it, or name" in second.stderr
        assert file.read_text() == f"{server.process.pid}\n"
        server.process.kill()
        server.process.wait()
    # Nothing of one that was killed is in the way.
    with running("-config", config(f'pid_file = "{file}"')) as server:
        assert file.read_text() == f"{server.process.pid}\n"
        assert server.end() == 0


def test_a_hangup_reopens_the_log_file_and_takes_over_the_level(config, tmp_path):
    log = tmp_path / "log"
    base = f'log_file = "{log}"\nlog_format = "json"\n'
    file = config(base)
    with running(f"-config={file}") as server:
        assert any("log file" in line for line in server.out.seen)
        log.rename(tmp_path / "log.1")
        config(base + 'log_level = "warn"\ncluster_name = "another"\n')
        server.hang_up()
        lines = await_lines(log, 1)
        assert (lines[0]["@level"], lines[0]["setting"]) == ("warn", "cluster_name")
        config(base + 'log_levle = "debug"\n')
        server.hang_up()
        lines = await_lines(log, 2)
        assert lines[1]["@level"] == "error" and "unknown key" in lines[1]["error"]
        config(base + 'log_level = "info"\n')
        server.hang_up()
        lines = await_lines(log, 3)
        assert (lines[2]["@message"], lines[2]["@module"], lines[2]["log_level"]) == ("configuration reloaded", "core", "info")
        assert server.end() == 0
    assert json.loads(log.read_text().splitlines()[-1])["signal"] == "SIGTERM"


def await_lines(log, count):
    lines = []

    def enough():
        nonlocal lines
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return len(lines) >= count
    assert eventually(enough)
    return lines


def test_a_log_file_that_cannot_be_opened_is_an_error_that_names_it(config):
    wrong = belfry("server", "-config", config('log_file = "/nope/log"'))
    assert wrong.returncode == 1 and "/nope/log: No such file or directory" in wrong.stderr


def test_metrics_are_for_everyone_on_the_listener_that_says_so_also_while_it_is_sealed(config):
    listener = 'listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n  telemetry { unauthenticated_metrics_access = true }\n}\n'
    with running("-config", config(listener)) as server:
        addresses = [line.split('"')[1] for line in server.out.seen if "Listener " in line]
        assert len(addresses) == 2
        answers = []
        for address in addresses:
            try:
                answers.append(urllib.request.urlopen(f"http://{address}/v1/sys/metrics?format=prometheus", timeout=PATIENCE).read().decode())
            except urllib.error.HTTPError as answer:
                answers.append(answer.code)
        assert answers[0] == 503 and "\nbelfry_http_connections " in answers[1] and "\nbelfry_unsealed 0\n" in answers[1]


def test_declared_plugins_are_what_the_configuration_says(start_configured, tmp_path):
    put_plugin(tmp_path, "belfry-kv", "diary")
    digest = hashlib.sha256((tmp_path / "diary").read_bytes()).hexdigest()

    def declared(name, *settings):
        return f'plugin "secret" "{name}" {{\n  command = "diary"\n  sha256 = "{digest}"\n  ' + "\n  ".join(settings) + "\n}\n"

    server = start_configured("inmem", plugin_dir=tmp_path, settings=declared("declared"))
    config = server.tmp / "belfry.hcl"
    undeclared = config.read_text().replace(declared("declared"), "")
    server.initialize()
    server.unseal()
    assert server.request("POST", "sys/mounts/one", {"type": "declared"}).status == 204
    assert server.request("PUT", "one/a", {"b": "c"}).status == 204
    assert server.request("GET", "sys/plugins/catalog/secret/declared").data["sha256"] == digest
    for method, body in ("PUT", {"command": "diary", "sha256": digest}), ("DELETE", None):
        refused = server.request(method, "sys/plugins/catalog/secret/declared", body)
        assert refused.status == 400 and "declared in the server's configuration" in refused.text, refused.text

    def reload(text):
        config.write_text(undeclared + text)
        server.process.send_signal(signal.SIGHUP)

    reload(declared("declared", 'env = ["A=b"]') + declared("other"))
    assert eventually(lambda: "a declared plugin has changed" in server.log_text())
    assert eventually(lambda: server.request("POST", "sys/mounts/two", {"type": "other"}).status == 204)
    def processes():
        return {pid for pid, name in descendants(server.process.pid) if name == "diary"}

    before = processes()
    assert server.request("POST", "sys/plugins/reload/secret/declared").status == 200
    assert server.request("GET", "one/a").data == {"b": "c"}
    environments = [pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in processes() - before]
    assert any(b"A=b" in environment for environment in environments)
    reload("")
    assert eventually(lambda: server.request("GET", "sys/plugins/catalog/secret/other").status == 404)
    assert server.request("POST", "sys/mounts/three", {"type": "other"}).status == 400
    # What runs goes on running, and a seal declares what the configuration says now.
    assert server.request("GET", "one/a").data == {"b": "c"}
    reload(declared("other"))
    assert eventually(lambda: server.request("GET", "sys/plugins/catalog/secret/other").status == 200)
    assert server.request("POST", "sys/mounts/three", {"type": "other"}).status == 204
    assert server.request("PUT", "sys/seal").status == 204
    server.unseal()
    assert server.request("PUT", "three/a", {"b": "c"}).status == 204


def test_a_declared_plugin_that_cannot_be_used_keeps_nothing_else_down(start_configured, tmp_path):
    put_plugin(tmp_path, "belfry-kv", "diary")
    server = start_configured("inmem", plugin_dir=tmp_path,
                              settings=f'plugin "secret" "lost" {{\n  command = "nosuch"\n  sha256 = "{"a" * 64}"\n}}\n')
    server.initialize()
    server.unseal()
    assert "a declared plugin cannot be used: plugin=lost" in server.log_text()
    assert server.request("POST", "sys/mounts/one", {"type": "diary"}).status == 204
    refused = server.request("POST", "sys/mounts/two", {"type": "lost"})
    assert refused.status == 400 and "nosuch" in refused.text
