"""One reading of the bytes of a connection: where another reader could see another request, the answer is an error and the connection ends."""

import contextlib
import email.utils
import json
import re
import socket
import subprocess
import time

import pytest
from websockets.exceptions import InvalidStatus

from conftest import BIN, PATIENCE

HOST = "Host: localhost\r\nX-Vault-Token: root\r\n"
# As the body of another: it must never be carried out.
SMUGGLED = "PUT /v1/sys/policies/acl/smuggled HTTP/1.1\r\n" + HOST + 'Content-Length: 13\r\n\r\n{"policy":""}'
CHUNKED = f"{len(SMUGGLED):x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
UPGRADE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


@pytest.fixture(scope="module")
def server(module_servers):
    return module_servers()


@contextlib.contextmanager
def connected(server):
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        yield connection


def head_of(file):
    """Status and headers of the next answer; None when the connection has ended."""
    status = file.readline()
    if not status:
        return None
    headers = email.message_from_bytes(b"".join(iter(file.readline, b"\r\n")))
    return int(status.split()[1]), headers


def answers_of(connection, bodiless=()):
    """All answers until the server ends the connection: status, headers, body."""
    answers = []
    with connection.makefile("rb") as file:
        while head := head_of(file):
            status, headers = head
            body = file.read(int(headers["Content-Length"] or 0)) if status not in bodiless else b""
            answers.append((status, headers, body))
    return answers


def sent(server, text):
    """The answers to these bytes, once the server has ended the connection."""
    with connected(server) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode())
        return answers_of(connection)


def refused(server, text, status):
    """The one answer, after which the connection ends though the client would go on."""
    answers = sent(server, text)
    assert [answer[0] for answer in answers] == [status], answers
    _, headers, body = answers[0]
    assert headers["Connection"] == "close"
    errors = json.loads(body)["errors"]
    assert errors and isinstance(errors[0], str)
    return errors[0]


def nothing_smuggled(server):
    return server.request("GET", "sys/policies/acl/smuggled").status == 404


@pytest.mark.parametrize("encoding", ["xchunked", "chunked, identity", "chunked, gzip", "gzip, chunked", '"chunked"', "identity", "",
                                      "chunked;q=1", "chunked,", ",chunked", "chunked chunked", "chunked\x0b", "\xa0chunked"])
def test_only_chunked_is_a_transfer_encoding(server, encoding):
    request = f"POST /v1/sys/capabilities-self HTTP/1.1\r\n{HOST}Transfer-Encoding: {encoding}\r\n\r\n"
    answers = sent(server, (request + SMUGGLED).encode("latin-1"))
    assert [answer[0] for answer in answers] in ([501], [400]), answers
    assert answers[0][1]["Connection"] == "close"
    assert nothing_smuggled(server)


@pytest.mark.parametrize("fields, status", [
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", 400),
    ("Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", 400),
    ("Content-Length: 0\r\nContent-Length: 5\r\n", 400),
    ("Content-Length: 0\r\nContent-Length: 0\r\n", 400),
    ("Content-Length: 0, 0\r\n", 400),
    ("Content-Length: 0,\r\n", 400),
    ("Content-Length: +0\r\n", 400),
    ("Content-Length: -1\r\n", 400),
    ("Content-Length: 0x0\r\n", 400),
    ("Content-Length: \r\n", 400),
    ("Content-Length: 99999999999999999999999\r\n", 400),
    ("Content-Length : 0\r\n", 400),
    ("Transfer-Encoding : chunked\r\n", 400),
    ("Transfer-Encoding\t: chunked\r\n", 400),
    ("X: a\rContent-Length: 0\r\n", 400),
    ("X: a\nContent-Length: 0\r\n", 400),
    ("X: a\0b\r\n", 400),
    ("No colon\r\n", 400),
    (": no name\r\n", 400),
    ("Host: other\r\n", 400),
    ("Content-Length:\r\n 2\r\n", 400),
    ("Transfer-Encoding:\r\n chunked\r\n", 400),
    ("X: a\r\n b\r\n", 400),
    ("X: a\r\n\tContent-Length: 5\r\n", 400),
    ("X: a\r\n \r\n", 400),
    ("X:\r\n \r\n", 400),
])
def test_ambiguous_framing_ends_the_connection(server, fields, status):
    refused(server, f"POST /v1/sys/capabilities-self HTTP/1.1\r\n{HOST}{fields}\r\n{SMUGGLED}", status)
    assert nothing_smuggled(server)


