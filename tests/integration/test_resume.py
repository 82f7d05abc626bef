"""Subscriptions with `after=`: what they are told that others are not, and that they go on where they were, whatever happened meanwhile."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import BIN, Lines, PATIENCE, RawSubscriber, ROOT, eventually

WRITES = "kv-v2/data-write"
TESTDATA = pathlib.Path(__file__).parent / "testdata"


def write(server, key, count=1):
    for number in range(count):
        answer = server.request("PUT", f"secret/data/{key}", {"data": {"number": number}})
        assert answer.status == 200, answer.text


def follow(server, after, event_type=WRITES, query="json=true", **options):
    return server.subscribe(event_type, f"{query}&after={after}", **{"token": server.token, **options})


def frame(stream):
    return json.loads(stream.recv(timeout=PATIENCE))


def event(stream):
    """The next frame that is an event: its path and its cursor."""
    while True:
        found = frame(stream)
        if found["type"] != "belfry.bookmark":
            assert found["type"] == "*", found
            return found["data"]["event"]["metadata"]["path"].removeprefix("secret/data/"), found["cursor"]


def end(server):
    """The cursor behind all events."""
    with follow(server, "latest") as stream:
        found = frame(stream)
        assert found["type"] == "belfry.bookmark"
        return found["cursor"]


def serve(start_configured, storage="rocksdb", **options):
    server = start_configured(storage, **options)
    server.initialize()
    server.unseal()
    assert server.request("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}).status == 204
    return server


def test_a_plain_subscriber_sees_nothing_of_it(start_server):
    server = start_server()
    with server.subscribe(WRITES) as plain, follow(server, "latest") as resuming:
        assert frame(resuming)["type"] == "belfry.bookmark"
        write(server, "a")
        with_place, without = frame(resuming), frame(plain)
    cursor, sequence = with_place.pop("cursor"), with_place.pop("sequence")
    assert with_place == without
    assert re.fullmatch(r"[0-9a-f]{16}-[1-9][0-9]*", cursor)
    assert sequence == cursor.split("-")[1].zfill(20)


def test_a_cursor_goes_on_behind_the_event_that_had_it(start_server):
    server = start_server()
    for key in ("a", "b", "c"):
        write(server, key)
    with follow(server, "earliest") as stream:
        seen = [event(stream) for _ in range(3)]
    assert [key for key, _ in seen] == ["a", "b", "c"]
    with follow(server, seen[0][1]) as stream:
        assert [event(stream) for _ in range(2)] == seen[1:]
        write(server, "d")
        assert event(stream)[0] == "d"


def test_in_binary_each_message_is_a_delivery(start_server, tmp_path):
    subprocess.run(["protoc", f"-I{ROOT}", f"--python_out={tmp_path}", "proto/vault/event.proto", "proto/belfry/v1/delivery.proto"],
                   check=True, cwd=ROOT)
    reader = "import sys; from proto.belfry.v1 import delivery_pb2 as p; d = p.Delivery.FromString(sys.stdin.buffer.read());" \
             " print(d.cursor, d.WhichOneof('kind'), d.event.event_type, d.gap.reason)"

    def read(message):
        return subprocess.run([sys.executable, "-c", reader], cwd=tmp_path, input=message, check=True, capture_output=True).stdout.decode().split()

    server = start_server()
    write(server, "a")
    with follow(server, "0123456789abcdef-1", query="json=false") as stream:
        assert read(stream.recv(timeout=PATIENCE))[1:] == ["gap", "epoch"]
        write(server, "b")
        cursor, kind, event_type = read(stream.recv(timeout=PATIENCE))
        assert (kind, event_type) == ("event", WRITES)
    with follow(server, "latest", query="json=false") as stream:
        assert read(stream.recv(timeout=PATIENCE)) == [cursor, "bookmark"]


@pytest.mark.parametrize("after", ["", "now", "1", "0123456789abcdef", "0123456789abcdef-", "0123456789ABCDEF-1", "earliest-1", "latest%20"])
def test_what_is_no_place_is_refused_with_what_is_one(start_server, after):
    with pytest.raises(InvalidStatus) as refused:
        follow(start_server(), after)
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["errors"] == [
        "invalid parameter for after: it is earliest, latest, or the cursor of a message"]


def test_rights_are_those_of_now_also_for_old_events(start_server):
    server = start_server()
    rules = 'path "sys/events/subscribe/*" { capabilities = ["read"] }\n'
    allowed = 'path "secret/data/%s" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }\n'
    assert server.request("PUT", "sys/policies/acl/w", {"policy": rules + allowed % "a" + allowed % "b"}).status == 204
    token = server.request("POST", "auth/token/create", {"policies": ["w"]}).json["auth"]["client_token"]
    begin = end(server)
    for key in ("a", "b", "a"):
        write(server, key)
    assert server.request("PUT", "sys/policies/acl/w", {"policy": rules + allowed % "b"}).status == 204
    with follow(server, begin, token=token) as stream:
        assert event(stream)[0] == "b"
        assert frame(stream)["type"] == "belfry.bookmark"
        assert server.request("PUT", "auth/token/revoke", {"token": token}).status == 204
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=PATIENCE)
    assert closed.value.rcvd.reason == "token revoked"


def test_a_filter_holds_for_old_events_and_new_ones(start_server):
    server = start_server()
    begin = end(server)
    for key in ("a", "b"):
        write(server, key)
    with follow(server, begin, query="json=true&filter=data_path%20contains%20b") as stream:
        assert event(stream)[0] == "b"
        write(server, "a")
        write(server, "ab")
        assert event(stream)[0] == "ab"


def test_events_are_kept_over_restarts_kills_and_seals(start_configured):
    server = serve(start_configured)
    begin = end(server)
    write(server, "a")
    assert server.stop() == 0
    server.start()
    server.unseal()
    write(server, "b")
    server.kill()
    server.start()
    server.unseal()
    with follow(server, begin) as stream:
        assert event(stream)[0] == "a"
        key, cursor = event(stream)
        assert key == "b"
        assert server.request("PUT", "sys/seal").status == 204
        with pytest.raises(ConnectionClosed):
            while True:
                assert frame(stream)["type"] == "belfry.bookmark"
    server.unseal()
    write(server, "c")
    with follow(server, cursor) as stream:
        assert event(stream)[0] == "c"


def test_a_slow_subscriber_is_never_closed_and_gets_every_event(start_configured):
    """Others are closed with 1013 when their queue is full; these go on in the journal."""
    # In memory: all is written before the first frame is read, and pings are not answered so long.
    server = serve(start_configured, storage="inmem", settings="limits {\n  max_queued_frames = 100\n}\n")
    begin, count = end(server), 1500
    with RawSubscriber(server, server.token, window=4096, after=begin) as slow, RawSubscriber(server, server.token, window=4096) as plain:
        write(server, "a", count)
        opcode, payload = plain.frame()
        while opcode == 1:
            opcode, payload = plain.frame()
        assert (opcode, payload[2:]) == (8, b"subscriber is too slow; events were missed")
        sequences = []
        while len(sequences) < count:
            opcode, payload = slow.frame()
            assert opcode in (1, 9), payload
            found = json.loads(payload) if opcode == 1 else {"type": "ping"}
            assert found["type"] != "belfry.gap"
            if found["type"] == "*":
                sequences.append(int(found["sequence"]))
    first = int(begin.split("-")[1]) + 1
    assert sequences == list(range(first, first + count))


def test_what_is_not_kept_any_more_is_a_gap_that_says_so(start_configured):
    server = serve(start_configured, settings="journal {\n  max_bytes = 50000\n}\n")
    write(server, "a")
    with follow(server, "earliest") as stream:
        first = event(stream)[1]
    write(server, "a", 200)
    with follow(server, first) as stream:
        gap = frame(stream)
        assert gap["type"] == "belfry.gap"
        assert gap["data"] == {"reason": "expired", "after": first, "advice": "events are missing: read again what you keep"}
        following = frame(stream)
        assert following["type"] == "*"
        assert int(following["sequence"]) == int(gap["sequence"]) + 1
    metrics = server.request("GET", "sys/metrics?format=prometheus").text
    assert int(re.search(r"^belfry_journal_bytes (\d+)$", metrics, re.M).group(1)) <= 50000
    assert int(re.search(r"^belfry_journal_first_sequence (\d+)$", metrics, re.M).group(1)) == int(following["sequence"])


def test_what_is_restored_from_a_snapshot_is_another_epoch(start_configured, tmp_path):
    server = serve(start_configured)
    write(server, "a")
    before = end(server)
    server.cli("operator", "snapshot", "save", str(tmp_path / "snapshot"))
    assert server.stop() == 0
    (server.tmp / "data").rename(server.tmp / "old")
    subprocess.run([BIN / "belfry", "operator", "snapshot", "restore", f"-config={server.tmp}/belfry.hcl", tmp_path / "snapshot"], check=True)
    server.start()
    server.unseal()
    with follow(server, before) as stream:
        gap = frame(stream)
        assert (gap["type"], gap["data"]["reason"], gap["data"]["after"]) == ("belfry.gap", "epoch", before)
        assert not gap["cursor"].startswith(before.split("-")[0])
        write(server, "b")
        assert event(stream)[0] == "b"


def test_many_who_follow_see_the_same_order(start_server):
    server = start_server()
    begin = end(server)
    seen, count = {}, 200

    def read(number):
        with follow(server, begin, "*") as stream:
            seen[number] = [event(stream) for _ in range(count)]

    readers = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    writers = [threading.Thread(target=write, args=(server, f"k{number}", count // 4)) for number in range(4)]
    for thread in readers + writers:
        thread.start()
    for thread in readers + writers:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(seen[0]) == count
    assert all(seen[number] == seen[0] for number in range(8))


def subscribe_by_command(server, *flags):
    process = subprocess.Popen([BIN / "belfry", "events", "subscribe", *flags, WRITES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=server.token))
    return process, Lines(process.stdout), Lines(process.stderr)


def key_in(line):
    return json.loads(line)["data"]["event"]["metadata"]["path"].removeprefix("secret/data/")


def test_the_command_goes_on_by_its_cursor_file_after_a_kill_of_server_or_client(start_configured, tmp_path):
    server = serve(start_configured)
    config = server.tmp / "belfry.hcl"
    config.write_text(config.read_text().replace("127.0.0.1:0", server.address))
    write(server, "before")
    flags = ["-after=earliest", f"-cursor-file={tmp_path}/cursor"]
    process, out, errors = subscribe_by_command(server, *flags)
    assert key_in(out.next()) == "before"
    server.kill()
    errors.until("reconnect")
    server.start()
    server.unseal()
    write(server, "while-it-reconnects")
    assert key_in(out.next()) == "while-it-reconnects"
    last = end(server)
    assert eventually(lambda: (tmp_path / "cursor").read_text().strip() == last)
    process.kill()
    process.wait()
    write(server, "while-it-is-away")
    process, out, _ = subscribe_by_command(server, *flags)
    assert key_in(out.next()) == "while-it-is-away"
    assert server.request("PUT", "auth/token/revoke-self").status == 204
    assert process.wait(PATIENCE) == 1


def test_the_command_runs_another_for_each_event_and_stops_when_that_fails(start_configured, tmp_path):
    server = serve(start_configured)
    for key in ("a", "b", "c"):
        write(server, key)
    flags = ["-after=earliest", f"-cursor-file={tmp_path}/cursor"]
    script = f"grep -o 'secret/data/.' >> {tmp_path}/seen; [ $(wc -l < {tmp_path}/seen) != 4 ]"
    process, _, errors = subscribe_by_command(server, *flags, f"-exec={script}")
    assert process.wait(PATIENCE) == 1, errors.seen
    # Each has two paths; the second event was not dealt with, and comes again.
    assert (tmp_path / "seen").read_text().split() == ["secret/data/a"] * 2 + ["secret/data/b"] * 2
    process, out, _ = subscribe_by_command(server, *flags)
    assert key_in(out.next()) == "b"
    process.kill()
    process.wait()


def test_data_of_format_2_opens_with_its_journal(start_configured):
    """A directory as a kill left it, made by the first version that had a journal."""
    kept = json.loads((TESTDATA / "data-format-2.json").read_text())
    server = start_configured("rocksdb")
    assert server.stop() == 0
    shutil.rmtree(server.tmp / "data")
    shutil.copytree(TESTDATA / "data-format-2", server.tmp / "data")
    server.keys, server.token = kept["keys"], kept["root_token"]
    server.start()
    server.unseal()
    assert server.request("GET", "secret/data/k2").data["data"] == {"number": 2}
    with follow(server, kept["first_cursor"]) as stream:
        assert [event(stream)[0] for _ in range(2)] == ["k1", "k2"]
        write(server, "k3")
        assert event(stream)[0] == "k3"


def history(server, query="", token=None):
    answer = server.request("GET", f"sys/events/history?{query}", token=token or server.token)
    assert answer.status == 200, answer.text
    return answer.data


def keys_of(page):
    return [found["data"]["event"]["metadata"]["path"].removeprefix("secret/data/") for found in page["events"]]


def test_history_is_read_page_by_page_and_a_stream_goes_on_from_it(start_server):
    server = start_server()
    for key in ("a", "b", "c"):
        write(server, key)
    first = history(server, f"type={WRITES}&limit=2")
    assert keys_of(first) == ["a", "b"]
    assert first["events"][1]["cursor"] == first["cursor"]
    second = history(server, f"type=kv*&filter=operation%20%3D%3D%20%22data-write%22&after={first['cursor']}")
    assert keys_of(second) == ["c"]
    assert history(server, f"after={second['cursor']}") == {"cursor": second["cursor"], "events": []}
    with follow(server, second["cursor"]) as stream:
        write(server, "d")
        assert event(stream)[0] == "d"


def test_history_waits_for_the_next_event(start_server):
    server = start_server()
    begin, pages = end(server), []
    waiting = threading.Thread(target=lambda: pages.append(history(server, f"type={WRITES}&after={begin}&wait=30s")))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive() and not pages
    write(server, "a")
    waiting.join(PATIENCE)
    assert keys_of(pages[0]) == ["a"]
    cursor = history(server, "after=latest")["cursor"]
    assert history(server, f"after={cursor}&wait=1s") == {"cursor": cursor, "events": []}


def test_history_needs_both_rights_and_shows_what_the_token_may_see(start_server):
    server = start_server()
    for key in ("a", "b"):
        write(server, key)
    read = 'path "%s" { capabilities = ["read"] }\n'
    see = 'path "secret/data/a" { capabilities = ["subscribe"] subscribe_event_types = ["*"] }\n'

    def token(*rules):
        assert server.request("PUT", "sys/policies/acl/w", {"policy": "".join(rules)}).status == 204
        return server.request("POST", "auth/token/create", {"policies": ["w"]}).json["auth"]["client_token"]

    may = token(read % "sys/events/history", read % "sys/events/subscribe/kv*", see)
    assert keys_of(history(server, "type=kv-v2/data-write", may)) == ["a"]
    for query in ("", "type=*", "type=sys/x"):
        assert server.request("GET", f"sys/events/history?{query}", token=may).status == 403, query
    for rules in ((read % "sys/events/history", see), (read % "sys/events/subscribe/*", see)):
        assert server.request("GET", f"sys/events/history?type={WRITES}", token=token(*rules)).status == 403


@pytest.mark.parametrize("query, error", [
    ("after=yesterday", "invalid parameter for after"), ("limit=0", "limit is a number of events from 1 to 1000"), ("limit=1001", "from 1 to 1000"),
    ("limit=x", "Field validation failed"), ("wait=61s", "wait is at most 60s"), ("wait=soon", "Field validation failed"),
    ("filter=nosuch%20%3D%3D%20a", 'there is no field "nosuch"'), ("type=../../mounts", "no empty segment"), ("type=a//b", "no empty segment")])
def test_what_history_cannot_answer_is_refused_with_what_to_ask(start_server, query, error):
    answer = start_server().request("GET", f"sys/events/history?{query}")
    assert answer.status == 400 and error in answer.json["errors"][0], answer.text
