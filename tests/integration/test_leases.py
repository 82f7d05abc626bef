"""Secrets that a plugin lends: renewed, expired, revoked, and never forgotten."""

import re
import threading

import pytest

from conftest import PATIENCE, put_plugin


@pytest.fixture
def lender(start_server, tmp_path):
    put_plugin(tmp_path, "belfry-lender")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/db", {"type": "lender", "config": {"max_lease_ttl": "2h"}}).status == 204
    return server


def lend(server, name, ttl=None):
    answer = server.request("GET", f"db/creds/{name}" + (f"?ttl={ttl}" if ttl else ""))
    assert answer.status == 200, answer.text
    assert answer.data == {"user": name}
    return answer.json


def log(server):
    return server.request("GET", "db/log").data["log"]


def look_up(server, lease_id):
    return server.request("PUT", "sys/leases/lookup", {"lease_id": lease_id})


def wait_for(condition):
    """Asks again and again: expiry is the server's own doing, and tells nobody."""
    tick = threading.Event()
    for _ in range(int(PATIENCE * 20)):
        if condition():
            return
        tick.wait(0.05)
    raise AssertionError("it did not happen in time")


def test_a_lent_secret_has_a_lease_that_is_renewed_and_revoked(lender):
    lent = lend(lender, "anna", "30m")
    lease_id = lent["lease_id"]
    assert re.fullmatch(r"db/creds/anna/[0-9A-Za-z]{24}", lease_id)
    assert lent["lease_duration"] == 1800
    assert lent["renewable"] is True
    data = look_up(lender, lease_id).data
    assert data["id"] == lease_id
    assert 1790 <= data["ttl"] <= 1800
    assert data["last_renewal"] is None
    renewed = lender.request("PUT", "sys/leases/renew", {"lease_id": lease_id, "increment": 3600}).json
    assert renewed["lease_id"] == lease_id
    assert 3590 <= renewed["lease_duration"] <= 3600
    assert look_up(lender, lease_id).data["last_renewal"] is not None
    capped = lender.request("PUT", f"sys/leases/renew/{lease_id}", {"increment": "9h"}).json
    assert 7000 < capped["lease_duration"] <= 7200
    assert lender.request("PUT", "sys/leases/revoke", {"lease_id": lease_id}).status == 204
    assert log(lender) == ["renewed anna", "renewed anna", f"revoked anna {lease_id}"]
    gone = look_up(lender, lease_id)
    assert gone.status == 400
    assert gone.json == {"errors": ["invalid lease"]}


def test_a_lease_that_expires_is_revoked(lender):
    lease_id = lend(lender, "bob", "1s")["lease_id"]
    wait_for(lambda: log(lender) == [f"revoked bob {lease_id}"])
    wait_for(lambda: look_up(lender, lease_id).status == 400)


def test_a_refused_revocation_is_shown_until_force_forgets_it(lender):
    lease_id = lend(lender, "eve", "1h")["lease_id"]
    assert lender.request("PUT", "db/trouble", {"refuse": True}).status == 204
    refused = lender.request("PUT", f"sys/leases/revoke/{lease_id}")
    assert refused.status == 400
    assert "the database is away" in refused.text
    shown = look_up(lender, lease_id).data
    assert shown["revocation"]["attempts"] == 1
    assert shown["ttl"] == 0
    kept = lender.request("DELETE", "sys/mounts/db")
    assert kept.status == 400
    assert "sys/leases/revoke-force/db/" in kept.text
    assert 'belfry_leases{state="failed"} 1' in lender.request("GET", "sys/metrics").text
    assert lender.request("PUT", "sys/leases/revoke-force/db").status == 204
    assert log(lender) == []
    assert look_up(lender, lease_id).status == 400
    assert lender.request("DELETE", "sys/mounts/db").status == 204


def test_leases_are_listed_and_revoked_by_prefix(lender):
    ids = [lend(lender, name)["lease_id"] for name in ("anna", "anna", "bob")]
    assert lender.request("LIST", "sys/leases/lookup/db/creds").data["keys"] == ["anna/", "bob/"]
    assert sorted(lender.request("LIST", "sys/leases/lookup/db/creds/anna").data["keys"]) == sorted(
        lease_id.rsplit("/", 1)[1] for lease_id in ids[:2])
    assert lender.request("PUT", "sys/leases/revoke-prefix/db/creds/anna").status == 204
    assert sorted(log(lender)) == sorted(f"revoked anna {lease_id}" for lease_id in ids[:2])
    assert look_up(lender, ids[2]).status == 200


def test_a_mount_that_goes_takes_its_leases_with_it(lender):
    ids = [lend(lender, f"user{i}", "1h")["lease_id"] for i in range(20)]
    assert lender.request("DELETE", "sys/mounts/db").status == 204
    assert {look_up(lender, lease_id).status for lease_id in ids} == {400}
    assert lender.stop() == 0