@pytest.mark.parametrize("chunk", ["x\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5\nhello\r\n", "5\r\nhelloo\r\n", "5\r\nhello\n",
                                   "fffffffffffffffff\r\n", " 5\r\nhello\r\n", "\r\n", "0\r\nX: a\r\n b\r\n\r\n"])
def test_a_broken_chunk_ends_the_connection(server, chunk):
    refused(server, f"POST /v1/sys/capabilities-self HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n{SMUGGLED}", 400)
    assert nothing_smuggled(server)


@pytest.mark.parametrize("line", ["GET /v1/sys/health\r\n", "GET /v1/sys/health HTTP/9.9\r\n", "GET  /v1/sys/health HTTP/1.1\r\n",
                                  "GET /v1/sys/health HTTP/1.1\n", "GET /v1/sys/health HTTP/1.1\r", "GET\t/v1/sys/health HTTP/1.1\r\n",
                                  "G\0T /v1/sys/health HTTP/1.1\r\n", "GET v1/sys/health HTTP/1.1\r\n"])
def test_a_broken_first_line_ends_the_connection(server, line):
    refused(server, f"{line}{HOST}\r\n{SMUGGLED}", 400)
    assert nothing_smuggled(server)


def test_http_1_0_has_no_chunked_body(server):
    refused(server, f"POST /v1/sys/capabilities-self HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{CHUNKED}", 400)
    assert nothing_smuggled(server)


def test_a_chunked_body_may_have_any_case_and_extensions(server):
    body = '{"paths":["secret/data/a"]}'
    request = (f"POST /v1/sys/capabilities-self HTTP/1.1\r\n{HOST}Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n"
               f"{len(body):x};name=value\r\n{body}\r\n0\r\n\r\n")
    [(status, _, answer)] = sent(server, request)
    assert (status, json.loads(answer)["data"]["capabilities"]) == (200, ["root"])


