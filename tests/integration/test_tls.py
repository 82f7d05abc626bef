"""A listener with TLS: HTTP and WebSocket on it, certificates that are replaced, clients that need one."""

import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from websockets.sync.client import connect

from conftest import BIN, PATIENCE, ConfiguredServer, Lines, Server, eventually, servers_to_start


def make_certificate(folder, name):
    """NAME.crt and NAME.key in the folder, for 127.0.0.1, self-signed."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
                   check=True, capture_output=True)


class TlsServer(ConfiguredServer):
    def __init__(self, folder, keys=""):
        self.tmp, self.keys, self.wrapper = folder, [], ()
        make_certificate(folder, "first")
        (folder / "belfry.hcl").write_text(f"""
            storage "inmem" {{}}
            listener "tcp" {{
              address = "127.0.0.1:0"
              tls_cert_file = "{folder}/first.crt"
              tls_key_file = "{folder}/first.key"
              {keys.replace("FOLDER", str(folder))}
            }}""")
        self.start()

    def start(self):
        self._launch([str(BIN / "belfry"), "server", f"-config={self.tmp}/belfry.hcl"])
        self.address = self.out.until(r"Api Address: https://(\S+)").group(1)

    def context(self, client=None, trusted="first"):
        context = ssl.create_default_context(cafile=self.tmp / f"{trusted}.crt")
        if client:
            context.load_cert_chain(self.tmp / f"{client}.crt", self.tmp / f"{client}.key")
        return context

    def request(self, method, path, body=None, token="root", context=None):
        connection = http.client.HTTPSConnection(self.address, timeout=PATIENCE, context=context or self.context())
        headers = {"X-Vault-Token": self.token if token == "root" else token} if token else {}
        try:
            connection.request(method, "/v1/" + path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def serve(self):
        _, made = self.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=None)
        self.token = made["root_token"]
        assert self.request("PUT", "sys/unseal", {"key": made["keys"][0]}, token=None)[1]["sealed"] is False
        assert self.request("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})[0] == 204


@pytest.fixture
def start_tls():
    with servers_to_start(TlsServer) as start:
        yield start


def test_http_and_websocket_share_a_listener_with_tls(start_tls):
    server = start_tls()
    server.serve()
    url = f"wss://{server.address}/v1/sys/events/subscribe/kv*?json=true"
    with connect(url, ssl=server.context(), additional_headers={"X-Vault-Token": server.token}, open_timeout=PATIENCE) as events:
        assert server.request("PUT", "kv/data/a", {"data": {"b": "c"}})[0] == 200
        assert json.loads(events.recv(timeout=PATIENCE))["data"]["event_type"] == "kv-v2/data-write"


def test_a_certificate_is_replaced_without_dropping_subscribers(start_tls):
    server = start_tls()
    server.serve()
    url = f"wss://{server.address}/v1/sys/events/subscribe/kv*?json=true"
    with connect(url, ssl=server.context(), additional_headers={"X-Vault-Token": server.token}, open_timeout=PATIENCE) as events:
        make_certificate(server.tmp, "second")
        for ending in "crt", "key":
            (server.tmp / f"second.{ending}").rename(server.tmp / f"first.{ending}")
        server.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: "configuration reloaded" in server.log_text())
        # What is trusted now is the second one, which is in the first one's place.
        assert server.request("PUT", "kv/data/a", {"data": {"b": "c"}})[0] == 200
        assert json.loads(events.recv(timeout=PATIENCE))["data"]["event_type"] == "kv-v2/data-write"


def test_a_certificate_that_cannot_be_read_leaves_the_old_one(start_tls):
    server = start_tls()
    server.serve()
    context = server.context()
    (server.tmp / "first.crt").write_text("rubbish")
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: "the old one goes on" in server.log_text())
    assert server.request("GET", "sys/health", context=context)[0] == 200


def test_where_clients_need_certificates_only_those_of_the_authority_will_do(start_tls):
    server = start_tls('tls_client_ca_file = "FOLDER/first.crt"\ntls_require_and_verify_client_cert = true')
    make_certificate(server.tmp, "stranger")
    assert server.request("GET", "sys/health", token=None, context=server.context(client="first"))[0] == 501
    for client in (None, "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            server.request("GET", "sys/health", token=None, context=server.context(client=client))


def test_plain_http_is_told_so(start_tls):
    server = start_tls()
    connection = http.client.HTTPConnection(server.address, timeout=PATIENCE)
    connection.request("GET", "/v1/sys/health")
    response = connection.getresponse()
    assert response.status == 400 and b"HTTPS" in response.read()


def client_environment(address, token, **more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BELFRY_"))}
    return clean | {"VAULT_ADDR": f"https://{address}", "VAULT_TOKEN": token} | {name: str(value) for name, value in more.items()}


def belfry(server, *arguments, **environment):
    return subprocess.run([str(BIN / "belfry"), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                          env=client_environment(server.address, getattr(server, "token", ""), **environment))


def test_the_command_line_speaks_tls(start_tls):
    server = start_tls()
    server.serve()
    authority = server.tmp / "first.crt"
    put = belfry(server, "kv", "put", "-ca-cert", authority, "kv/a", "b=c")
    assert put.returncode == 0, put.stderr
    for trusted in ({"VAULT_CACERT": authority}, {"BELFRY_CACERT": authority, "VAULT_CACERT": "/nowhere"},
                    {"VAULT_CACERT_BYTES": authority.read_text()}, {"VAULT_SKIP_VERIFY": "true"}):
        assert belfry(server, "kv", "get", "-field=b", "kv/a", **trusted).stdout == "c"
    folder = server.tmp / "authorities"
    folder.mkdir()
    (folder / "first.pem").write_bytes(authority.read_bytes())
    status = belfry(server, "status", "-ca-path", folder)
    assert status.returncode == 0 and "Sealed" in status.stdout
    assert belfry(server, "status", "-tls-skip-verify").returncode == 0
    down = belfry(server, "operator", "step-down", VAULT_CACERT=authority)
    assert down.stdout == f"Success! Stepped down: https://{server.address}\n"


def test_events_arrive_over_tls(start_tls):
    server = start_tls()
    server.serve()
    with subprocess.Popen([str(BIN / "belfry"), "events", "subscribe", "kv*"], stdout=subprocess.PIPE, text=True,
                          env=client_environment(server.address, server.token, VAULT_CACERT=server.tmp / "first.crt")) as events:
        lines = Lines(events.stdout)
        # Subscribed at some moment: writes until one is seen.
        seen = []
        threading.Thread(target=lambda: seen.append(lines.next()), daemon=True).start()
        assert eventually(lambda: server.request("PUT", "kv/data/a", {"data": {"b": "c"}})[0] == 200 and seen)
        assert json.loads(seen[0])["data"]["event_type"] == "kv-v2/data-write"
        server.stop()
        assert events.wait(timeout=PATIENCE) == 1


def test_an_authority_that_is_unknown_gets_no_token(tmp_path):
    make_certificate(tmp_path, "first")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "first.crt", tmp_path / "first.key")
    received = []

    def serve(listener):
        for _ in range(2):
            connection = listener.accept()[0]
            try:
                with context.wrap_socket(connection, server_side=True) as encrypted:
                    received.append(encrypted.recv(65536))
            except OSError as error:
                received.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = threading.Thread(target=serve, args=(listener,), daemon=True)
        served.start()
        for command in ("kv", "put", "kv/a", "b=c"), ("events", "subscribe", "kv*"):
            refused = subprocess.run([str(BIN / "belfry"), *command], capture_output=True, text=True, timeout=PATIENCE,
                                     env=client_environment(f"127.0.0.1:{listener.getsockname()[1]}", "s3cret"))
            assert refused.returncode == 2 and refused.stderr.count("\n") == 1
            assert "is signed by an unknown authority" in refused.stderr and "set VAULT_CACERT or -ca-cert" in refused.stderr
        served.join(PATIENCE)
    assert len(received) == 2 and all(isinstance(what, ssl.SSLError) or not what for what in received), received


def test_the_command_line_shows_its_certificate(start_tls):
    server = start_tls('tls_client_ca_file = "FOLDER/first.crt"\ntls_require_and_verify_client_cert = true')
    make_certificate(server.tmp, "stranger")
    first, stranger = (dict(VAULT_CACERT=server.tmp / "first.crt", VAULT_CLIENT_CERT=server.tmp / f"{name}.crt",
                            VAULT_CLIENT_KEY=server.tmp / f"{name}.key") for name in ("first", "stranger"))
    assert belfry(server, "status", **first).returncode == 2  # Sealed.
    without = belfry(server, "status", VAULT_CACERT=server.tmp / "first.crt")
    assert without.returncode == 1 and "client certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY" in without.stderr
    refused = belfry(server, "status", **stranger)
    assert refused.returncode == 1 and "refuses the client certificate" in refused.stderr
    alone = belfry(server, "status", "-client-cert", server.tmp / "first.crt")
    assert alone.returncode == 1 and "it needs its key: set VAULT_CLIENT_KEY or -client-key" in alone.stderr


def test_the_wrong_scheme_is_told_with_the_right_one(start_tls, server):
    secure = start_tls()
    plain = belfry(secure, "status", "-address", f"http://{secure.address}")
    assert plain.returncode == 1 and f"the server speaks TLS: use https://{secure.address}" in plain.stderr
    encrypted = belfry(server, "status")
    assert encrypted.returncode == 1 and f"speaks no TLS: use http://{server.address}" in encrypted.stderr


def test_one_server_listens_with_tls_and_without(start_tls):
    server = start_tls()
    server.serve()
    config = server.tmp / "belfry.hcl"
    config.write_text(config.read_text() + 'listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n')
    assert server.stop() == 0
    server.start()
    plain = server.out.until(r'Listener 2: tcp \(addr: "([^"]+)", tls: "disabled"\)').group(1)
    assert server.request("GET", "sys/health", token=None)[0] == 501
    connection = http.client.HTTPConnection(plain, timeout=PATIENCE)
    connection.request("GET", "/v1/sys/seal-status")
    assert connection.getresponse().status == 200
    connection.close()


class DevTlsServer(Server):
    """`belfry server -dev-tls`."""

    def __init__(self, folder, *flags):
        self.tmp = folder
        self._launch([str(BIN / "belfry"), "server", "-dev-tls", f"-dev-root-token-id={self.token}", "-dev-listen-address=127.0.0.1:0", *flags])
        self.address = self.out.until(r"export VAULT_ADDR='https://([^']+)'").group(1)
        self.authority = pathlib.Path(self.out.until(r"export VAULT_CACERT='([^']+)'").group(1))
        self.out.until(r"Root Token: root")

    def cli(self, *arguments, **environment):
        return subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True, timeout=PATIENCE,
                              env=dict(os.environ, VAULT_ADDR=f"https://{self.address}", VAULT_TOKEN="root",
                                       VAULT_CACERT=str(self.authority)) | environment)


@pytest.fixture
def start_dev_tls():
    with servers_to_start(DevTlsServer) as start:
        yield start


def test_dev_mode_with_tls_is_what_it_says_and_leaves_nothing(start_dev_tls):
    server = start_dev_tls("-dev-tls-san=vault.example", "-dev-tls-san=10.1.2.3")
    assert server.cli("kv", "put", "secret/a", "b=c").returncode == 0
    for name in "vault.example", "10.1.2.3", "localhost":
        assert server.cli("kv", "get", "secret/a", VAULT_TLS_SERVER_NAME=name).returncode == 0, name
    assert server.cli("status", VAULT_TLS_SERVER_NAME="other.example").returncode == 1
    assert server.cli("status", VAULT_CACERT="").returncode == 1
    folder = server.authority.parent
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "vault-ca.pem": 0o600, "vault-cert.pem": 0o600, "vault-key.pem": 0o600}
    assert server.stop() == 0
    assert not folder.exists()


def test_the_certificates_of_dev_mode_go_where_they_are_asked_for(start_dev_tls, tmp_path):
    server = start_dev_tls(f"-dev-tls-cert-dir={tmp_path}")
    assert server.authority == tmp_path / "vault-ca.pem"
    assert server.stop() == 0
    assert list(tmp_path.iterdir()) == []
    for flags, said in (["-dev-tls", f"-dev-tls-cert-dir={tmp_path}/no"], "cannot write"), (["-dev-tls", "-dev-tls-san=a b"], "neither a host name"), \
            (["-dev", "-dev-tls-san=a"], "need -dev-tls"), (["-config=x", "-dev-tls"], "cannot be given together"):
        refused = subprocess.run([str(BIN / "belfry"), "server", *flags], capture_output=True, text=True, timeout=PATIENCE)
        assert refused.returncode == 1 and said in refused.stderr, refused.stderr
