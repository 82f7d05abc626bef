"""Tokens over the API: whom they make, how long they last, and what goes with them."""

import threading

import pytest

from conftest import eventually, put_plugin

INVALID = {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}
DENIED = {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}


def create(server, token="root", path="auth/token/create", **fields):
    answer = server.request("POST", path, fields, token=token)
    assert answer.status == 200, answer.text
    return answer.json["auth"]


def look_up(server, token):
    return server.request("GET", "auth/token/lookup-self", token=token)


def write_policy(server, name, text):
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": text}).status == 204


def test_a_revoked_token_takes_its_tree_with_it(server):
    write_policy(server, "maker", 'path "auth/token/create*" { capabilities = ["update"] }')
    parent = create(server, policies=["maker"])["client_token"]
    child = create(server, parent)["client_token"]
    grandchild = create(server, child)["client_token"]
    orphan = create(server, child, "auth/token/create-orphan")["client_token"]
    sibling = create(server, policies=["maker"])["client_token"]
    assert len(server.request("LIST", "auth/token/accessors").data["keys"]) == 6
    assert server.request("PUT", "auth/token/revoke", {"token": parent}).status == 204
    for token in (parent, child, grandchild):
        assert look_up(server, token).status == 403
        assert look_up(server, token).json == INVALID
        assert server.request("GET", "cubbyhole/a", token=token).json == INVALID
    assert look_up(server, orphan).data["orphan"] is True
    assert look_up(server, sibling).status == 200
    assert len(server.request("LIST", "auth/token/accessors").data["keys"]) == 3


def test_a_token_may_do_what_its_policies_say_and_no_more(server):
    write_policy(server, "reader", 'path "secret/data/*" { capabilities = ["read"] }')
    assert server.request("PUT", "secret/data/a", {"data": {"x": 1}}).status == 200
    reader = create(server, policies=["reader"])["client_token"]
    assert server.request("GET", "secret/data/a", token=reader).data["data"] == {"x": 1}
    assert server.request("PUT", "secret/data/a", {"data": {}}, token=reader).json == DENIED
    assert server.request("POST", "auth/token/create", {}, token=reader).json == DENIED
    asked = {"path": "secret/data/a", "token": reader}
    assert server.request("POST", "sys/capabilities", asked).data["capabilities"] == ["read"]
    # A change of the policy counts from the next request on.
    write_policy(server, "reader", 'path "secret/data/*" { capabilities = ["update"] }')
    assert server.request("GET", "secret/data/a", token=reader).json == DENIED
    assert server.request("PUT", "secret/data/a", {"data": {}}, token=reader).status == 200


def test_a_token_is_used_as_often_as_it_may_be(server):
    token = create(server, policies=["default"], num_uses=3)["client_token"]
    assert server.request("PUT", "cubbyhole/a", {"x": 1}, token=token).status == 204
    assert look_up(server, token).data["num_uses"] == 1
    assert server.request("GET", "cubbyhole/a", token=token).data == {"x": 1}
    assert look_up(server, token).json == INVALID


def test_many_at_once_spend_each_use_once(server):
    token = create(server, policies=["default"], num_uses=10)["client_token"]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(look_up(server, token).status)) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 10 + [403] * 15


def test_a_token_expires_with_its_children(server):
    write_policy(server, "maker", 'path "auth/token/create" { capabilities = ["update"] }')
    short = create(server, policies=["maker"], ttl="2s")
    assert short["lease_duration"] == 2
    child = create(server, short["client_token"], ttl="1h")["client_token"]
    assert look_up(server, child).status == 200
    assert eventually(lambda: look_up(server, short["client_token"]).status == 403)
    assert look_up(server, child).json == INVALID
    renewed = create(server, policies=["default"], ttl="1h")["client_token"]
    answer = server.request("PUT", "auth/token/renew-self", {"increment": "1s"}, token=renewed)
    assert answer.json["auth"]["lease_duration"] == 1
    assert eventually(lambda: look_up(server, renewed).status == 403)


