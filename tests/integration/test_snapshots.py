"""A snapshot is everything that a server had stored at one moment, and becomes a server again with nothing but the unseal keys."""

import hashlib
import os
import re
import socket
import subprocess
import threading

import pytest
from conftest import BIN, PATIENCE, eventually, with_small_files

def belfry(*arguments, wrapper=(), **environment):
    return subprocess.run([*wrapper, str(BIN / "belfry"), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          env=dict(os.environ, **environment))


def table(text):
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def serve(start_configured, storage="rocksdb"):
    server = start_configured(storage)
    server.initialize(shares=3, threshold=2)
    server.unseal()
    assert server.request("POST", "sys/mounts/team", {"type": "kv", "options": {"version": "2"}}).status == 204
    return server


def config_of(path, folder):
    path.write_text(f'storage "rocksdb" {{\n  path = "{folder}"\n}}\nlistener "tcp" {{\n  address = "127.0.0.1:0"\n  tls_disable = true\n}}\n')
    return path


def restored(start_configured, snapshot, of, tmp_path):
    """A new server with what a snapshot holds, and the keys of the server that it is of."""
    config = config_of(tmp_path / "new.hcl", tmp_path / "restored")
    result = belfry("operator", "snapshot", "restore", f"-config={config}", snapshot)
    assert result.returncode == 0 and result.stdout.startswith("Success! Restored "), result.stderr
    server = start_configured("inmem")
    assert server.stop() == 0
    (server.tmp / "belfry.hcl").write_text(config.read_text())
    server.start()
    assert server.request("GET", "sys/health", token=None).status == 503
    server.keys, server.token = of.keys, of.token
    server.unseal()
    return server


def test_a_new_server_has_what_was_stored_while_it_was_written_to(start_configured, tmp_path):
    server = serve(start_configured)
    assert server.request("PUT", "sys/policies/acl/reader", {"policy": 'path "team/data/*" { capabilities = ["read"] }'}).status == 204
    token = server.request("POST", "auth/token/create", {"policies": ["reader"]}).json["auth"]["client_token"]
    for number in range(1, 4):
        assert server.request("PUT", "team/data/app", {"data": {"number": number}}).status == 200
    stop, written, failures = threading.Event(), {}, []

    def write(worker):
        while not stop.is_set():
            number = written.get(worker, 0) + 1
            answer = server.request("PUT", f"team/data/w{worker}", {"data": {"number": number, "pad": "x" * 5000}})
            if answer.status != 200:
                failures.append(answer.text)
                return
            written[worker] = number

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for writer in writers:
        writer.start()
    assert eventually(lambda: len(written) == 3 or failures)
    before = dict(written)
    saved = server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    after = dict(written)
    stop.set()
    for writer in writers:
        writer.join()
    assert not failures and after != before
    assert table(saved.stdout)["unseal_with"] == "2 of its 3 unseal keys"
    assert (tmp_path / "a.snapshot").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.snapshot"]

    new = restored(start_configured, tmp_path / "a.snapshot", server, tmp_path)
    assert new.request("GET", "team/data/app", token=token).data["data"] == {"number": 3}
    assert new.request("GET", "team/data/app?version=1").data["data"] == {"number": 1}
    assert new.request("PUT", "team/data/app", {"data": {}}, token=token).status == 403
    for worker in range(3):
        found = new.request("GET", f"team/data/w{worker}")
        version = found.data["metadata"]["version"]
        assert before[worker] <= version <= after[worker] + 1
        assert found.data["data"]["number"] == version
        assert new.request("PUT", f"team/data/w{worker}", {"data": {}}).data["version"] == version + 1


def test_a_plain_client_saves_one_and_inspect_says_what_is_in_it(start_configured, tmp_path):
    server = serve(start_configured)
    answer = subprocess.run(["curl", "-sS", "-f", "-H", f"X-Vault-Token: {server.token}", "-o", tmp_path / "curl.snapshot",
                             "-w", "%{http_code} %{content_type}", f"http://{server.address}/v1/sys/storage/snapshot"],
                            capture_output=True, text=True, timeout=PATIENCE)
    assert answer.stdout == "200 application/octet-stream", answer.stderr
    shown = table(belfry("operator", "snapshot", "inspect", tmp_path / "curl.snapshot").stdout)
    assert shown["unseal_with"] == "2 of its 3 unseal keys" and int(shown["entries"]) > 10
    assert shown["server_version"] == server.request("GET", "sys/health", token=None).json["version"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", shown["taken"])


def test_nothing_in_one_can_be_read_without_the_keys(start_configured, tmp_path):
    server = serve(start_configured)
    assert server.request("PUT", "team/data/planted-name", {"data": {"planted-field": "planted-value"}}).status == 200
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    data = (tmp_path / "a.snapshot").read_bytes()
    for text in ("planted-name", "planted-field", "planted-value", "team/", server.token, *server.keys):
        assert text.encode() not in data
        assert bytes.fromhex(text) not in data if text in server.keys else True


def test_a_server_in_memory_moves_to_a_disk(start_configured, tmp_path):
    server = serve(start_configured, "inmem")
    assert server.request("PUT", "team/data/app", {"data": {"a": "b"}}).status == 200
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    new = restored(start_configured, tmp_path / "a.snapshot", server, tmp_path)
    assert new.request("GET", "team/data/app").data["data"] == {"a": "b"}


def test_only_sudo_saves_one(start_configured, tmp_path):
    server = serve(start_configured)
    for name, capabilities, allowed in ("r", '["read"]', False), ("s", '["sudo"]', False), ("rs", '["read", "sudo"]', True):
        policy = f'path "sys/storage/snapshot" {{ capabilities = {capabilities} }}'
        assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": policy}).status == 204
        token = server.request("POST", "auth/token/create", {"policies": [name]}).json["auth"]["client_token"]
        result = belfry("operator", "snapshot", "save", tmp_path / name, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN=token)
        assert (result.returncode == 0) == allowed, (name, result.stderr)
        if not allowed:
            assert result.returncode == 2 and "permission denied" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rs"]
    assert server.request("GET", "sys/storage/snapshot", token=None).status == 403
    assert server.request("PUT", "sys/seal").status == 204
    sealed = server.cli("operator", "snapshot", "save", str(tmp_path / "sealed"), check=False)
    assert sealed.returncode == 2 and "Vault is sealed" in sealed.stderr


def test_one_goes_on_when_the_server_is_sealed(start_configured):
    server = serve(start_configured)
    for number in range(40):
        assert server.request("PUT", f"team/data/{number}", {"data": {"pad": "x" * 200_000}}).status == 200
    # Takes nothing yet of what is more than the network holds.
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE)
        host, port = server.address.split(":")
        slow.connect((host, int(port)))
        slow.sendall(f"GET /v1/sys/storage/snapshot HTTP/1.1\r\nHost: a\r\nX-Vault-Token: {server.token}\r\n\r\n".encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        # What it sends is sealed in any case.
        assert server.request("PUT", "sys/seal").status == 204
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        received = b""
        while b"\r\n0\r\n\r\n" not in received[-16:]:
            piece = slow.recv(1 << 20)
            assert piece, "it was broken off"
            received += piece
    assert len(received) > 8_000_000


@pytest.mark.parametrize("change", ["uninitialized", "version", "pipe"])
def test_a_crafted_one_is_refused_and_hangs_nobody(start_configured, tmp_path, change):
    server = serve(start_configured)
    path = tmp_path / "a.snapshot"
    if change == "pipe":
        os.mkfifo(path)
    else:
        version = b'1.0\n"verified": true' if change == "version" else b"1.0"
        body = bytes([1]) + (0).to_bytes(8, "big") + bytes([len(version)]) + version
        if change == "uninitialized":
            body += bytes([1]) + (8).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"data/keyv"
        body += bytes([0]) + (change == "uninitialized").to_bytes(8, "big")
        path.write_bytes(b"belfry snapshot\n" + body + hashlib.sha256(body).digest())
    config = config_of(tmp_path / "new.hcl", tmp_path / "restored")
    said = {"uninitialized": "is not of a server that was initialized", "version": "damaged or not whole", "pipe": "cannot read"}[change]
    for command in ("inspect",), ("restore", f"-config={config}"):
        refused = belfry("operator", "snapshot", *command, path)
        assert refused.returncode == 2 and said in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
    assert not (tmp_path / "restored").exists()


def test_one_that_is_damaged_or_cut_off_restores_nothing(start_configured, tmp_path):
    server = serve(start_configured)
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    data = (tmp_path / "a.snapshot").read_bytes()
    config = config_of(tmp_path / "new.hcl", tmp_path / "restored")
    middle = len(data) // 2
    for bad in data[:middle], data[:-1], data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:], data + b"x":
        (tmp_path / "bad.snapshot").write_bytes(bad)
        for command in ("restore", f"-config={config}"), ("inspect",):
            result = belfry("operator", "snapshot", *command, tmp_path / "bad.snapshot")
            assert result.returncode == 2 and "damaged or not whole" in result.stderr, result.stderr
    assert not (tmp_path / "restored").exists()
    other = belfry("operator", "snapshot", "restore", f"-config={config}", config)
    assert other.returncode == 2 and other.stderr == f"{config} is not a snapshot of Belfry\n"


def test_a_directory_with_data_is_left_alone(start_configured, tmp_path):
    server = serve(start_configured)
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    running = belfry("operator", "snapshot", "restore", f"-config={server.tmp}/belfry.hcl", tmp_path / "a.snapshot")
    assert running.returncode == 2 and "already open" in running.stderr
    assert server.stop() == 0
    stopped = belfry("operator", "snapshot", "restore", f"-config={server.tmp}/belfry.hcl", tmp_path / "a.snapshot")
    assert stopped.returncode == 2 and "holds the data of a server" in stopped.stderr
    inmem = tmp_path / "inmem.hcl"
    inmem.write_text('storage "inmem" {}\nlistener "tcp" {\n  tls_disable = true\n}\n')
    nowhere = belfry("operator", "snapshot", "restore", f"-config={inmem}", tmp_path / "a.snapshot")
    assert nowhere.returncode == 2 and 'it needs storage "rocksdb"' in nowhere.stderr
    without = belfry("operator", "snapshot", "restore", tmp_path / "a.snapshot")
    assert without.returncode == 1 and "-config=PATH" in without.stderr


def test_a_restoration_that_fails_half_way_leaves_no_server_and_can_be_repeated(start_configured, tmp_path):
    server = serve(start_configured)
    for number in range(40):
        assert server.request("PUT", f"team/data/{number}", {"data": {"pad": "x" * 100_000}}).status == 200
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    config = config_of(tmp_path / "new.hcl", tmp_path / "restored")
    failed = belfry("operator", "snapshot", "restore", f"-config={config}", tmp_path / "a.snapshot", wrapper=with_small_files(3 << 20))
    assert failed.returncode == 2 and "disk" in failed.stderr, (failed.returncode, failed.stderr)

    unfinished = start_configured("inmem")
    assert unfinished.stop() == 0
    (unfinished.tmp / "belfry.hcl").write_text(config.read_text())
    unfinished.start()
    assert unfinished.request("GET", "sys/health", token=None).status == 501
    assert unfinished.stop() == 0

    unfinished = belfry("operator", "check", f"-config={config}")
    assert unfinished.returncode == 2 and "a restoration did not end there" in unfinished.stderr
    other_seal = tmp_path / "other.hcl"
    other_seal.write_text(config.read_text() + 'seal "file" {\n  path = "/etc/belfry/seal.key"\n}\n')
    refused = belfry("operator", "snapshot", "restore", f"-config={other_seal}", tmp_path / "a.snapshot")
    assert refused.returncode == 2 and 'is of a server with no seal, and the configuration has seal "file"' in refused.stderr
    new = restored(start_configured, tmp_path / "a.snapshot", server, tmp_path)
    assert len(new.request("LIST", "team/metadata").data["keys"]) == 40


def test_an_answer_that_is_broken_off_replaces_no_file(tmp_path):
    (tmp_path / "a.snapshot").write_text("the one of yesterday")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbelfry snapshot\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = belfry("operator", "snapshot", "save", tmp_path / "a.snapshot", VAULT_TOKEN="t",
                        VAULT_ADDR=f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert result.returncode == 2 and result.stderr, result
    assert (tmp_path / "a.snapshot").read_text() == "the one of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["a.snapshot"]


def test_what_cannot_be_written_is_said(start_configured, tmp_path):
    server = serve(start_configured)
    for name, what in (tmp_path, "is not a regular file"), ("/dev/null", "is not a regular file"), (tmp_path / "no/such", "No such file"):
        result = server.cli("operator", "snapshot", "save", str(name), check=False)
        assert result.returncode == 2 and what in result.stderr, result.stderr


def test_check_reads_all_of_a_data_directory(start_configured, tmp_path):
    server = serve(start_configured)
    config = server.tmp / "belfry.hcl"
    running = belfry("operator", "check", f"-config={config}")
    assert running.returncode == 2 and "already open" in running.stderr
    for number in range(20):
        assert server.request("PUT", f"team/data/{number}", {"data": {"pad": "x" * 100_000}}).status == 200
    assert server.stop() == 0
    whole = belfry("operator", "check", f"-config={config}")
    assert whole.returncode == 0 and table(whole.stdout)["unseal_with"] == "2 of its 3 unseal keys", whole.stderr
    largest = max((path for path in (server.tmp / "data").iterdir() if path.suffix in (".sst", ".log")), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 3] ^= 1
    largest.write_bytes(data)
    damaged = belfry("operator", "check", f"-config={config}")
    assert damaged.returncode == 2 and "damaged" in damaged.stderr, damaged.stderr
    missing = belfry("operator", "check", f"-config={config_of(tmp_path / 'c.hcl', tmp_path / 'nosuch')}")
    assert missing.returncode == 2 and "No such file or directory" in missing.stderr
    assert not (tmp_path / "nosuch").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into another user's directory")
def test_root_writes_nothing_that_the_servers_user_could_not_open(start_configured, tmp_path):
    server = serve(start_configured)
    server.cli("operator", "snapshot", "save", str(tmp_path / "a.snapshot"))
    (tmp_path / "var").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "var/link").symlink_to(tmp_path / "elsewhere")
    os.chown(tmp_path / "var", 65534, 65534)
    for place in "var/data", "var/data/", "var/link", "var/./x/../data":
        config = config_of(tmp_path / "new.hcl", f"{tmp_path}/{place}")
        result = belfry("operator", "snapshot", "restore", f"-config={config}", tmp_path / "a.snapshot")
        assert result.returncode == 2 and "belongs to the user nobody" in result.stderr, result.stderr
    assert not (tmp_path / "var/data").exists() and list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into another user's directory")
def test_root_starts_no_server_in_another_users_data_directory(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    config = config_of(tmp_path / "c.hcl", folder)
    result = belfry("server", f"-config={config}")
    assert result.returncode == 1 and f"{folder} belongs to the user nobody" in result.stderr, result.stderr
    assert "runuser -u nobody -- belfry" in result.stderr and list(folder.iterdir()) == []
