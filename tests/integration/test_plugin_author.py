"""What the author of a plugin sees of it under a host: hooks, logs, errors, reloads. On the plugin tests/integration/trial."""

import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import BIN, eventually
from test_plugins import processes, sha256

TRIAL = BIN / "test-plugins" / "belfry-trial"


@pytest.fixture
def plugin_dir(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(TRIAL, folder / "trial")
    return folder


@pytest.fixture
def author(start_server, plugin_dir):
    return start_server(plugin_dir=plugin_dir)


@pytest.fixture
def hurried(start_server, plugin_dir):
    """A server whose minute is short."""
    return start_server("-dev-periodic-interval=50ms", plugin_dir=plugin_dir)


def enable(server, mount, **options):
    return server.request("POST", f"sys/mounts/{mount}",
                          {"type": "trial", "options": {k.replace("_", ""): v for k, v in options.items()}})


def logged(server, *parts):
    """Whether one line of the log has all of these, once it has come; the log quotes values as C does."""
    def has_line():
        lines = server.log_text().replace("\\'", "'").replace('\\"', '"').splitlines()
        return any(all(part in line for part in parts) for line in lines)
    return eventually(has_line)


def low_privilege_token(server, policy):
    assert server.request("PUT", "sys/policies/acl/low", {"policy": policy}).status == 204
    answer = server.request("POST", "auth/token/create", {"policies": ["low"]})
    return answer.json["auth"]["client_token"]


# ---- Hooks ---------------------------------------------------------------------------------------

def runs(server, mount):
    return server.request("GET", f"{mount}/runs").data["runs"]


def test_a_periodic_hook_runs_under_the_server(hurried):
    assert enable(hurried, "often", every="1ms").status == 204
    assert eventually(lambda: runs(hurried, "often") >= 3)


def test_a_daily_hook_runs_once_though_its_plugin_is_killed_and_reloaded(hurried):
    assert enable(hurried, "daily", every="24h").status == 204
    assert enable(hurried, "often", every="1ms").status == 204
    assert eventually(lambda: runs(hurried, "daily") == 1)

    def asked_again():
        # Both mounts are asked in the same rounds.
        before = runs(hurried, "often")
        return eventually(lambda: runs(hurried, "often") >= before + 3)
    for process in processes(hurried, "trial")["running"]:
        os.kill(process["pid"], signal.SIGKILL)
    assert asked_again()
    assert hurried.request("PUT", "sys/plugins/reload/secret/trial").status == 200
    assert asked_again()
    assert runs(hurried, "daily") == 1


def test_a_hook_that_throws_is_logged_and_the_mount_goes_on(hurried):
    assert enable(hurried, "t", fail="every throws").status == 204
    assert logged(hurried, "t/", "a hook of Every threw an exception: boom in Every")
    assert hurried.request("GET", "t/runs").status == 200
    assert processes(hurried, "trial")["crashes"] == 0


@pytest.mark.parametrize("interval", ["0", "-1s", "soon", "1"])
def test_an_interval_that_is_no_duration_is_refused(interval):
    result = subprocess.run([str(BIN / "belfry"), "server", "-dev", f"-dev-periodic-interval={interval}"],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "-dev-periodic-interval must be a duration above zero" in result.stderr


# ---- A plugin that does not start ----------------------------------------------------------------

@pytest.mark.parametrize("fail, reason", [
    ("define throws", "the plugin's `define` threw an exception: boom in define"),
    ("initialize throws", "OnInitialize threw an exception: boom in OnInitialize"),
    ("define aborts", "trial: aborted for a good reason"),
])
def test_why_a_plugin_does_not_start_is_in_the_operators_answer_and_in_the_log(author, fail, reason):
    refused = enable(author, "t", fail=fail)
    assert refused.status == 400
    assert reason in refused.text
    assert logged(author, "ERROR", "a plugin could not be mounted", reason)


def test_why_a_plugin_does_not_come_back_is_for_operators_alone(author, tmp_path):
    broken = tmp_path / "broken"
    assert enable(author, "t", fail="define throws", if_=str(broken)).status == 204
    token = low_privilege_token(author, 'path "t/*" { capabilities = ["read"] }')
    broken.touch()
    for process in processes(author, "trial")["running"]:
        os.kill(process["pid"], signal.SIGKILL)
    answer = author.request("GET", "t/runs", token=token)
    assert answer.status >= 500
    assert "boom" not in answer.text
    assert "the server's log says why" in answer.text
    assert logged(author, "ERROR", "could not be started again", "boom in define")
    reloaded = author.request("PUT", "sys/plugins/reload/secret/trial")
    assert reloaded.status == 400
    assert "boom in define" in reloaded.text


@pytest.mark.parametrize("path, words", [
    ("die", "trial: died for a good reason"),
    ("foreign", 'a handler of the path "foreign" asked for a field of the path "own"'),
])
def test_the_last_words_of_a_plugin_that_dies_are_in_the_log_and_in_no_clients_answer(author, path, words):
    assert enable(author, "t").status == 204
    answer = author.request("GET", f"t/{path}")
    assert answer.status >= 500
    assert words.split(" ", 1)[1] not in answer.text
    assert logged(author, "ERROR", "the plugin has crashed", words)


# ---- Failures and answers ------------------------------------------------------------------------

@pytest.mark.parametrize("path, logged_reason, secret", [
    ("boom", "the handler threw an exception: boom with s3cret", "boom"),
    ("seven", "it is no std::exception", "std::exception"),
    ("corrupt", "corrupt ledger", "corrupt"),
])
def test_what_fails_is_a_500_that_says_where_to_look_and_the_log_has_it(author, path, logged_reason, secret):
    assert enable(author, "t").status == 204
    answer = author.request("GET", f"t/{path}")
    assert answer.status == 500
    assert secret not in answer.text
    assert "the server's log" in answer.text
    assert logged(author, "ERROR", "a request failed", f"path={path}", logged_reason)
    assert processes(author, "trial")["crashes"] == 0


def test_an_ok_status_as_a_result_is_a_500_with_its_reason(author):
    assert enable(author, "t").status == 204
    assert author.request("GET", "t/ok-status").status == 500
    # Abseil ends the process over it; the last words of a plugin are in the line about its end.
    assert logged(author, "ERROR", "the plugin has crashed", "OK status is not a valid constructor argument")


@pytest.mark.parametrize("status", [0, 99, 100, 200, 302, 399, 600, 1000])
def test_an_error_with_the_status_of_no_error_is_refused(author, status):
    assert enable(author, "t").status == 204
    answer = author.request("PUT", "t/http", {"error": status})
    assert answer.status == 500
    assert f"HttpError takes a status from 400 to 599, not {status}" in answer.text


@pytest.mark.parametrize("status", [0, 99, 100, 600, 1000])
def test_an_answer_with_an_impossible_status_is_refused(author, status):
    assert enable(author, "t").status == 204
    answer = author.request("PUT", "t/http", {"status": status})
    assert answer.status == 500
    assert f"an answer has an HTTP status from 200 to 599, not {status}" in answer.text


def test_no_such_thing_is_an_answer_to_a_write(author):
    assert enable(author, "t").status == 204
    answer = author.request("PUT", "t/gone", {})
    assert (answer.status, answer.json) == (404, {"errors": []})


def test_a_secrets_engine_logs_nobody_in(author):
    assert enable(author, "t").status == 204
    answer = author.request("PUT", "t/login", {})
    assert answer.status == 500
    assert "served as EngineKind::kAuth" in answer.text
    assert logged(author, "ERROR", "path=login", "served as EngineKind::kAuth")


@pytest.mark.parametrize("event", [
    {"path": ""}, {"path": "/ok/x"}, {"path": "ok//x"}, {"path": "ok/../x"}, {"path": "ok/x/"}, {"path": "ok\nx"},
    {"data_path": "../y"}, {"data_path": "/y"}, {"key": ""}, {"key": "a\nb"}, {"bytes": 28 * 1024},
])
def test_an_event_that_is_not_well_formed_is_refused(author, event):
    assert enable(author, "t").status == 204
    assert author.request("PUT", "t/events", event).data["code"] == "INVALID_ARGUMENT"
    assert author.request("PUT", "t/events", {"bytes": 28 * 1024 - 100}).data["code"] == "OK"


# ---- The host ------------------------------------------------------------------------------------

def test_what_a_handler_logs_is_in_the_hosts_log(author):
    assert enable(author, "t").status == 204
    assert author.request("GET", "t/log").status == 204
    assert logged(author, "INFO", "trial", "a handler says hello", "who=trial")
    assert "not shown" not in author.log_text()


def test_a_plugin_knows_the_terms_of_its_mount(author):
    assert author.request("POST", "sys/mounts/t", {
        "type": "trial", "config": {"default_lease_ttl": "5m", "max_lease_ttl": "1h"}}).status == 204
    assert author.request("GET", "t/ttls").data == {"default": 300, "max": 3600}
    assert author.request("POST", "sys/mounts/t/tune", {"default_lease_ttl": "10m"}).status == 204
    assert author.request("GET", "t/ttls").data == {"default": 600, "max": 3600}


def test_the_log_names_the_path_that_holds_up_a_reload(author, tmp_path):
    assert enable(author, "t").status == 204
    release, here = tmp_path / "release", tmp_path / "release.here"
    answers = []
    handler = threading.Thread(target=lambda: answers.append(author.request("GET", f"t/hang/here?file={release}")))
    reload = threading.Thread(target=lambda: answers.append(author.request("PUT", "sys/plugins/reload/secret/trial")))
    handler.start()
    try:
        assert eventually(here.exists)
        reload.start()
        assert logged(author, "waits for requests", "read hang/here")
    finally:
        release.touch()
        handler.join()
        reload.join()
    assert sorted(answer.status for answer in answers) == [200, 204]


# ---- A new build ---------------------------------------------------------------------------------

def rebuild(program):
    """Another file that does the same, put in place as a linker does."""
    new = pathlib.Path(f"{program}.new")
    shutil.copy(program, new)
    with open(new, "ab") as file:
        file.write(b"rebuilt")
    new.rename(program)


def test_a_rebuilt_program_is_taken_at_the_next_reload(author, plugin_dir):
    assert enable(author, "t").status == 204
    rebuild(plugin_dir / "trial")
    new = sha256(plugin_dir / "trial")
    assert author.request("PUT", "sys/plugins/reload/secret/trial").status == 200
    assert author.request("GET", "sys/mounts/t").data["running_sha256"] == new
    assert author.request("GET", "sys/plugins/catalog/secret/trial").data["sha256"] == new
    assert logged(author, "took a program that has been rebuilt", f"sha256={new}")


def test_a_rebuilt_program_is_taken_when_the_old_one_dies(author, plugin_dir):
    assert enable(author, "t").status == 204
    rebuild(plugin_dir / "trial")
    for process in processes(author, "trial")["running"]:
        os.kill(process["pid"], signal.SIGKILL)
    assert author.request("GET", "t/runs").status == 200
    assert author.request("GET", "sys/mounts/t").data["running_sha256"] == sha256(plugin_dir / "trial")


def test_a_registered_sum_holds_whatever_lies_in_the_folder(author, plugin_dir):
    body = {"command": "trial", "sha256": sha256(plugin_dir / "trial")}
    assert author.request("PUT", "sys/plugins/catalog/secret/trial", body).status == 204
    assert enable(author, "t").status == 204
    rebuild(plugin_dir / "trial")
    refused = author.request("PUT", "sys/plugins/reload/secret/trial")
    assert refused.status == 400
    assert "checksums did not match" in refused.text
    assert author.request("GET", "t/runs").status == 200


def test_registering_what_a_mount_does_not_run_warns(author, plugin_dir):
    assert enable(author, "t").status == 204
    program = {"command": "trial", "sha256": sha256(plugin_dir / "trial"), "version": "v0.1.0"}
    answer = author.request("PUT", "sys/plugins/catalog/secret/trial", program)
    assert answer.status == 200
    assert answer.json["warnings"] == [
        "the mount t/ runs the entry without a version of this plugin, not v0.1.0; write plugin_version=v0.1.0 to "
        "sys/mounts/t/tune to change that"]
    assert author.request("POST", "sys/mounts/t/tune", {"plugin_version": "v0.1.0"}).status == 204
    assert author.request("PUT", "sys/plugins/catalog/secret/trial", program).status == 204
