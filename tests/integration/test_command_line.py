"""The `belfry` command as people type it."""

import json
import os
import socket
import subprocess

from conftest import BIN, PATIENCE, Lines, eventually


def subscriber(server, *arguments, **more):
    environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token, **more)
    return subprocess.Popen([str(BIN / "belfry"), "events", "subscribe", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment)


def belfry(server, *arguments, **environment):
    """Runs a command with more in its environment."""
    environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token, **environment)
    return subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True, env=environment,
                          timeout=PATIENCE)


def subscriptions(server):
    text = server.request("GET", "sys/metrics?format=prometheus").text
    return [line for line in text.splitlines() if line.startswith("belfry_events_subscriptions ")]


def test_each_event_is_one_json_line_at_once(server):
    process = subscriber(server, "kv-v2/data-write")
    try:
        assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
        lines = Lines(process.stdout)
        for n in range(3):
            server.cli("kv", "put", "secret/foo", f"n={n}")
            event = json.loads(lines.next())
            assert event["data"]["event_type"] == "kv-v2/data-write"
            assert event["data"]["event"]["metadata"]["current_version"] == str(n + 1)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)


def test_a_refused_subscriber_exits_1_and_says_why(server):
    server.token = "nobody"
    process = subscriber(server, "kv*")
    out, err = process.communicate(timeout=PATIENCE)
    server.token = "root"
    assert process.returncode == 1
    assert out == "" and "403" in err and "permission denied" in err


def test_the_subscriber_ends_when_the_server_does(start_server):
    server = start_server()
    process = subscriber(server, "kv*")
    assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
    server.stop()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and err


def test_kv_put_get_delete_list_on_both_versions(server):
    server.cli("secrets", "enable", "-path=kv1", "-version=1", "kv")
    for mount in ("secret", "kv1"):
        server.cli("kv", "put", f"{mount}/app/db", "user=joe", "password=s3cret")
        assert "s3cret" in server.cli("kv", "get", f"{mount}/app/db").stdout
        assert server.cli("kv", "get", "-field=user", f"{mount}/app/db").stdout.strip() == "joe"
        assert "app/" in server.cli("kv", "list", mount).stdout
        server.cli("kv", "delete", f"{mount}/app/db")
    assert server.cli("kv", "get", "kv1/app/db", check=False).returncode == 2
    assert "kv1/" in server.cli("secrets", "list").stdout
    server.cli("secrets", "disable", "kv1")
    assert "kv1/" not in server.cli("secrets", "list").stdout


def test_status_exits_0_and_1_without_a_server(server):
    assert "Sealed" in server.cli("status").stdout
    gone = subprocess.run([str(BIN / "belfry"), "status", "-address=http://127.0.0.1:1"], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert gone.returncode == 1 and "127.0.0.1:1" in gone.stderr


def test_a_mistyped_flag_exits_1_and_names_it(server):
    result = server.cli("kv", "get", "-nosuch", "secret/a", check=False)
    assert result.returncode == 1 and "nosuch" in result.stderr


def test_a_type_is_the_same_with_a_slash_before_it(server):
    process = subscriber(server, "/kv-v2/*")
    try:
        assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
        server.cli("kv", "put", "secret/foo", "n=1")
        assert json.loads(Lines(process.stdout).next())["data"]["event_type"] == "kv-v2/data-write"
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)
    assert "kv-v2/" in server.cli("events", "explain", "/kv-v2/*").stdout


def test_a_reader_that_goes_ends_a_subscription_as_a_success(server):
    process = subscriber(server, "kv*")
    assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")


def test_a_server_that_is_killed_is_2_and_one_that_closes_is_1(start_server):
    for end, code in ((lambda server: server.stop(), 1), (lambda server: server.process.kill(), 2)):
        server = start_server()
        process = subscriber(server, "kv*")
        assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
        end(server)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert ("1001" in err) == (code == 1) and ("broke" in err) == (code == 2)
    nowhere = subprocess.run([str(BIN / "belfry"), "events", "subscribe", "-address=http://127.0.0.1:1", "kv*"], capture_output=True,
                             text=True, timeout=PATIENCE)
    assert nowhere.returncode == 2


def test_events_are_json_and_no_other_format_is_promised(server):
    result = server.cli("events", "subscribe", "-format=table", "kv*", check=False)
    assert result.returncode == 1 and "leave -format out" in result.stderr
    process = subscriber(server, "kv*", VAULT_FORMAT="table")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "leave VAULT_FORMAT out" in err
    process = subscriber(server, "-format=json", "kv*")
    try:
        assert eventually(lambda: subscriptions(server) == ["belfry_events_subscriptions 1"])
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)


