"""The real binaries, driven from outside by clients that the project did not write.

BELFRY_BIN names the folder with `belfry` and `plugins/`; `./dev test` sets it.
"""

import contextlib
import functools
import http.client
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from websockets.sync.client import connect

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("BELFRY_BIN", ROOT / "build/dev/bin"))
# Sanitizers make everything slower; a deadline is only there so that a hang becomes a failure.
PATIENCE = float(os.environ.get("BELFRY_TEST_PATIENCE", "60"))


class Lines:
    """What a process prints, line by line, with a deadline instead of a hang."""

    def __init__(self, stream):
        self.seen = []
        self._queue = queue.Queue()
        threading.Thread(target=self._pump, args=(stream,), daemon=True).start()

    def _pump(self, stream):
        for line in stream:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def next(self, timeout=PATIENCE):
        try:
            line = self._queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no further line within {timeout} s after: {self.seen[-5:]}") from None
        if line is not None:
            self.seen.append(line)
        return line

    def until(self, pattern, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            line = self.next(max(0.01, deadline - time.monotonic()))
            if line is None:
                raise AssertionError(f"ended without {pattern!r}: {self.seen[-20:]}")
            match = re.search(pattern, line)
            if match:
                return match


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def data(self):
        return self.json["data"]


class Server:
    """`belfry server -dev` as a user starts it, on a free port."""

    token = "root"

    def __init__(self, tmp_path, *flags, plugin_dir=None, wrapper=()):
        self.tmp = tmp_path
        arguments = [*wrapper, str(BIN / "belfry"), "server", "-dev", f"-dev-root-token-id={self.token}",
                     "-dev-listen-address=127.0.0.1:0", *flags]
        if plugin_dir:
            arguments.append(f"-dev-plugin-dir={plugin_dir}")
        self._launch(arguments)
        self.address = self.out.until(r"export VAULT_ADDR='http://([^']+)'").group(1)
        self.out.until(r"Root Token: root")

    def _launch(self, arguments):
        self.log = open(self.tmp / "server.log", "a")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=dict(os.environ, TMPDIR=str(self.tmp)))
        self.out = Lines(self.process.stdout)

    def request(self, method, path, body=None, token="root", headers=None, raw=None):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("X-Vault-Token", token)
        payload = raw if raw is not None else (json.dumps(body) if body is not None else None)
        try:
            connection.request(method, "/v1/" + path, body=payload, headers=sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def patch(self, path, body):
        return self.request("PATCH", path, body, headers={"Content-Type": "application/merge-patch+json"})

    def subscribe(self, event_type, query="json=true", token="root", **options):
        headers = {"X-Vault-Token": token} if token is not None else {}
        headers.update(options.pop("headers", {}))
        suffix = f"?{query}" if query else ""
        return connect(f"ws://{self.address}/v1/sys/events/subscribe/{event_type}{suffix}",
                       additional_headers=headers, open_timeout=PATIENCE, compression=None, **options)

    def plugins(self):
        """Process ids of the plugins, by following parents: whoever descends from the server."""
        return [pid for pid, name in descendants(self.process.pid) if name.startswith("belfry-")]

    def sockets(self):
        return [p for p in self.tmp.rglob("*") if p.is_socket()]

    def cli(self, *arguments, check=True, **options):
        environment = dict(os.environ, VAULT_ADDR=f"http://{self.address}", VAULT_TOKEN=self.token)
        result = subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True,
                                env=environment, timeout=PATIENCE, **options)
        if check:
            assert result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE)
        self.log.close()
        return code

    def log_text(self):
        self.log.flush()
        return (self.tmp / "server.log").read_text()


