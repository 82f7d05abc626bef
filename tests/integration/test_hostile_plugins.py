"""A plugin may do what it likes: what it answers, prints, sends and leaves behind is looked at before it is believed."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import threading
import time

import pytest

from conftest import BIN, PATIENCE, alive, eventually, put_plugin


@pytest.fixture(scope="module")
def host(module_servers, tmp_path_factory):
    """A server with the forger mounted at evil/; its tests change nothing that another one needs."""
    folder = tmp_path_factory.mktemp("plugins")
    put_plugin(folder, "belfry-forger")
    server = module_servers(plugin_dir=folder)
    assert server.request("POST", "sys/mounts/evil", {"type": "forger"}).status == 204
    return server


def answer_with(server, reply, method="GET"):
    """What a client gets when the plugin answers with `reply`, a HandleRequestReply."""
    assert server.request("PUT", "evil/reply", reply).status == 204
    return server.request(method, "evil/said", {} if method == "PUT" else None)


def raw(**keys):
    return {"response": {"data": json.dumps({"http_status_code": 200, "http_raw_body": "x"} | keys)}}


def script(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(0o755)
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- Answers -------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "LIST", "PUT", "DELETE"])
def test_a_reply_that_cannot_be_parsed_is_no_success(host, method):
    assert host.request("PUT", "evil/garble", {}).status == 204
    answer = host.request(method, "evil/said", {} if method == "PUT" else None)
    assert answer.status == 500 and "malformed reply" in answer.json["errors"][0], answer.text
    assert "libprotobuf" not in host.log_text()


@pytest.mark.parametrize("method", ["GET", "LIST", "PUT", "DELETE"])
def test_a_redirect_to_a_path_of_this_host_is_handed_on(host, method):
    answer = answer_with(host, {"response": {"redirect": "/v1/evil/elsewhere?a=b"}}, method)
    assert (answer.status, answer.headers["location"]) == (307, "/v1/evil/elsewhere?a=b")


@pytest.mark.parametrize("redirect", [
    "http://127.0.0.1:1/v1/evil", "https://evil.example", "javascript:alert(1)", "data:text/html,x", "//evil.example/v1",
    "/\\evil.example", "\\\\evil.example", "evil", "?x", "#x", "/v1/a\r\nSet-Cookie: a=b", "/v1/a\u0000b", "/\t/evil.example",
    "/v1/\u0085", "/v1//evil", "/v1/./evil", "/v1/evil/../sys/seal", "/v1/evil/%2e%2e/sys", "/v1/%2Fevil", " /v1/evil",
])
def test_a_redirect_to_anywhere_else_is_500_and_logged(host, redirect):
    answer = answer_with(host, {"response": {"redirect": redirect}})
    assert answer.status == 500 and "location" not in answer.headers, answer.headers
    (error,) = answer.json["errors"]
    assert "redirect" in error
    assert re.search(r"api: an answer of a plugin was refused: mount=evil/ plugin=forger .*redirect", host.log_text())


def test_refused_answers_by_the_thousand_are_a_few_lines(host):
    line = "an answer of a plugin was refused"
    before = host.log_text().count(line)
    assert host.request("PUT", "evil/reply", {"response": {"redirect": "//evil.example"}}).status == 204
    begin = time.monotonic()
    for _ in range(300):
        assert host.request("GET", "evil/said").status == 500
    # Ten at once, and one each ten seconds.
    assert host.log_text().count(line) - before <= 10 + (time.monotonic() - begin) / 10 + 1


def test_a_write_is_redirected_to_no_other_mount(host):
    elsewhere = {"response": {"redirect": "/v1/sys/policies/acl/admin"}}
    assert answer_with(host, elsewhere, "GET").status == 307
    for method in ("PUT", "DELETE"):
        answer = answer_with(host, elsewhere, method)
        assert answer.status == 500 and "location" not in answer.headers, method


@pytest.mark.parametrize("header", ["http_content_type", "http_raw_cache_control", "http_raw_pragma", "http_www_authenticate"])
@pytest.mark.parametrize("value", ["a\u0001b", "a\u007fb", "a\u000bb", "a\r\nX-Forged: 1", "a\nb", "a\u0000b", "a\u0085b", "a\u2028b", "x" * 9000],
                         ids=lambda value: ascii(value[:12]))
def test_a_raw_header_is_visible_text_or_500(host, header, value):
    answer = answer_with(host, raw(http_status_code=401, **{header: value}))
    assert answer.status == 500
    assert not any(forged in answer.headers for forged in ("x-forged", "pragma", "www-authenticate"))
    assert "impossible HTTP header" in answer.text and "impossible HTTP header" in host.log_text()


def test_raw_headers_that_are_visible_text_are_handed_on(host):
    answer = answer_with(host, raw(http_status_code=401, http_content_type="text/plain; charset=utf-8", http_raw_pragma="no-cache",
                                   http_raw_cache_control="max-age=1", http_www_authenticate='Basic realm="x"'))
    assert answer.status == 401 and answer.text == "x"
    assert {name: answer.headers[name] for name in ("content-type", "pragma", "cache-control", "www-authenticate")} == {
        "content-type": "text/plain; charset=utf-8", "pragma": "no-cache", "cache-control": "max-age=1",
        "www-authenticate": 'Basic realm="x"'}


def test_headers_beside_the_data_go_no_further(host):
    names = ["Set-Cookie", "X-Vault-Token", "Location", "Content-Length", "Transfer-Encoding", "Access-Control-Allow-Origin", "X-Mine"]
    answer = answer_with(host, {"response": {"data": '{"a":1}', "headers": {name: {"header": ["7"]} for name in names}}})
    assert answer.status == 200 and answer.data == {"a": 1}
    for name in names:
        assert answer.headers.get(name.lower()) != "7", name


@pytest.mark.parametrize("status", [-1, 0, 1, 99, 100, 101, 103, 199, 600, 1000, 2**31, 2**62, "200 OK", None, [200]])
def test_an_impossible_raw_status_is_500(host, status):
    assert answer_with(host, raw(http_status_code=status)).status == 500


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_none_can_be_does_not_become_the_next_answer(host, status):
    body = base64.b64encode(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").decode()
    assert host.request("PUT", "evil/reply", raw(http_status_code=status, http_raw_body=body)).status == 204
    connection = http.client.HTTPConnection(host.address, timeout=PATIENCE)
    connection.request("GET", "/v1/evil/said", headers={"X-Vault-Token": "root"})
    first = connection.getresponse()
    assert first.status == status and first.read() == b""
    connection.request("GET", "/v1/sys/health")
    assert json.loads(connection.getresponse().read())["initialized"] is True
    connection.close()


@pytest.mark.parametrize("code", [0, 1, 100, 199, 200, 201, 204, 299, 301, 304, 307, 399, 600, -200, 2**40])
def test_an_error_is_an_error_whatever_its_code(host, code):
    error = {"err": {"err_type": 3, "err_msg": "broken", "err_code": code}}
    answer = answer_with(host, error)
    assert answer.status == 500 and "broken" in answer.text
    beside = answer_with(host, error | {"response": {"data": '{"error":"broken"}'}})
    assert beside.status == 400


@pytest.mark.parametrize("code", [400, 403, 404, 409, 412, 429, 500, 503, 599])
def test_an_error_keeps_a_code_that_is_one(host, code):
    assert answer_with(host, {"err": {"err_type": 3, "err_msg": "broken", "err_code": code}}).status == code


def test_what_stands_in_warnings_and_lists_stays_text(host):
    told = ["a\nb", "\u001b[2J", "\u2028", '"},"auth":{"client_token":"x"}']
    answer = answer_with(host, {"response": {"data": json.dumps({"keys": told}), "warnings": told}}, "LIST")
    assert answer.status == 200
    assert answer.data["keys"] == told and answer.json["warnings"] == told and answer.json["auth"] is None


# ---- Events --------------------------------------------------------------------------------------

@pytest.mark.parametrize("event_type", ["sys/plugin-crash", "sys", "SYS/plugin-crash", "sYs/x"])
def test_the_types_of_the_host_are_refused_with_the_rule(host, event_type):
    answer = host.request("PUT", "evil/send", {"type": event_type}).data
    (rejected,) = answer["stream"]
    for refusal in (rejected, answer["unary"]):
        assert refusal["code"] == 7 and '"sys"' in refusal["reason"], refusal


@pytest.mark.parametrize("event_type", ["kv-v2/data-write", "kv", "forge/x", "forgerx/x", "Forger/x", "-/x"])
def test_a_type_that_is_not_named_after_its_plugin_is_refused_with_the_rule(host, event_type):
    with host.subscribe("*") as subscriber:
        answer = host.request("PUT", "evil/send", {"type": event_type}).data
        (rejected,) = answer["stream"]
        for refusal in (rejected, answer["unary"]):
            assert refusal["code"] == 7 and "plugin's name" in refusal["reason"], refusal
        # The next one that is accepted is the next one that is delivered.
        host.request("PUT", "evil/send", {"type": "forger/after"})
        for _ in range(2):
            assert json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event_type"] == "forger/after"


@pytest.mark.parametrize("event_type", ["sys/", "/forger/x", "../forger/x", "forger/", "forger//x", "forger/./x", "forger/../kv-v2/data-write"])
def test_a_type_that_reads_like_another_is_none(host, event_type):
    answer = host.request("PUT", "evil/send", {"type": event_type}).data
    (rejected,) = answer["stream"]
    for refusal in (rejected, answer["unary"]):
        assert refusal["code"] == 3 and "an event type is like" in refusal["reason"], refusal


@pytest.mark.parametrize("event_type", ["forger", "forger/x", "forger-v2/x/y"])
def test_a_type_that_is_named_after_its_plugin_is_delivered(host, event_type):
    with host.subscribe(event_type) as subscriber:
        assert host.request("PUT", "evil/send", {"type": event_type}).data == {"stream": [], "unary": {"code": 0, "reason": ""}}
        for _ in range(2):
            assert json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event_type"] == event_type


# ---- The log -------------------------------------------------------------------------------------

def printed(host, text, times=1):
    """What the log has of it once it has come."""
    before = len(host.log_text())
    assert host.request("PUT", "evil/print", {"text": text, "times": times}).status == 200
    mark = f"mark-{os.urandom(8).hex()}"
    deadline = time.monotonic() + PATIENCE
    while not eventually(lambda: mark in host.log_text()[before:], timeout=0.5):
        assert time.monotonic() < deadline
        host.request("PUT", "evil/print", {"text": f"[ERROR] {mark}\n", "times": 1})  # After a flood, the first are dropped.
    return host.log_text()[before:]


HIDDEN = ["\u0085", "\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\u061c", "\u009b", "\ufeff", "\U000e0001"]


@pytest.mark.parametrize("hidden", HIDDEN + ["\u001b[2J", "\u0000", "\u007f", "\r", "\u000b", "\b"], ids=ascii)
@pytest.mark.parametrize("shape", ["[ERROR] a%sb\n", '{"@level":"error","@message":"a","k%s":"v"}\n', '{"@level":"error","@message":"a","k":"b%s"}\n',
                                   '{"@level":"error","@message":"a%sb"}\n'], ids=["line", "key", "value", "message"])
def test_what_does_not_show_as_itself_is_escaped(host, hidden, shape):
    if shape[0] == "{":
        hidden_in_text = "".join(f"\\u{unit:04x}" for unit in utf16(hidden))
    else:
        hidden_in_text = hidden
    text = printed(host, shape % hidden_in_text)
    for character in hidden:
        assert character.isprintable() or character not in text, ascii(text)
    assert re.search(r"forger\.output: .*\\", text), text


def utf16(text):
    units = text.encode("utf-16-be")
    return [int.from_bytes(units[i:i + 2], "big") for i in range(0, len(units), 2)]


FORGERIES = [
    "core: unsealed: key=value",
    "[ERROR] plugins.forger: the plugin has crashed: pid=1 end=\"it was ended\"",
    "2026-11-28T15:00:00.000Z [ERROR] mounts: disabled a mount: path=secret/",
    '{"@level":"error","@message":"x: mount=secret/ level=info"}',
    '{"@level":"error","@message":"x","mount=secret/ a":"b"}',
    '{"@level":"error","@message":"x","a":"b mount=secret/"}',
    '{"@level":"error","@message":"x\\n2026-11-28T15:00:00.000Z [ERROR] mounts: y: mount=secret/"}',
    '{"@level":"error","@message":"x","a":"\\" mount=\\"secret/"}',
]
LINE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[(?:TRACE|DEBUG|INFO|WARN|ERROR)\] +(?P<logger>[\w.]+): '
                  r'(?P<message>"(?:[^"\\]|\\.)*"|[^"=]*?)(?::(?P<fields>(?: [\w@./-]+=\S+| [\w@./-]+="(?:[^"\\]|\\.)*"| "(?:[^"\\]|\\.)*"=\S+)+))?')


@pytest.mark.parametrize("forgery", FORGERIES)
def test_no_text_of_a_plugin_passes_for_a_line_or_a_field_of_ours(start_server, tmp_path, forgery):
    put_plugin(tmp_path, "belfry-forger")
    server = start_server("-log-level=trace", plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/evil", {"type": "forger"}).status == 204
    lines = printed(server, forgery + "\n").splitlines()
    for line in lines:
        parsed = LINE.fullmatch(line)
        assert parsed, line
        if parsed["logger"].endswith("forger.output"):
            keys = re.findall(r" ([\w@./-]+)=", re.sub(r'"(?:[^"\\]|\\.)*"', '""', parsed["fields"] or ""))
            assert not {"mount", "level", "path", "pid", "key"} & set(keys), line
    assert not any(LINE.fullmatch(line)["logger"] in ("mounts", "core", "plugins.forger") for line in lines)


def test_a_flood_is_dropped_and_counted_and_the_plugin_goes_on(host):
    flood = 40_000_000
    line = "[ERROR] " + "x" * 991 + "\n"
    log = printed(host, line, flood // len(line))
    assert len(log) < flood // 4, "more than the plugin's share of the log was written"
    dropped = sum(int(n) for n in re.findall(r"forger: dropped what the plugin wrote beyond its share of the log: bytes=(\d+)", log))
    written = sum(len(text) + len("[ERROR] \n") for text in re.findall(r"output: (x+)\n", log))
    assert dropped > flood // 2
    assert abs(dropped + written - flood) < 64 * 1024, "what is not written is counted"
    assert host.request("PUT", "evil/send", {"type": "forger/x"}).status == 200


def test_a_flood_before_the_handshake_is_dropped_too(start_server, tmp_path):
    script(tmp_path, "noisy", f"head -c 30000000 /dev/zero | tr '\\0' x >&2; exec '{BIN}/plugins/belfry-notes'")
    server = start_server("-log-level=debug", plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/noisy", {"type": "noisy"}).status == 204
    assert server.request("PUT", "noisy/notes/a", {"text": "hi"}).status == 204
    assert len(server.log_text()) < 15_000_000
    assert "share of the log" in server.log_text()


# ---- The environment -----------------------------------------------------------------------------

PROTOCOL = {"VAULT_BACKEND_PLUGIN", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_CLIENT_CERT",
            "PLUGIN_UNIX_SOCKET_DIR", "VAULT_VERSION", "VAULT_PLUGIN_METADATA_MODE", "VAULT_PLUGIN_AUTOMTLS_ENABLED"}
INHERITED = {"PATH", "HOME", "LANG", "TZ", "TMPDIR"}
SANITIZERS = {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}
SECRETS = ["VAULT_TOKEN", "VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_CACERT", "BELFRY_TOKEN", "BELFRY_ADDR", "AWS_SECRET_ACCESS_KEY",
           "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET", "PGPASSWORD", "SSH_AUTH_SOCK", "LD_LIBRARY_PATH",
           "PATHS", "HOMEPATH", "XPATH", "path"]


def environment_of(pid):
    entries = pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def test_a_plugin_gets_no_more_of_the_environment_than_it_needs(start_server, tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "leaked")
    for name in ("LANG", "TZ"):
        monkeypatch.setenv(name, "C")
    program = put_plugin(tmp_path, "belfry-notes", "diary")
    server = start_server(plugin_dir=tmp_path)
    body = {"command": "diary", "sha256": sha256(program), "env": ["NOTES_MODE=strict", "VAULT_TOKEN=registered"]}
    assert server.request("PUT", "sys/plugins/catalog/secret/diary", body).status == 204
    assert server.request("POST", "sys/mounts/d", {"type": "diary"}).status == 204
    (diary,) = [p for p in server.request("GET", "sys/plugins/processes").data["plugins"] if p["name"] == "diary"]
    environment = environment_of(diary["running"][0]["pid"])
    assert environment.pop("NOTES_MODE") == "strict" and environment.pop("VAULT_TOKEN") == "registered"
    assert "leaked" not in environment.values()
    # ./dev sets these for builds with sanitizers: a plugin that did not get them would report where nobody looks.
    assert set(environment) - PROTOCOL - INHERITED == SANITIZERS & set(os.environ)
    assert PROTOCOL <= set(environment)
    assert {name: environment[name] for name in ("PATH", "LANG", "TZ")} == {"PATH": os.environ["PATH"], "LANG": "C", "TZ": "C"}
    kv = server.request("GET", "sys/plugins/processes").data["plugins"]
    for process in (process for plugin in kv for process in plugin["running"]):
        assert "leaked" not in environment_of(process["pid"]).values()


# ---- The plugin directory ------------------------------------------------------------------------

def register(server, command, path):
    return server.request("PUT", f"sys/plugins/catalog/secret/{command}", {"command": command, "sha256": sha256(path)})


def test_a_link_that_leaves_the_plugin_directory_is_refused(start_server, tmp_path):
    folder, outside = tmp_path / "plugins", tmp_path / "outside"
    folder.mkdir(), outside.mkdir()
    put_plugin(outside, "belfry-notes", "notes2")
    (folder / "shell").symlink_to("/bin/sh")
    (folder / "away").symlink_to(outside / "notes2")
    (folder / "relative").symlink_to("../outside/notes2")
    (folder / "folder").symlink_to(outside)
    (folder / "twice").symlink_to("away")
    (tmp_path / "plugins-of-others").mkdir()
    put_plugin(tmp_path / "plugins-of-others", "belfry-notes", "notes3")
    (folder / "prefix").symlink_to("../plugins-of-others/notes3")
    server = start_server(plugin_dir=folder)
    names = server.request("GET", "sys/plugins/catalog").data["secret"]
    assert not {"shell", "away", "relative", "twice", "prefix"} & set(names)
    for command in ("shell", "away", "relative", "twice", "prefix"):
        answer = register(server, command, folder / command)
        assert answer.status == 400 and "leaves the plugin directory" in answer.text, (command, answer.text)
        assert server.request("POST", f"sys/mounts/{command}", {"type": command}).status == 400
    assert "leaves the plugin directory" in server.log_text()


def test_a_link_that_is_changed_later_is_refused_at_the_start(start_server, tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    put_plugin(folder, "belfry-notes", "diary")
    shutil.copy(folder / "diary", tmp_path / "copy")
    server = start_server(plugin_dir=folder)
    (folder / "diary").unlink()
    (folder / "diary").symlink_to(tmp_path / "copy")  # The same bytes, but not there for whoever owns the directory to change.
    refused = server.request("POST", "sys/mounts/d", {"type": "diary"})
    assert refused.status == 400 and "leaves the plugin directory" in refused.text


def test_a_link_within_the_plugin_directory_is_followed(start_server, tmp_path):
    folder, link = tmp_path / "plugins", tmp_path / "link"
    folder.mkdir()
    put_plugin(folder, "belfry-notes", "notes-1.0")
    (folder / "diary").symlink_to("notes-1.0")
    link.symlink_to(folder)
    server = start_server(plugin_dir=link)  # The directory itself may be reached by one.
    assert server.request("POST", "sys/mounts/d", {"type": "diary"}).status == 204
    assert server.request("PUT", "d/notes/a", {"text": "hi"}).status == 204


def test_what_is_no_regular_file_is_refused_and_holds_nothing_up(start_server, tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o777)
    (tmp_path / "folder").mkdir()
    server = start_server(plugin_dir=tmp_path)
    for command in ("pipe", "folder"):
        body = {"command": command, "sha256": "0" * 64}
        answer = server.request("PUT", f"sys/plugins/catalog/secret/{command}", body)
        assert answer.status == 400 and "no regular file" in answer.text, answer.text


def test_whoever_else_may_replace_a_plugin_is_named_in_the_log(start_server, tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(BIN / "plugins" / "belfry-notes", folder / "diary")
    (folder / "diary").chmod(0o757)
    folder.chmod(0o775)
    server = start_server(plugin_dir=folder)
    assert f"{folder}/diary can be written by everybody" in server.log_text()
    assert f"{folder} can be written by its group" in server.log_text()


@pytest.mark.parametrize("kind", ["script", "program"])
def test_a_program_put_in_place_between_check_and_start_never_runs(start_server, tmp_path, kind):
    folder, ran = tmp_path / "plugins", tmp_path / "ran"
    folder.mkdir()
    good, evil, place = tmp_path / "good", tmp_path / "evil", folder / "victim"
    if kind == "script":
        script(tmp_path, "good", f"exec {BIN}/plugins/belfry-notes")
    else:
        shutil.copy(BIN / "plugins" / "belfry-notes", good)
    script(tmp_path, "evil", f"touch '{ran}'; exit 3")
    shutil.copy(good, place)
    server = start_server(plugin_dir=folder)
    # With its sum: what merely lies in the folder is taken as it is.
    registered = {"command": "victim", "sha256": hashlib.sha256(good.read_bytes()).hexdigest()}
    assert server.request("PUT", "sys/plugins/catalog/secret/victim", registered).status == 204
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for source in (evil, good):
                os.link(source, tmp_path / "next")
                os.replace(tmp_path / "next", place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    checked = 0
    try:
        for _ in range(40):
            answer = server.request("POST", "sys/mounts/v", {"type": "victim"})
            assert answer.status == 204 or "checksums did not match" in answer.text, answer.text
            if answer.status == 204:
                checked += 1
                assert server.request("DELETE", "sys/mounts/v").status == 204
    finally:
        stop.set()
        swapping.join()
    assert checked > 0
    assert not ran.exists(), "what ran was not what was checked"


# ---- Processes -----------------------------------------------------------------------------------

@pytest.fixture
def parent(start_server, tmp_path):
    """A server whose forger has a child, and both of their numbers."""
    put_plugin(tmp_path, "belfry-forger")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/evil", {"type": "forger"}).status == 204
    child = server.request("PUT", "evil/leave").data["pid"]
    assert alive(child)
    (plugin,) = [p for p in server.request("GET", "sys/plugins/processes").data["plugins"] if p["name"] == "forger"]
    return server, plugin["running"][0]["pid"], child


def test_each_plugin_has_a_process_group_of_its_own(parent):
    server, plugin, child = parent
    assert os.getpgid(plugin) == plugin == os.getpgid(child)
    assert os.getpgid(server.process.pid) != plugin


def test_the_children_of_a_plugin_that_crashes_end_with_it(parent):
    _, plugin, child = parent
    os.kill(plugin, signal.SIGKILL)
    assert eventually(lambda: not alive(child))


def test_the_children_of_a_plugin_that_is_stopped_end_with_it(parent):
    server, _, child = parent
    assert server.request("DELETE", "sys/mounts/evil").status == 204
    assert eventually(lambda: not alive(child))


def test_the_children_of_a_plugin_end_with_its_host(parent):
    server, _, child = parent
    server.process.kill()
    server.process.wait(timeout=PATIENCE)
    assert eventually(lambda: not alive(child))


@pytest.mark.parametrize("end", ["exit 3", "echo hello; exec sleep 600", "echo '1|5|unix|/nowhere|grpc|'; exec sleep 600", "kill -9 $$"])
def test_the_children_of_a_plugin_that_fails_its_handshake_end_with_it(start_server, tmp_path, end):
    number = tmp_path / "number"
    script(tmp_path, "broken", f"sleep 600 & echo $! >'{number}'\n{end}")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/b", {"type": "broken"}).status in (400, 500, 503)
    child = int(number.read_text())
    assert eventually(lambda: not alive(child))


def test_a_process_is_called_what_its_program_is_called(start_server, tmp_path):
    program = put_plugin(tmp_path, "belfry-notes", "diary")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/d", {"type": "diary"}).status == 204
    (diary,) = [p for p in server.request("GET", "sys/plugins/processes").data["plugins"] if p["name"] == "diary"]
    process = pathlib.Path("/proc", str(diary["running"][0]["pid"]))
    assert (process / "comm").read_text() == "diary\n"
    assert (process / "cmdline").read_bytes().split(b"\0")[0].decode() == str(program)
    assert (process / "exe").resolve() == program.resolve()
    assert str(program) not in [os.readlink(fd) for fd in (process / "fd").iterdir()]