def test_a_flag_after_the_arguments_is_no_data(server):
    for late in (["-cas=0"], ["--cas", "0"], ["-format=json"], ["-nosuch"]):
        result = server.cli("kv", "put", "secret/casflag", "a=1", *late, check=False)
        assert result.returncode == 1 and f"write {late[0]} before" in result.stderr
    assert server.request("GET", "secret/data/casflag").status == 404
    # What is meant as an argument can be said to be one.
    server.cli("kv", "put", "--", "secret/casflag", "a=1", "-cas=0")
    assert server.request("GET", "secret/data/casflag").data["data"] == {"a": "1", "-cas": "0"}


def test_the_servers_reason_is_shown_where_it_names_no_error(server):
    reason = "Non-listing operations on the root of a K/V v2 mount are not supported."
    for arguments in (["kv", "put", "secret", "a=b"], ["kv", "metadata", "put", "-max-versions=2", "secret"],
                      ["kv", "get", "secret"], ["kv", "metadata", "get", "secret"]):
        result = server.cli(*arguments, check=False)
        assert result.returncode == 2 and result.stdout == "" and reason in result.stderr, arguments


def test_what_kv_version_1_does_not_have_is_refused_and_nothing_is_written(server):
    server.cli("secrets", "enable", "-path=kv1", "-version=1", "kv")
    server.cli("kv", "put", "kv1/a", "x=1")
    for arguments in (["put", "-cas=0", "kv1/a", "x=2"], ["get", "-version=1", "kv1/a"], ["delete", "-versions=1", "kv1/a"]):
        result = server.cli("kv", *arguments, check=False)
        flag = arguments[1].partition("=")[0]
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr == f"kv {arguments[0]} {flag} is not supported on KV engine version 1\n"
    assert server.request("GET", "kv1/a").data == {"x": "1"}


def test_numbers_of_versions_below_zero_are_refused_by_the_command_and_by_the_server(server):
    result = server.cli("kv", "metadata", "put", "-max-versions=-1", "secret/a", check=False)
    assert result.returncode == 1 and result.stderr.startswith('invalid value "-1" for flag -max-versions: ')
    for path in ("secret/config", "secret/metadata/a"):
        answer = server.request("POST", path, {"max_versions": -3})
        assert answer.status == 400 and "max_versions" in answer.text
    assert server.request("GET", "secret/config").data["max_versions"] == 0


def test_a_command_without_a_token_that_is_refused_says_that_none_was_sent(server, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BELFRY_"))}
    for arguments in (["kv", "get", "secret/a"], ["secrets", "list"], ["events", "subscribe", "kv*"], ["events", "explain", "kv*"]):
        result = subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                env=dict(environment, HOME=str(tmp_path), VAULT_ADDR=f"http://{server.address}"))
        assert result.returncode != 0 and result.stderr.endswith("\nno token was sent: set VAULT_TOKEN\n")


def test_the_answer_to_a_wrong_use_is_an_error_and_how_to_see_the_rest(server):
    result = server.cli("kv", "get", "-version=abc", "secret/a", check=False)
    assert result.returncode == 1
    assert result.stderr == ('invalid value "abc" for flag -version: parse error\n\n'
                             "Usage: belfry kv get [flags] PATH\n-help shows flags and examples.\n")


def test_each_exit_code_means_what_the_operations_page_says(server):
    server.cli("secrets", "enable", "-path=kv1", "-version=1", "kv")
    server.cli("kv", "put", "secret/a", "x=1")
    wrong_use = [["kv", "metdata", "get", "x"], ["kv"], ["events", "subscrbe", "x"], ["kv", "undelete", "-versions=1", "kv1/a"],
                 ["kv", "metadata", "get", "kv1/a"], ["kv", "get", "-field=nope", "secret/a"], ["kv", "put", "-field=nope", "secret/j", "y=2"],
                 ["status", "-address=http://127.0.0.1:1"]]
    failed = [["kv", "get", "secret/nosuch"], ["kv", "patch", "kv1/a", "x=1"], ["kv", "get", "-address=http://127.0.0.1:1", "secret/a"]]
    unknown = [[], ["nosuch"]]
    for code, cases in ((1, wrong_use), (2, failed), (127, unknown)):
        for arguments in cases:
            assert server.cli(*arguments, check=False).returncode == code, arguments
    # The field is looked for in the answer: the write has happened.
    assert server.request("GET", "secret/data/j").data["data"] == {"y": "2"}


def test_a_field_is_json_where_json_is_asked_for(server):
    server.request("POST", "secret/data/f", {"data": {"text": "b\"ob", "number": 1.5, "list": [1, {"a": None}], "no": None}})
    expected = {"text": '"b\\"ob"\n', "number": "1.5\n", "no": "null\n",
                "list": '[\n  1,\n  {\n    "a": null\n  }\n]\n'}
    for field, text in expected.items():
        assert server.cli("kv", "get", "-format=json", f"-field={field}", "secret/f").stdout == text
    assert server.cli("kv", "get", "-field=text", "secret/f").stdout == 'b"ob'
    assert server.cli("kv", "put", "-format=json", "-field=version", "secret/f", "a=1").stdout == "2\n"
    assert server.cli("kv", "metadata", "get", "-format=json", "-field=current_version", "secret/f").stdout == "2\n"