@pytest.mark.parametrize("trailer", ["X-Vault-Token: root\r\n", "Authorization: Bearer root\r\n"])
def test_a_token_in_the_trailers_is_no_token(server, trailer):
    request = ("PUT /v1/sys/policies/acl/trailing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               'd\r\n{"policy":""}\r\n0\r\n' + trailer + "\r\n")
    [(status, _, _)] = sent(server, request)
    assert status == 403
    assert server.request("GET", "sys/policies/acl/trailing").status == 404


def test_a_host_in_the_trailers_is_no_host(server):
    refused(server, "PUT /v1/sys/policies/acl/trailing HTTP/1.1\r\nX-Vault-Token: root\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0\r\nHost: localhost\r\n\r\n", 400)


def test_an_upgrade_in_the_trailers_is_no_upgrade(server):
    [(status, _, _)] = sent(server, f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n{UPGRADE}\r\n"
                                    f"GET /v1/sys/health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")[:1]
    assert status == 426


@pytest.mark.parametrize("trailer", ["X-Vault-Namespace: other\r\n", "X-Vault-Wrap-TTL: 60s\r\n", "Content-Type: text/plain\r\n",
                                     "Connection: close\r\n", "X-Http-Method-Override: DELETE\r\n"])
def test_trailers_change_nothing(server, trailer):
    body = '{"paths":["secret/data/a"]}'
    request = (f"POST /v1/sys/capabilities-self HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
               f"{len(body):x}\r\n{body}\r\n0\r\n{trailer}\r\n")
    answers = sent(server, request + f"GET /v1/sys/health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
    assert [answer[0] for answer in answers] == [200, 200]


@pytest.mark.parametrize("body", ["Content-Length: 2\r\n\r\n{}", "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
                                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", f"Transfer-Encoding: chunked\r\n\r\n{CHUNKED}"])
def test_an_upgrade_has_no_body(server, body):
    text = refused(server, f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}{UPGRADE}{body}", 400)
    assert text == "a WebSocket upgrade must not have a body"
    assert nothing_smuggled(server)


def test_an_upgrade_may_say_that_it_has_no_body(server):
    with connected(server) as connection, connection.makefile("rb") as file:
        connection.sendall(f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}{UPGRADE}Content-Length: 0\r\n\r\n".encode())
        assert head_of(file)[0] == 101


# As the header of a body that is never sent.
LARGE = ["Content-Length: 1000000\r\n\r\n", "Content-Length: 65537\r\n\r\n", "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
         "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
         "Transfer-Encoding: chunked\r\n\r\n" + f"1000\r\n{'x' * 4096}\r\n" * 17]


def head_of_write(path, token, body=""):
    header = f"X-Vault-Token: {token}\r\n" if token else ""
    return f"PUT /v1/{path} HTTP/1.1\r\nHost: localhost\r\n{header}{body}"


def token_with(server, name, policy, **options):
    """One that has asked before, so that its rules are known."""
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": policy}).status == 204
    token = server.request("POST", "auth/token/create", {"policies": [name], **options}).json["auth"]["client_token"]
    if not options:
        assert server.request("GET", "auth/token/lookup-self", token=token).status == 200
    return token


@pytest.mark.parametrize("body", LARGE, ids=range(len(LARGE)))
@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_body_is_not_awaited_from_nobody(server, body, token):
    assert "permission denied" in refused(server, head_of_write("secret/data/a", token, body), 403)


@pytest.mark.parametrize("body", LARGE, ids=range(len(LARGE)))
@pytest.mark.parametrize("path", ["secret/data/a", "sys/policies/acl/a"])
def test_a_body_is_not_awaited_from_a_token_that_may_not_write(server, body, path):
    token = token_with(server, "reader", 'path "secret/*" { capabilities = ["read"] }')
    assert "permission denied" in refused(server, head_of_write(path, token, body), 403)


def test_a_body_above_the_bound_of_its_endpoint_is_not_awaited(server):
    bounded = token_with(server, "bounded", 'path "secret/*" { capabilities = ["create", "update"]\n'
                         'denied_parameters = { "x" = [] } }')
    for path, token in (("sys/policies/acl/a", "root"), ("secret/data/a", bounded)):
        for body in ("Content-Length: 4194305\r\n\r\n", "Content-Length: 4194305\r\nExpect: 100-continue\r\n\r\n",
                     "Transfer-Encoding: chunked\r\n\r\n400001\r\nx"):
            assert "request body too large" in refused(server, head_of_write(path, token, body), 413)


def test_what_follows_a_body_that_is_not_read_is_no_request(server):
    refused(server, head_of_write("secret/data/a", None, f"Content-Length: 1000000\r\n\r\n{SMUGGLED}"), 403)
    assert nothing_smuggled(server)


def test_an_expectation_of_who_may_write_is_met(server):
    body = json.dumps({"data": {"a": "x" * 100_000}}).encode()
    with connected(server) as connection, connection.makefile("rb") as file:
        connection.sendall(head_of_write("secret/data/expected", "root", f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
        assert head_of(file)[0] == 100
        connection.sendall(body)
        assert head_of(file)[0] == 200


def test_looking_before_the_body_spends_no_use(server):
    token = token_with(server, "writer", 'path "secret/*" { capabilities = ["create", "update"] }', num_uses=2)
    large = {"data": {"a": "x" * 300_000}}
    assert [server.request("PUT", "secret/data/used", large, token=token).status for _ in range(2)] == [200, 200]
    refused(server, head_of_write("secret/data/used", token, LARGE[0]), 403)


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 131_072, 900_000])
def test_a_field_that_is_too_long_is_431(server, size):
    text = refused(server, f"GET /v1/sys/health HTTP/1.1\r\n{HOST}X-Big: {'a' * size}\r\n\r\n", 431)
    assert text == "request header fields too large"
    assert "a connection's handler failed" not in server.log_text()


def test_a_field_name_that_is_too_long_is_431(server):
    refused(server, f"GET /v1/sys/health HTTP/1.1\r\n{HOST}{'a' * 70_000}: x\r\n\r\n", 431)


def test_headers_that_are_too_long_together_are_431(server):
    refused(server, f"GET /v1/sys/health HTTP/1.1\r\n{HOST}" + "".join(f"X-{n}: {'a' * 50_000}\r\n" for n in range(30)) + "\r\n", 431)


def test_too_many_fields_are_431(server):
    refused(server, f"GET /v1/sys/health HTTP/1.1\r\n{HOST}" + "a:b\r\n" * 10_001 + "\r\n", 431)


def test_a_field_of_sixty_thousand_bytes_is_taken(server):
    assert server.request("GET", "sys/health", headers={"X-Big": "a" * 60_000}).status == 200


def date_of(headers):
    """Of an IMF-fixdate, in seconds."""
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT",
                        headers["Date"]), headers["Date"]
    return email.utils.parsedate_to_datetime(headers["Date"]).timestamp()


@pytest.mark.parametrize("request_text", [
    f"GET /v1/sys/health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    f"GET /v1/sys/health HTTP/1.0\r\n{HOST}\r\n",
    f"HEAD /v1/sys/health HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    f"GET /v1/nowhere/x HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    f"DELETE /v1/sys/policies/acl/none HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    "rubbish\r\n\r\n",
    f"GET /v1/sys/health HTTP/1.1\r\n{HOST}X-Big: {'a' * 70_000}\r\n\r\n",
    f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}{UPGRADE}\r\n",
], ids=["health", "http-1.0", "head", "404", "204", "426", "400", "431", "101"])
def test_every_answer_has_one_date(server, request_text):
    begin = int(time.time())
    with connected(server) as connection, connection.makefile("rb") as file:
        connection.sendall(request_text.encode())
        _, headers = head_of(file)
    assert len(headers.get_all("Date")) == 1
    assert begin <= date_of(headers) <= time.time()


WRAPPED = [("GET", "secret/data/wrapped", None), ("POST", "auth/token/create", {"policies": ["limited"]}), ("LIST", "secret/metadata", None),
           ("PUT", "cubbyhole/x", {"a": "b"}), ("GET", "sys/mounts", None), ("DELETE", "secret/data/wrapped", None)]


@pytest.mark.parametrize("method, path, body", WRAPPED)
@pytest.mark.parametrize("ttl, error", [
    ("60s", "response wrapping is not supported by this server"), ("60", "response wrapping is not supported by this server"),
    ("1h", "response wrapping is not supported by this server"), ("abc", 'error parsing X-Vault-Wrap-TTL header: time: invalid duration "abc"'),
    ("-5", "error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative"),
])
def test_what_is_to_be_wrapped_is_not_sent_in_the_clear(server, method, path, body, ttl, error):
    assert server.request("PUT", "secret/data/wrapped", {"data": {"password": "in the clear"}}).status == 200
    before = server.request("LIST", "auth/token/accessors").data["keys"]
    answer = server.request(method, path, body, headers={"X-Vault-Wrap-TTL": ttl})
    assert answer.status == 400
    assert answer.json["errors"][0].startswith(error)
    # Nothing was done that the client would not learn of.
    assert server.request("LIST", "auth/token/accessors").data["keys"] == before
    assert server.request("GET", "secret/data/wrapped").data["data"] == {"password": "in the clear"}


@pytest.mark.parametrize("ttl", ["0", "0s", ""])
def test_no_wrapping_is_no_wrapping(server, ttl):
    assert server.request("PUT", "secret/data/wrapped", {"data": {"a": "b"}}).status == 200
    assert server.request("GET", "secret/data/wrapped", headers={"X-Vault-Wrap-TTL": ttl}).data["data"] == {"a": "b"}


def test_the_state_of_the_server_is_told_whatever_is_to_be_wrapped(server):
    assert server.request("GET", "sys/health", token=None, headers={"X-Vault-Wrap-TTL": "60"}).status == 200


@pytest.mark.parametrize("ttl", ["60s", "abc"])
def test_a_subscription_cannot_be_wrapped(server, ttl):
    with pytest.raises(InvalidStatus) as refusal:
        server.subscribe("kv*", headers={"X-Vault-Wrap-TTL": ttl})
    assert refusal.value.response.status_code == 400


def masked(opcode, payload, mask=b"\1\2\3\4"):
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def close_code(server, frame):
    """The code that a subscription is closed with after this frame; None when the close has none."""
    with connected(server) as connection, connection.makefile("rb") as file:
        connection.sendall(f"GET /v1/sys/events/subscribe/kv* HTTP/1.1\r\n{HOST}{UPGRADE}\r\n".encode())
        assert head_of(file)[0] == 101
        connection.sendall(frame)
        opcode, size = file.read(2)
        assert opcode == 0x88, hex(opcode)
        payload = file.read(size)
        return int.from_bytes(payload[:2], "big") if payload else None


@pytest.mark.parametrize("payload, code", [
    (b"", None),
    (b"\x03\xe8", 1000),
    (b"\x03\xe9gr\xc3\xbc\xc3\x9fe", 1001),
    (b"\x0f\xa0", 4000),
    (b"\x03\xe8\xff", 1007),
    (b"\x03\xe8ok\xc3", 1007),
    (b"\x03\xe8\xed\xa0\x80", 1007),
    (b"\x03\xe8\xc0\x80", 1007),
    (b"\x03", 1002),
    (b"\x00\x00", 1002),
    (b"\x03\xec", 1002),
    (b"\x03\xed", 1002),
    (b"\x03\xee", 1002),
    (b"\x03\xf7", 1002),
    (b"\x07\xcf", 1002),
    (b"\x0b\xb7", 1002),
    (b"\x13\x88", 1002),
    (b"\xff\xff", 1002),
])
def test_a_close_is_answered_with_the_code_that_it_deserves(server, payload, code):
    assert close_code(server, masked(8, payload)) == code


@pytest.mark.parametrize("frame", [
    b"\x88\x00",                                        # Not masked.
    b"\x89\x02hi",
    b"\x81\x02hi",
    b"\x08\x80\1\2\3\4",                                # A close in pieces.
    b"\xc1\x80\1\2\3\4",                                # A reserved bit.
    b"\x83\x80\1\2\3\4",                                # A reserved opcode.
    b"\x8b\x80\1\2\3\4",
    b"\x88\xfe\x00\x7e\1\2\3\4",                        # A control frame of 126 bytes.
    b"\x82\xfe\x00\x05\1\2\3\4",                        # Lengths that are written longer than they need be.
    b"\x82\xff\0\0\0\0\0\0\xff\xff\1\2\3\4",
    b"\x82\xff\x80\0\0\0\0\0\0\0\1\2\3\4",              # And one beyond 2^63.
])
def test_a_malformed_frame_is_closed_with_1002(server, frame):
    assert close_code(server, frame) == 1002


@pytest.mark.parametrize("body, place", [
    (b'{"data":{"x":"\xff"}}', 14),
    (b'{"data":{"x":"abc\xe2\x82"}}', 17),
    (b'{"data":{"x":"\xed\xa0\x80"}}', 14),
    (b'{"data":{"\xc0\x80":"x"}}', 10),
    (b'{"data":{"x":"' + b"a" * 5000 + b'\xf5\x80\x80\x80"}}', 5014),
    (b'{"data":{"x":"\xe2\x82', 14),
    (b'{"data":{"x":"\\ud800"}}', 14),
    (b'{"data":{"x":"a\\udc00"}}', 15),
    (b'{"data":{"x":"\\ud800\\u0041"}}', 14),
    (b'{"data":{"x":"\\\\\\ud800abc"}}', 16),
])
def test_a_body_that_is_not_utf8_says_where(server, body, place):
    answer = server.request("PUT", "secret/data/binary", raw=body)
    assert answer.status == 400
    assert re.search(rf"not UTF-8 at byte {place}\b", answer.json["errors"][0]), answer.text
    assert server.request("GET", "secret/data/binary").status == 404


@pytest.mark.parametrize("body, value", [('"\\ud83d\\ude00"', "\U0001F600"), ('"\\\\ud800"', "\\ud800"), ('"\\u0000"', "\0")])
def test_escapes_that_are_text_are_taken(server, body, value):
    assert server.request("PUT", "secret/data/text", raw=f'{{"data":{{"x":{body}}}}}').status == 200
    assert server.request("GET", "secret/data/text").data["data"] == {"x": value}


def test_a_syntax_error_before_what_is_not_utf8_is_a_syntax_error(server):
    answer = server.request("PUT", "secret/data/binary", raw=b'{"data":x}  \xff')
    assert "syntax error at byte 8" in answer.json["errors"][0]


@pytest.mark.parametrize("raw, headers", [(b"policy=%FF", {"Content-Type": "application/x-www-form-urlencoded"}),
                                          (b"%C0=x", {"Content-Type": "application/x-www-form-urlencoded"})])
def test_a_form_that_is_not_utf8_is_refused(server, raw, headers):
    answer = server.request("PUT", "sys/policies/acl/binary", raw=raw, headers=headers)
    assert (answer.status, "not UTF-8 at byte" in answer.json["errors"][0]) == (400, True)


def test_a_query_that_is_not_utf8_is_refused(server):
    answer = server.request("GET", "sys/metrics?format=%FF")
    assert (answer.status, answer.json["errors"]) == (400, ['the parameter "format" is not UTF-8 at byte 0'])


@pytest.mark.parametrize("source", ["@file", "-"])
def test_the_cli_says_to_encode_what_is_no_text(server, tmp_path, source):
    binary = b"\x7fELF\x00\xff\xfe"
    (tmp_path / "binary").write_bytes(binary)
    argument = f"@{tmp_path / 'binary'}" if source == "@file" else "-"
    result = subprocess.run([BIN / "belfry", "kv", "put", "secret/z", f"f={argument}"], input=binary, capture_output=True,
                            env={"VAULT_ADDR": f"http://{server.address}", "VAULT_TOKEN": "root"}, timeout=PATIENCE)
    assert result.returncode != 0
    assert b"encode it first" in result.stderr and b'"f"' in result.stderr, result.stderr
    assert server.request("GET", "secret/data/z").status == 404
