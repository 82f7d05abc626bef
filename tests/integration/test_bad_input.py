"""What a careless or hostile client gets: one clear answer, and a server that goes on."""

import socket

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import PATIENCE

SUBSCRIBE = "sys/events/subscribe/"


def refused(server, event_type, **options):
    with pytest.raises(InvalidStatus) as refusal:
        server.subscribe(event_type, **options)
    return refusal.value.response


def test_a_wrong_token_is_refused_before_the_upgrade(server):
    response = refused(server, "kv*", token="nobody")
    assert response.status_code == 403
    assert b"permission denied" in response.body and b"invalid token" in response.body


def test_a_missing_token_is_refused_before_the_upgrade(server):
    assert refused(server, "kv*", token=None).status_code == 403


def test_an_empty_type_is_400(server):
    response = refused(server, "")
    assert response.status_code == 400
    assert b"did not specify eventType to subscribe to" in response.body


def test_json_maybe_is_400(server):
    response = refused(server, "kv*", query="json=maybe")
    assert response.status_code == 400
    assert b"invalid parameter for JSON: maybe" in response.body


def test_without_an_upgrade_it_is_426(server):
    answer = server.request("GET", SUBSCRIBE + "kv*")
    assert answer.status == 426
    assert "does not contain Upgrade" in answer.text
    assert answer.headers["upgrade"] == "websocket"


def test_a_foreign_origin_is_403(server):
    response = refused(server, "kv*", headers={"Origin": "http://evil.example"})
    assert response.status_code == 403
    assert b"is not authorized for Host" in response.body


def test_a_client_that_sends_data_is_closed_with_1008(server):
    with server.subscribe("kv*") as subscriber:
        subscriber.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            subscriber.recv(timeout=PATIENCE)
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason == "unexpected data message"


def test_malformed_json_is_400(server):
    answer = server.request("PUT", "secret/data/x", raw="{bad")
    assert answer.status == 400
    assert answer.json["errors"]


def test_json_that_is_no_object_is_400(server):
    assert server.request("PUT", "secret/data/x", raw="[1,2]").status == 400


@pytest.mark.parametrize("token, errors", [
    (None, ["permission denied"]),
    ("nobody", ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]),
])
def test_secrets_need_a_token(server, token, errors):
    answer = server.request("GET", "secret/data/x", token=token)
    assert (answer.status, answer.json["errors"]) == (403, errors)


def test_a_path_without_a_mount_is_404(server):
    answer = server.request("GET", "nowhere/x")
    assert answer.status == 404
    assert answer.json["errors"] == ['no handler for route "nowhere/x". route entry not found.']


def test_an_unknown_plugin_is_400(server):
    answer = server.request("POST", "sys/mounts/x", {"type": "nosuch"})
    assert answer.status == 400
    assert answer.json["errors"] == ["plugin not found in the catalog: nosuch"]


def test_rubbish_on_the_port_leaves_the_server_running(server):
    host, port = server.address.split(":")
    for rubbish in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 4096, b"GET " + b"a" * 2_000_000):
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            try:
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass  # Reset is an answer too.
    assert server.request("GET", "sys/health").status == 200