def test_no_sentence_stands_where_json_was_asked_for(server):
    server.cli("secrets", "enable", "-path=kv1", "-version=1", "kv")
    for arguments in (["put", "-format=json", "kv1/a", "x=1"], ["delete", "-format=json", "kv1/a"],
                      ["metadata", "put", "-format=json", "-max-versions=2", "secret/a"]):
        assert server.cli("kv", *arguments).stdout == ""


def test_tables_are_aligned_by_what_a_terminal_shows(server):
    widths = {"ünï": 3, "u\u0308": 1, "日本": 4, "e\u0301\u0301x": 2, "плюс": 4}
    for name in widths:
        server.cli("secrets", "enable", f"-path={name}", "kv")
    lines = server.cli("secrets", "list").stdout.splitlines()
    column = lines[0].index("Type")
    for name, width in widths.items():
        line, = (line for line in lines if line.startswith(f"{name}/ "))
        assert line.index("kv") - len(name) + width == column, line
    server.cli("kv", "put", "secret/t", "日本=1", "ab=2")
    table = server.cli("kv", "get", "secret/t").stdout.split("Data")[1].splitlines()
    assert "日本    1" in table and "ab      2" in table


def test_who_asks_for_a_wrapped_answer_does_not_get_the_secret(server):
    server.cli("kv", "put", "secret/wrapped", "a=s3cret")
    for variable in ("VAULT_WRAP_TTL", "BELFRY_WRAP_TTL"):
        result = belfry(server, "kv", "get", "secret/wrapped", **{variable: "60"})
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr == f"wrapped answers are not supported: unset {variable}\n"


def test_the_field_data_is_the_whole_secret_unless_it_has_one_of_that_name(server):
    server.cli("kv", "put", "secret/whole", "a=1")
    assert json.loads(server.cli("kv", "get", "-field=data", "-format=json", "secret/whole").stdout) == {"a": "1"}
    server.cli("kv", "put", "secret/whole", "a=1", "data=x")
    assert server.cli("kv", "get", "-field=data", "secret/whole").stdout == "x"
    missing = server.cli("kv", "get", "-field=b", "secret/whole", check=False)
    assert (missing.returncode, missing.stderr) == (1, 'Field "b" not present in secret\n')


def test_a_deleted_version_has_no_data_rather_than_no_field(server):
    server.cli("kv", "put", "secret/gone", "a=1")
    server.cli("kv", "delete", "secret/gone")
    for field in ("a", "data"):
        result = server.cli("kv", "get", f"-field={field}", "secret/gone", check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "No data found at secret/data/gone\n"


def test_a_format_is_named_in_any_case_and_an_unknown_one_says_where_it_came_from(server):
    assert json.loads(belfry(server, "status", "-format=JSON").stdout)["sealed"] is False
    for source, result in (("-format", belfry(server, "status", "-format=yaml")),
                           ("VAULT_FORMAT", belfry(server, "status", VAULT_FORMAT="yaml"))):
        assert result.returncode == 1
        assert result.stderr == f'unknown format "yaml" ({source}): it must be table or json\n'
    refused = belfry(server, "events", "subscribe", "-format=yaml", "kv*")
    assert refused.stderr == "this command prints JSON: leave -format out, or say -format=json\n"


def test_an_answer_takes_as_long_as_the_environment_allows(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        result = belfry(server, "status", f"-address=http://{address}", VAULT_CLIENT_TIMEOUT="1")
        assert result.stderr.endswith(f"the server at {address} did not answer within 1s\n")
    for timeout in ("0", "-1s", "soon"):
        result = belfry(server, "status", BELFRY_CLIENT_TIMEOUT=timeout)
        assert result.returncode == 1 and "BELFRY_CLIENT_TIMEOUT must be a duration above zero" in result.stderr


def test_an_empty_list_is_json_where_that_is_asked_for(server):
    result = server.cli("kv", "list", "-format=json", "secret/none", check=False)
    assert (result.returncode, result.stdout) == (2, "{}\n")


def test_custom_metadata_are_texts_of_which_the_last_counts(server):
    server.cli("kv", "put", "secret/custom", "a=1")
    server.cli("kv", "metadata", "put", "-custom-metadata=a=1", "-custom-metadata=a=@b=c", "secret/custom")
    shown = json.loads(server.cli("kv", "metadata", "get", "-format=json", "secret/custom").stdout)
    assert shown["data"]["custom_metadata"] == {"a": "@b=c"}
    refused = server.cli("kv", "metadata", "put", "-custom-metadata=a", "secret/custom", check=False)
    assert (refused.returncode, refused.stderr) == (1, '"a" is not KEY=VALUE, for example owner=alice\n')
    unknown = server.cli("kv", "metadata", "patch", "-max-versions=3", "secret/unknown", check=False)
    assert unknown.returncode == 2 and unknown.stderr.startswith("No value found at secret/metadata/unknown")
