"""A listener with TLS: HTTP and WebSocket on it, certificates that are replaced, clients that need one."""

import http.client
import json
import signal
import ssl
import subprocess

import pytest
from websockets.sync.client import connect

from conftest import BIN, PATIENCE, ConfiguredServer, eventually, servers_to_start


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