class ConfiguredServer(Server):
    """`belfry server -config=FILE`, on a free port, over a storage that is empty at first."""

    def __init__(self, folder, storage="rocksdb", settings="", plugin_dir=None, wrapper=()):
        self.tmp, self.wrapper = folder, wrapper
        self.keys = []
        config = 'listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n'
        config += f'storage "rocksdb" {{\n  path = "{folder}/data"\n}}\n' if storage == "rocksdb" else 'storage "inmem" {}\n'
        if plugin_dir:
            config += f'plugin_directory = "{plugin_dir}"\n'
        (folder / "belfry.hcl").write_text(config + settings)
        self.start()

    def start(self):
        self._launch([*self.wrapper, str(BIN / "belfry"), "server", f"-config={self.tmp}/belfry.hcl"])
        self.address = self.out.until(r"Api Address: http://(\S+)").group(1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def initialize(self, shares=1, threshold=1):
        made = self.request("PUT", "sys/init", {"secret_shares": shares, "secret_threshold": threshold}, token=None).json
        self.keys, self.token = made["keys"][:threshold], made["root_token"]

    def unseal(self):
        for key in self.keys:
            answer = self.request("PUT", "sys/unseal", {"key": key}, token=None)
        assert not answer.json["sealed"], answer.text

    def request(self, method, path, body=None, token="root", **options):
        return super().request(method, path, body, token=self.token if token == "root" else token, **options)


def unread_bytes(server, connection):
    """How much of what was sent on this connection the server has not read yet; None before it is connected."""
    client, port = connection.sock.getsockname()[1], int(server.address.rpartition(":")[2])
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if int(local.split(":")[1], 16) == port and int(remote.split(":")[1], 16) == client:
            return int(queues.split(":")[1], 16)
    return None


class RawSubscriber:
    """Subscribes to everything and reads a frame when it is told to; until then the network may fill. `window` in bytes makes it fill soon."""

    def __init__(self, server, token, window=None, after=None):
        host, port = server.address.split(":")
        self._socket = socket.socket()
        if window:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((host, int(port)))
        self._socket.sendall(f"GET /v1/sys/events/subscribe/*?json=true{f'&after={after}' if after else ''} HTTP/1.1\r\nHost: {server.address}\r\n"
                             f"X-Vault-Token: {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        self._file = self._socket.makefile("rb", buffering=1 << 16)
        status = self._file.readline()
        assert status.startswith(b"HTTP/1.1 101 "), status
        while self._file.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self._socket.close()

    def frame(self):
        """Opcode and payload of the next frame."""
        first, size = self._bytes(2)
        if size == 126:
            size = int.from_bytes(self._bytes(2), "big")
        elif size == 127:
            size = int.from_bytes(self._bytes(8), "big")
        return first & 15, self._bytes(size)

    def _bytes(self, count):
        taken = self._file.read(count)
        if len(taken) < count:
            raise EOFError("the connection ended without a close frame")
        return taken


def number_of(payload):
    """Of an event that the emitter was told to number."""
    begin = payload.index(b'"number":"') + 10
    return int(payload[begin:payload.index(b'"', begin)])


def descendants(pid):
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text()
            name = stat[stat.index("(") + 1:stat.rindex(")")]
            state, parent = stat[stat.rindex(")") + 2:].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append((int(entry.name), name))
    found, open_ = [], [pid]
    while open_:
        for child in children.get(open_.pop(), []):
            found.append(child)
            open_.append(child[0])
    return found


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"


def eventually(condition, timeout=PATIENCE):
    """Polls something outside our reach (another process, a file) that has no line to wait for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def put_plugin(folder, program, name=None):
    """A plugin of the build in a plugin directory. No symbolic link: those that leave the directory are refused."""
    path = pathlib.Path(folder) / (name or program.removeprefix("belfry-"))
    source = next(p for p in (BIN / "test-plugins" / program, BIN / "plugins" / program) if p.exists())
    try:
        os.link(source, path)
    except OSError:
        shutil.copy(source, path)
    return path


def with_small_files(most_bytes):
    """A wrapper of a command whose files cannot grow beyond that, as if the disk were full."""
    return [sys.executable, "-c", f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))
os.execv(sys.argv[1], sys.argv[1:])
"""]


@contextlib.contextmanager
def servers_to_start(kind=Server):
    servers = []

    def start(*flags, **options):
        # Socket paths are limited to 107 bytes, and pytest's own folders are long.
        folder = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/belfry-test.XXXXXX"], text=True).strip())
        server = kind(folder, *flags, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        left = server.plugins() if server.process.poll() is None else []
        code = server.stop()
        text = (server.tmp / "server.log").read_text()
        shutil.rmtree(server.tmp, ignore_errors=True)
        assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, text[-8000:]
        assert "WARNING: ThreadSanitizer" not in text, text[-8000:]
        assert code in (0, -signal.SIGKILL), f"server ended with {code}: {text[-4000:]}"
        assert eventually(lambda: not any(alive(pid) for pid in left)), "a plugin outlived its host"


@pytest.fixture
def start_server():
    with servers_to_start() as start:
        yield start


@pytest.fixture
def start_configured():
    with servers_to_start(ConfiguredServer) as start:
        yield start


@pytest.fixture(scope="module")
def module_servers():
    """The same for a server that all tests of a module share."""
    with servers_to_start() as start:
        yield start


@pytest.fixture
def server(start_server):
    return start_server()


@functools.cache
def built_kv(version):
    """A folder with HashiCorp's kv plugin as `go-kv`, built from its released module."""
    go = os.environ.get("BELFRY_GO") or shutil.which("go")
    if not go:
        pytest.skip("needs Go 1.26 (`./dev test` looks for it)")
    folder = ROOT / "build/interop" / version
    program = "github.com/hashicorp/vault-plugin-secrets-kv/cmd/vault-plugin-secrets-kv"
    subprocess.run([go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", folder / "go-kv", program],
                   cwd=ROOT / "tests/interop/kv" / version, check=True)
    return folder


@pytest.fixture(scope="session")
def event_received(tmp_path_factory):
    """The class logical.EventReceived, generated by protoc and run by the protobuf package of PyPI."""
    out = tmp_path_factory.mktemp("proto")
    subprocess.run(["protoc", f"-I{ROOT}", f"--python_out={out}", "proto/vault/event.proto"], check=True, cwd=ROOT)
    sys.path.insert(0, str(out))
    from proto.vault import event_pb2
    return event_pb2.EventReceived


def golden_events():
    lines = (ROOT / "tests/golden/events-vault-1.15.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
