"""A whole plugin, one-time passwords, written on the installed package alone: its own tests on both test hosts, then under the real server."""

import base64
import hashlib
import hmac
import json
import pathlib
import shutil
import time

import packaging_of_sdk as package
import pytest

from conftest import PATIENCE, eventually

SECRET = b"12345678901234567890"
TOTP = pathlib.Path(__file__).parent / "totp"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("totp")
    package.build(TOTP, out)
    return out


@pytest.fixture
def server(built, start_server, tmp_path):
    shutil.copy(built / "belfry-totp", tmp_path / "totp")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/otp", {"type": "totp"}).status == 204
    return server


def one_time_code(at):
    digest = hmac.new(SECRET, int(at // 30).to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start:start + 4], 'big') & 0x7fffffff) % 10**6:06}"


def current_code(server):
    """The plugin's, held against the standard's; a period may end between both."""
    begun = time.time()
    code = server.request("GET", "otp/codes/alice").data["code"]
    assert code in {one_time_code(begun), one_time_code(time.time())}
    return code


def import_key(server):
    key = base64.b32encode(SECRET).decode()
    assert server.request("PUT", "otp/keys/alice", {"key": key, "account_name": "alice@example.com"}).status == 204


def test_its_own_tests_pass_on_both_test_hosts(built):
    package.run(["ctest", "--test-dir", str(built), "--output-on-failure", "--no-tests=error"])


def test_a_code_is_the_standards_and_counts_once(server):
    import_key(server)
    code = current_code(server)
    assert server.request("PUT", "otp/codes/alice", {"code": code}).data == {"valid": True}
    assert server.request("PUT", "otp/codes/alice", {"code": code}).data == {"valid": False}


def test_what_is_not_allowed_is_refused_and_nothing_of_it_repeated(server):
    answer = server.request("PUT", "otp/keys/alice", {"generate": True, "algorithm": "S3CRET"})
    assert answer.status == 400
    assert answer.json["errors"] == ['Field validation failed: field "algorithm": expected one of "SHA1", "SHA256", "SHA512"']
    answer = server.request("PUT", "otp/keys/alice", {"generate": "S3CRET"})
    assert answer.status == 400 and "S3CRET" not in answer.text


def test_every_change_reaches_subscribers(server):
    with server.subscribe("totp/*") as subscriber:
        import_key(server)
        assert server.request("DELETE", "otp/keys/alice").status == 204
        events = [json.loads(subscriber.recv(timeout=PATIENCE))["data"] for _ in range(2)]
    assert [event["event_type"] for event in events] == ["totp/key-write", "totp/key-delete"]
    assert [event["event"]["metadata"]["path"] for event in events] == ["otp/keys/alice"] * 2


def test_a_session_ends_when_its_lease_is_revoked(server):
    import_key(server)
    answer = server.request("PUT", "otp/sessions/alice", {"code": current_code(server), "ttl": "1h"})
    assert answer.status == 200, answer.text
    assert server.request("LIST", "otp/sessions").data == {"keys": [answer.data["session"]]}
    assert server.request("PUT", "sys/leases/revoke", {"lease_id": answer.json["lease_id"]}).status == 204
    eventually(lambda: server.request("LIST", "otp/sessions").status == 404)


def test_help_and_openapi_say_what_is_allowed_and_what_belongs_where(server):
    help_of = server.request("GET", "otp/keys/alice?help=1").json
    assert 'One of: "SHA1", "SHA256", "SHA512"' in help_of["help"]
    (item,) = help_of["openapi"]["paths"].values()
    body = item["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert body["algorithm"]["enum"] == ["SHA1", "SHA256", "SHA512"]
    assert body["digits"]["enum"] == [6, 8]
    assert "parameters" not in item["get"]
