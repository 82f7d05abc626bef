"""The `belfry` command as people type it."""

import json
import os
import subprocess

from conftest import BIN, PATIENCE, Lines, eventually


def subscriber(server, *arguments):
    environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token)
    return subprocess.Popen([str(BIN / "belfry"), "events", "subscribe", *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment)


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