def test_a_role_gives_what_its_user_does_not_have(server):
    role = {"allowed_policies": ["reader"], "orphan": True, "token_period": "1h", "token_no_default_policy": True}
    assert server.request("POST", "auth/token/roles/nightly", role).status == 204
    assert server.request("LIST", "auth/token/roles").data["keys"] == ["nightly"]
    write_policy(server, "night", 'path "auth/token/create/nightly" { capabilities = ["update"] }')
    user = create(server, policies=["night"])["client_token"]
    made = create(server, user, "auth/token/create/nightly")
    assert (made["policies"], made["orphan"], made["lease_duration"]) == (["reader"], True, 3600)
    refused = server.request("POST", "auth/token/create/nightly", {"policies": ["root"]}, token=user)
    assert refused.status == 400
    assert "must be subset of the role's allowed policies" in refused.text
    assert server.request("PUT", "auth/token/revoke-self", token=user).status == 204
    shown = server.request("POST", "auth/token/lookup", {"token": made["client_token"]}).data
    assert (shown["role"], shown["period"]) == ("nightly", 3600)
    assert server.request("DELETE", "auth/token/roles/nightly").status == 204
    assert server.request("GET", "auth/token/roles/nightly").status == 404


def test_a_cubbyhole_goes_with_its_token(server):
    # The same secret twice: the second token must find nothing of the first.
    for _ in range(2):
        token = create(server, id="again", policies=["default"])["client_token"]
        assert server.request("GET", "cubbyhole/drawer/note", token=token).json == {"errors": []}
        assert server.request("LIST", "cubbyhole", token=token).status == 404
        assert server.request("PUT", "cubbyhole/drawer/note", {"text": "hush"}, token=token).status == 204
        assert server.request("GET", "cubbyhole/drawer/note", token=token).data == {"text": "hush"}
        assert server.request("GET", "cubbyhole/drawer/note").status == 404
        assert server.request("PUT", "auth/token/revoke-self", token=token).status == 204


@pytest.fixture
def lender(start_server, tmp_path):
    put_plugin(tmp_path, "belfry-lender")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/db", {"type": "lender"}).status == 204
    write_policy(server, "borrower", 'path "db/creds/*" { capabilities = ["read"] }')
    return server


def lend(server, name, token):
    answer = server.request("GET", f"db/creds/{name}?ttl=1h", token=token)
    assert answer.status == 200, answer.text
    return answer.json["lease_id"]


def log(server):
    return sorted(server.request("GET", "db/log").data["log"])


def test_what_a_token_was_lent_goes_with_it(lender):
    kept = lend(lender, "kept", "root")
    revoked = create(lender, policies=["borrower"])["client_token"]
    ids = [lend(lender, name, revoked) for name in ("anna", "bob")]
    assert lender.request("PUT", "auth/token/revoke", {"token": revoked}).status == 204
    assert eventually(lambda: log(lender) == [f"revoked anna {ids[0]}", f"revoked bob {ids[1]}"])
    # Nobody asks for this one again: the server ends it by itself.
    expiring = create(lender, policies=["borrower"], ttl="2s")["client_token"]
    ids.append(lend(lender, "carla", expiring))
    assert eventually(lambda: f"revoked carla {ids[2]}" in log(lender))
    once = create(lender, policies=["borrower"], num_uses=1)["client_token"]
    assert lender.request("GET", "db/creds/dora", token=once).status == 400
    assert eventually(lambda: len(log(lender)) == 4)
    assert lender.request("PUT", "sys/leases/lookup", {"lease_id": kept}).status == 200


def test_no_second_slash_gets_around_a_policy(server):
    write_policy(server, "tokens", """
        path "auth/token/*" { capabilities = ["update", "list"] }
        path "auth/token/create" { capabilities = ["deny"] }""")
    plain = create(server, policies=["tokens"])["client_token"]
    victim = create(server)["client_token"]
    for slashes in ["", "/", "//", "///"]:
        refused = server.request("POST", f"auth/token/revoke-orphan{slashes}", {"token": victim}, token=plain)
        assert refused.status == (307 if len(slashes) > 1 else 403), (slashes, refused.text)
        refused = server.request("POST", f"auth/token/create{slashes}", {}, token=plain)
        assert refused.status == (307 if len(slashes) > 1 else 403), (slashes, refused.text)
        refused = server.request("LIST", f"auth/token/accessors{slashes}", token=plain)
        assert refused.status == (307 if len(slashes) > 1 else 403), (slashes, refused.text)
    assert look_up(server, victim).status == 200
