"""However a name is written, it is one name: the one that is authorised, acted on, and told in events."""

import http.client
import json
import posixpath
import random
import shutil
import urllib.parse

import pytest
from websockets.exceptions import InvalidStatus

from conftest import BIN, PATIENCE

METHODS = ("GET", "LIST", "HEAD", "POST", "PUT", "PATCH", "DELETE")
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


@pytest.fixture(scope="module")
def server(module_servers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copy(BIN / "test-plugins" / "belfry-lender", folder / "lender")
    server = module_servers(plugin_dir=folder)
    assert server.request("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}}).status == 204
    assert server.request("POST", "sys/mounts/db", {"type": "lender"}).status == 204
    return server


class Client:
    """Sends targets exactly as they are given, on one connection."""

    def __init__(self, server, token):
        self.server, self.token = server, token
        self.connection = None

    def send(self, method, target, body=None, headers=None):
        sent = dict(headers or {})
        if self.token is not None:
            sent["X-Vault-Token"] = self.token
        if method == "PATCH":
            sent["Content-Type"] = "application/merge-patch+json"
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.server.address, timeout=PATIENCE)
        self.connection.request(method, target, body=None if body is None else json.dumps(body), headers=sent)
        response = self.connection.getresponse()
        text = "" if response.status == 101 else response.read().decode()
        if response.will_close or response.status == 101:
            self.connection.close()
            self.connection = None
        return response.status, response.getheader("Location"), text

    def follow(self, method, target, body=None, headers=None):
        """As clients do: to where the server sends them, with the same method and body."""
        for _ in range(3):
            status, location, text = self.send(method, target, body, headers)
            if status != 307:
                return status, text
            assert location.startswith("/") and not location.startswith("//"), location
            target = location
        raise AssertionError(f"redirected again and again: {method} {target}")


def token_with(server, name, policy):
    assert server.request("PUT", f"sys/policies/acl/{name}", {"policy": policy}).status == 204
    return server.request("POST", "auth/token/create", {"policies": [name]}).json["auth"]["client_token"]


def paths_told(subscriber, server):
    """Of all events until now."""
    assert server.request("PUT", "secret/data/the-end", {"data": {}}).status == 200
    paths = []
    while not paths or paths[-1] != "secret/data/the-end":
        paths.append(json.loads(subscriber.recv(timeout=PATIENCE))["data"]["event"]["metadata"]["path"])
    return paths[:-1]


# ---- What is written unclean is redirected; what decodes into it is refused ----------------------

@pytest.mark.parametrize("target, location", [
    ("/v1//secret/data/a", "/v1/secret/data/a"),
    ("//v1/secret/data/a", "/v1/secret/data/a"),
    ("/v1/secret/./data/a", "/v1/secret/data/a"),
    ("/v1/secret/x/../data/a", "/v1/secret/data/a"),
    ("/v1/secret/data/a///", "/v1/secret/data/a/"),
    ("/v1/../../v1/sys/health", "/v1/sys/health"),
    ("/v1//secret/data/a%2Fb%20c?version=1&x=//", "/v1/secret/data/a%2Fb%20c?version=1&x=//"),
    ("/v1/sys/events/subscribe//kv*?json=true", "/v1/sys/events/subscribe/kv*?json=true"),
    ("//v1/sys/events/subscribe/kv*", "/v1/sys/events/subscribe/kv*"),
    ("/v1/sys//policies/acl//pp", "/v1/sys/policies/acl/pp"),
    ("//evil.example/v1/x", "/evil.example/v1/x"),
    ("//\\evil.example", "/%5Cevil.example"),
])
@pytest.mark.parametrize("token", [None, "nobody", "root"])
def test_what_is_written_unclean_is_307_whatever_the_method_and_the_token(server, target, location, token):
    client = Client(server, token)
    for method in METHODS:
        assert client.send(method, target)[:2] == (307, location), method


@pytest.mark.parametrize("target", [
    "/v1/sys/mounts/%2Fsecret", "/v1/secret/data/app%2F%2Fprod", "/%2Fv1/sys/health", "/v1/secret/%2e%2e/sys/mounts",
    "/v1/secret/%2E/data/a", "/v1/secret/data/a%2F..", "/v1/sys/events/subscribe/%2Fkv*", "/v1/sys/events/subscribe/a%2F%2Fb",
    "/v1/sys/policies/acl/%20/admin", "/v1/sys/policies/acl/admin/%20",
])
@pytest.mark.parametrize("token", [None, "root"])
def test_what_decodes_into_an_unclean_path_is_400_before_the_token(server, target, token):
    client = Client(server, token)
    for method in ("GET", "LIST", "POST", "PUT", "PATCH", "DELETE"):
        status, _, text = client.send(method, target)
        assert status == 400 and json.loads(text)["errors"], (method, text)


def test_what_was_redirected_is_found(server):
    assert server.request("PUT", "secret/data/keep", {"data": {"a": "kept"}}).status == 200
    client = Client(server, "root")
    for target in ("/v1//secret/data/keep", "//v1/secret/data/keep"):
        assert client.send("GET", target)[0] == 307
        status, text = client.follow("GET", target)
        assert status == 200 and json.loads(text)["data"]["data"] == {"a": "kept"}
    status, text = client.follow("PUT", "//v1/secret//data/written", {"data": {"b": "stays"}})
    assert status == 200
    assert server.request("GET", "secret/data/written").data["data"] == {"b": "stays"}


def test_our_own_command_line_follows(server):
    assert server.request("PUT", "secret/data/cli", {"data": {"a": "seen"}}).status == 200
    for end in ("/", "/.", "/x/.."):
        shown = server.cli("kv", "get", "-address", f"http://{server.address}{end}", "-field=a", "secret/cli")
        assert shown.stdout.strip() == "seen"


def test_a_path_has_bounds(server):
    client = Client(server, None)
    for path in ("a" * 9000, "a/" * 300 + "a", "%2e%2e/" * 300):
        status, _, text = client.send("GET", "/v1/" + path)
        assert status == 400 and "a path may have" in text, text[:200]
    assert client.send("GET", "/v1/sys/events/subscribe/" + "a" * 9000, headers=UPGRADE)[0] == 400


# ---- Names that a handler normalises -------------------------------------------------------------

def test_a_denied_mount_stays_however_it_is_written(server):
    token = token_with(server, "no-secret", '''path "sys/mounts/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
        path "sys/mounts/secret" { capabilities = ["deny"] }
        path "sys/mounts/secret/*" { capabilities = ["deny"] }''')
    before = server.request("GET", "sys/mounts/secret/tune").json
    client = Client(server, token)
    assert client.send("DELETE", "/v1/sys/mounts/%2Fsecret")[0] == 400
    for method, target in [("DELETE", "/v1/sys/mounts//secret"), ("POST", "/v1/sys/mounts//secret/tune"), ("POST", "/v1/sys/mounts/secret//tune"),
                           ("DELETE", "/v1/sys/mounts/secret//")]:
        assert client.send(method, target, {"description": "x"})[0] == 307
        assert client.follow(method, target, {"description": "x"})[0] == 403
    assert client.send("DELETE", "/v1/sys/mounts/secret/")[0] == 403
    assert server.request("GET", "sys/mounts/secret/tune").json["data"] == before["data"]


def test_a_key_is_not_covered_by_a_rule_for_what_is_below_it(server):
    token = token_with(server, "below-x", 'path "secret/metadata/x/*" { capabilities = ["read", "delete"] }')
    assert server.request("PUT", "secret/data/x", {"data": {"a": 1}}).status == 200
    client = Client(server, token)
    for end in ("/", "///"):
        for method in ("GET", "DELETE"):
            assert client.follow(method, "/v1/secret/metadata/x" + end)[0] == 403
    assert server.request("GET", "secret/data/x").data["data"] == {"a": 1}
    # For whom may, it is the key without the slash.
    assert server.request("GET", "secret/metadata/x/").data["current_version"] == 1


@pytest.mark.parametrize("api", ["sys/policies/acl", "sys/policy"])
def test_a_denied_policy_stays_however_it_is_written(server, api):
    assert server.request("PUT", "sys/policies/acl/admin", {"policy": 'path "a" { capabilities = ["read"] }'}).status == 204
    token = token_with(server, "no-admin", f'''path "{api}/*" {{ capabilities = ["create", "read", "update", "delete", "sudo"] }}
        path "{api}/admin" {{ capabilities = ["deny"] }}
        path "{api}/default" {{ capabilities = ["deny"] }}''')
    before = [server.request("GET", f"sys/policies/acl/{name}").data for name in ("admin", "default")]
    client = Client(server, token)
    for name in ("ADMIN", "%20admin", "admin%20", "Admin/", "DEFAULT", "%20default%20"):
        for method in ("PUT", "DELETE", "GET"):
            assert client.send(method, f"/v1/{api}/{name}", {"policy": ""})[0] == 403, (method, name)
    assert client.send("PUT", f"/v1/{api}//pp", {"policy": 'path "a" {}'})[:2] == (307, f"/v1/{api}/pp")
    assert [server.request("GET", f"sys/policies/acl/{name}").data for name in ("admin", "default")] == before
    assert not [name for name in server.request("LIST", "sys/policies/acl").data["keys"] if "/" in name]


def test_a_plugin_has_its_type_in_its_name_wherever_the_type_is_given(server):
    token = token_with(server, "no-kv", '''path "sys/plugins/catalog/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
        path "sys/plugins/catalog/secret/kv" { capabilities = ["deny"] }
        path "sys/plugins/reload/*" { capabilities = ["update"] }
        path "sys/plugins/reload/secret/kv" { capabilities = ["deny"] }''')
    before = server.request("GET", "sys/plugins/catalog/secret/kv").data
    client = Client(server, token)
    assert client.send("GET", "/v1/sys/plugins/catalog/kv?type=secret")[0] == 403
    assert client.send("DELETE", "/v1/sys/plugins/catalog/kv?type=secret")[0] == 403
    for body in ({"type": "secret"}, {"type": "3"}, {"type": 3}):
        assert client.send("PUT", "/v1/sys/plugins/catalog/kv", {"command": "kv", "sha256": "0" * 64, **body})[0] == 403
    for target, body in (("secret/kv", {}), ("unknown/kv", {}), ("backend", {"plugin": "kv"})):
        assert client.send("PUT", f"/v1/sys/plugins/reload/{target}", body)[0] == 403, target
    assert client.send("GET", "/v1/sys/plugins/catalog/lender?type=secret")[0] == 200
    assert server.request("GET", "sys/plugins/catalog/secret/kv").data == before


def test_what_is_only_for_root_is_so_for_lists_too(server):
    token = token_with(server, "db-user", 'path "db/*" { capabilities = ["read", "list"] }')
    for name in ("accounts", "accounts/"):
        for method in ("GET", "LIST"):
            assert Client(server, token).send(method, f"/v1/db/{name}")[0] == 403, (method, name)
            assert Client(server, "root").send(method, f"/v1/db/{name}")[0] == 200, (method, name)
            # And what is for everybody.
            assert Client(server, None).send(method, "/v1/db/notices" + name[8:])[0] == 200, (method, name)
    assert Client(server, token).send("LIST", "/v1/db/accounts/anna")[0] == 200
    assert Client(server, None).send("LIST", "/v1/db/accounts")[0] == 403


# ---- Events ----------------------------------------------------------------------------------------

def test_an_event_tells_of_the_path_that_was_authorised(server):
    token = token_with(server, "app", '''path "secret/data/app/*" { capabilities = ["create", "update"] }
        path "secret/data/app/prod/*" { capabilities = ["deny"] }
        path "secret/destroy/app/*" { capabilities = ["update"] }
        path "secret/destroy/app/prod/*" { capabilities = ["deny"] }
        path "secret/metadata/app/*" { capabilities = ["delete"] }
        path "secret/metadata/app/prod/*" { capabilities = ["deny"] }
        path "kv1/*" { capabilities = ["create", "update", "delete"] }
        path "kv1/admin" { capabilities = ["deny"] }
        path "secret/data/+/x" { capabilities = ["create", "update"] }''')
    client = Client(server, token)
    data = {"data": {"a": 1}}
    for method, path, body in [("POST", "secret/data/app//prod/db", data), ("POST", "secret/data/app%2F%2Fprod/db", data),
                               ("POST", "secret/destroy/app//prod/db", {"versions": [1]}), ("DELETE", "secret/metadata/app//prod/db", None),
                               ("PUT", "kv1//admin", {"a": 1}), ("DELETE", "kv1/admin/", None), ("DELETE", "kv1/admin//", None),
                               ("POST", "secret/data//x", data), ("POST", "secret/data/%2Fx", data)]:
        with server.subscribe("*") as subscriber:
            assert client.send(method, "/v1/" + path, body)[0] in (307, 400, 403)
            assert client.follow(method, "/v1/" + path, body)[0] in (400, 403), path
            assert paths_told(subscriber, server) == []
    with server.subscribe("*") as subscriber:
        assert client.follow("POST", "/v1/secret/data/app//dev//db", data)[0] == 200
        assert client.follow("POST", "/v1/secret/data/app%2Fdev%2Fdb", data)[0] == 200
        assert client.follow("DELETE", "/v1/kv1/gone/")[0] == 204
        assert paths_told(subscriber, server) == ["secret/data/app/dev/db"] * 2 + ["kv1/gone"]
    assert server.request("GET", "secret/data/app/dev/db").data["metadata"]["version"] == 2


def opens(server, token, event_type, query="json=true"):
    """The status of a subscription's handshake."""
    try:
        with server.subscribe(event_type, query=query, token=token):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_the_type_that_is_authorised_is_the_one_that_is_subscribed_to(server):
    token = token_with(server, "no-kv-secret", '''path "sys/events/subscribe/*" { capabilities = ["read"] }
        path "sys/events/subscribe/kv-secret" { capabilities = ["deny"] }
        path "sys/events/explain/*" { capabilities = ["read"] }
        path "sys/events/explain/kv-secret" { capabilities = ["deny"] }''')
    for spelling in ("kv-secret", "kv-secret%20", "%20kv-secret", "kv%2Dsecret%20%20", "kv-secret/"):
        assert opens(server, token, spelling) == 403, spelling
        assert Client(server, token).send("GET", f"/v1/sys/events/explain/{spelling}")[0] == 403, spelling
    assert opens(server, token, "kv-public%20") == 101
    status, _, text = Client(server, token).send("GET", "/v1/sys/events/explain/%20kv-public%20")
    assert status == 200 and json.loads(text)["data"]["connect"]["path"] == "sys/events/subscribe/kv-public"


@pytest.mark.parametrize("rule, query, status", [
    ('denied_parameters = {"namespaces" = []}', "json=true", 101),
    ('denied_parameters = {"namespaces" = []}', "json=true&namespaces=*", 403),
    ('denied_parameters = {"namespaces" = ["ns1/a"]}', "namespaces=%20/ns1//x/../a/", 403),
    ('denied_parameters = {"namespaces" = ["ns1"]}', "namespaces=ns2&namespaces=ns1", 403),
    ('denied_parameters = {"namespaces" = ["ns1"]}', "namespaces=ns2", 101),
    ('denied_parameters = {"json" = ["true"]}', "json=T", 403),
    ('denied_parameters = {"json" = ["true"]}', "json=0", 101),
    ('allowed_parameters = {"json" = []}', "json=true", 101),
    ('allowed_parameters = {"json" = []}', "json=true&filter=a%20==%20b", 403),
    ('required_parameters = ["filter"]', "json=true", 403),
    ('required_parameters = ["filter"]', "filter=data_path%20==%20a", 101),
    ('required_parameters = ["filter"]', "filter=%20", 403),
    ('required_parameters = ["filter"]', "FILTER=data_path%20==%20a", 403),
])
def test_the_query_is_what_rules_about_parameters_see(server, rule, query, status):
    token = token_with(server, "parameters", f'path "sys/events/subscribe/*" {{ capabilities = ["read"] {rule} }}')
    assert opens(server, token, "kv*", query) == status
    # Explained with the same query.
    code, _, text = Client(server, token).send("GET", f"/v1/sys/events/explain/kv*?{query}")
    assert code == 200
    assert json.loads(text)["data"]["connect"]["verdict"] == ("granted" if status == 101 else "denied")


@pytest.mark.parametrize("given, status", [
    ({}, 403),
    ({"num_uses": 1}, 403),
    ({"num_uses": 1, "ttl": "60s"}, 200),
    ({"NUM_USES": 1, "TTL": "60s"}, 403),
    ({"num_uses": 1, "Ttl": "60s"}, 403),
])
def test_what_a_policy_requires_counts_by_the_name_that_the_endpoint_reads(server, given, status):
    token = token_with(server, "bounded", '''path "auth/token/create" { capabilities = ["update"]
        required_parameters = ["num_uses", "TTL"] allowed_parameters = { "num_uses" = [1], "ttl" = ["60s"] } }''')
    assert server.request("POST", "auth/token/create", given, token=token).status == status


def test_a_required_field_of_a_plugin_counts_by_its_name_alone(server):
    token = token_with(server, "checked", '''path "secret/data/checked" { capabilities = ["create", "update"]
        required_parameters = ["options"] }''')
    for options, status in (("Options", 403), ("OPTIONS", 403), ("options", 200)):
        body = {"data": {"a": "1"}, options: {"cas": 0}}
        assert server.request("PUT", "secret/data/checked", body, token=token).status == status, options


def test_explain_is_bound_by_rules_about_parameters_itself(server):
    token = token_with(server, "explains", '''path "sys/events/explain/kv*" { capabilities = ["read"] denied_parameters = {"path" = []} }''')
    assert Client(server, token).send("GET", "/v1/sys/events/explain/kv*")[0] == 200
    assert Client(server, token).send("GET", "/v1/sys/events/explain/kv*?path=secret/data/a")[0] == 403


# ---- Every endpoint, many spellings --------------------------------------------------------------

SEED = 11
SPELLINGS = 24
HIDDEN = "hidden-value"
DENIED = """path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo", "subscribe"] subscribe_event_types = ["*"] }
"""
# Where a name is denied, and how one may act on it: method, path, body.
ENDPOINTS = [
    ("POST", "sys/mounts/guarded", {"type": "kv"}),
    ("DELETE", "sys/mounts/guarded", None),
    ("GET", "sys/mounts/guarded", None),
    ("POST", "sys/mounts/guarded/tune", {"description": "changed"}),
    ("GET", "sys/mounts/guarded/tune", None),
    ("GET", "sys/internal/ui/mounts/guarded", None),
    ("GET", "sys/internal/ui/mounts/guarded/key", None),
    ("PUT", "sys/policies/acl/guarded", {"policy": 'path "changed" {}'}),
    ("DELETE", "sys/policies/acl/guarded", None),
    ("GET", "sys/policies/acl/guarded", None),
    ("PUT", "sys/policy/guarded", {"policy": 'path "changed" {}'}),
    ("DELETE", "sys/policy/guarded", None),
    ("GET", "sys/policy/guarded", None),
    ("DELETE", "sys/plugins/catalog/secret/lender", None),
    ("DELETE", "sys/plugins/catalog/lender?type=secret", None),
    ("GET", "sys/plugins/catalog/secret/lender", None),
    ("GET", "sys/plugins/catalog/lender?type=secret", None),
    ("PUT", "sys/plugins/reload/secret/lender", {}),
    ("PUT", "sys/plugins/reload/unknown/lender", {}),
    ("POST", "auth/token/roles/guarded", {"allowed_policies": ["changed"]}),
    ("DELETE", "auth/token/roles/guarded", None),
    ("GET", "auth/token/roles/guarded", None),
    ("POST", "auth/token/create/guarded", {}),
    ("PUT", "guarded/key", {"a": "changed"}),
    ("DELETE", "guarded/key", None),
    ("GET", "guarded/key", None),
    ("PUT", "kv1/app/guarded", {"a": "changed"}),
    ("DELETE", "kv1/app/guarded", None),
    ("GET", "kv1/app/guarded", None),
    ("PUT", "secret/data/app/guarded", {"data": {"a": "changed"}}),
    ("PATCH", "secret/data/app/guarded", {"data": {"a": "changed"}}),
    ("DELETE", "secret/data/app/guarded", None),
    ("GET", "secret/data/app/guarded", None),
    ("GET", "secret/subkeys/app/guarded", None),
    ("PUT", "secret/metadata/app/guarded", {"custom_metadata": {"a": "changed"}}),
    ("PATCH", "secret/metadata/app/guarded", {"custom_metadata": {"a": "changed"}}),
    ("DELETE", "secret/metadata/app/guarded", None),
    ("GET", "secret/metadata/app/guarded", None),
    ("PUT", "secret/delete/app/guarded", {"versions": [1, 2]}),
    ("PUT", "secret/undelete/app/guarded", {"versions": [1, 2]}),
    ("PUT", "secret/destroy/app/guarded", {"versions": [1, 2]}),
    ("PUT", "cubbyhole/app/guarded", {"a": "changed"}),
    ("DELETE", "cubbyhole/app/guarded", None),
    ("GET", "cubbyhole/app/guarded", None),
    ("GET", "sys/events/subscribe/kv-guarded", None),
    ("GET", "sys/events/explain/kv-guarded", None),
    ("LIST", "db/accounts", None),
    ("GET", "db/accounts", None),
]
# Where success would not show in what is compared afterwards, it must not be had.
TELLING = ("sys/events/", "sys/internal/ui/mounts/guarded", "auth/token/create/", "sys/plugins/", "db/accounts", "sys/policy/", "sys/policies/")


def denials(lease_id):
    paths = {path.partition("?")[0] for _, path, _ in ENDPOINTS}
    # For these the name of the plugin counts, with its type.
    paths -= {"sys/plugins/catalog/lender", "sys/plugins/reload/unknown/lender"}
    paths |= {f"sys/leases/{verb}/{lease_id}" for verb in ("revoke", "renew", "lookup")}
    paths |= {f"sys/leases/{verb}/{posixpath.dirname(lease_id)}" for verb in ("revoke-prefix", "revoke-force")}
    paths |= {"guarded"}
    text = DENIED
    for path in sorted(paths):
        text += f'path "{path}" {{ capabilities = ["deny"] }}\npath "{path}/*" {{ capabilities = ["deny"] }}\n'
    return text, paths


def percent(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


def spelled(chance, path):
    """One of the ways to write a path, so that somebody might take it for the same."""
    path, question, query = path.partition("?")
    segments = path.split("/")
    last = len(segments) - 1
    for _ in range(chance.randint(1, 3)):
        at = chance.choice((0, last, last, chance.randint(0, last)))
        one = segments[at]
        segments[at] = chance.choice([
            lambda: "/" + one, lambda: "//" + one, lambda: one + "/", lambda: "./" + one, lambda: "x/../" + one, lambda: one + "/.",
            lambda: one + "/x/..", lambda: "%2F" + one, lambda: "%2f%2F" + one, lambda: one + "%2F", lambda: one + "%2F%2F",
            lambda: "%2e/" + one, lambda: "x/%2E%2e/" + one, lambda: "%252F" + one, lambda: one + "%252F", lambda: "%252e%252e/" + one,
            lambda: one.upper(), lambda: one.title(), lambda: "%20" + one, lambda: one + "%20", lambda: one + "+", lambda: "%09" + one,
            lambda: percent(one) if "%" not in one else one, lambda: percent(percent(one)) if "%" not in one else one,
            lambda: one.replace("a", "%61"), lambda: one.replace("e", "%65"), lambda: one + "%00", lambda: one + "\\", lambda: one + ";x=1",
            lambda: one + "%C2%A0", lambda: one])()
    front = chance.choice(("/v1/", "/v1/", "/v1/", "//v1/", "/v1//", "/v1/./", "/x/../v1/", "/v1%2F"))
    return front + "/".join(segments) + chance.choice(("", "", "/", "//", "/.", "%2F")) + question + query


def meant(target):
    """What somebody might take a target for."""
    path = posixpath.normpath("/" + urllib.parse.unquote(target.partition("?")[0]).strip("/")).removeprefix("/v1/")
    folder, _, name = path.rpartition("/")
    if folder.startswith("sys/polic"):
        name = name.strip().lower()
    if folder.startswith("sys/events"):
        name = name.strip()
    return f"{folder}/{name}"


def state(server, client, lease_id):
    """All that may not change: what root sees, and the client's own cubbyhole."""
    seen = [server.request(method, path) for method, path in [
        ("GET", "sys/mounts/guarded"), ("GET", "sys/mounts/guarded/tune"), ("GET", "sys/policies/acl/guarded"),
        ("GET", "sys/plugins/catalog/secret/lender"), ("GET", "auth/token/roles/guarded"), ("GET", "guarded/key"), ("GET", "kv1/app/guarded"),
        ("GET", "secret/data/app/guarded"), ("GET", "secret/data/app/guarded?version=1"), ("GET", "secret/metadata/app/guarded")]]
    lease = server.request("PUT", "sys/leases/lookup", {"lease_id": lease_id}).data
    own = client.send("GET", "/v1/cubbyhole/app/guarded")[2]
    return [answer.data for answer in seen], [lease["id"], lease["last_renewal"]], json.loads(own)["data"]


def test_no_spelling_of_a_denied_name_acts_on_it(server):
    chance = random.Random(SEED)
    lease_id = server.request("GET", "db/creds/guarded?ttl=1h").json["lease_id"]
    policy, denied = denials(lease_id)
    client = Client(server, token_with(server, "around", DENIED))
    for method, path, body in [
            ("POST", "sys/mounts/guarded", {"type": "kv", "description": "as it was"}), ("PUT", "sys/policies/acl/guarded", {"policy": f"# {HIDDEN}"}),
            ("POST", "auth/token/roles/guarded", {"allowed_policies": [HIDDEN]}), ("PUT", "guarded/key", {"a": HIDDEN}),
            ("PUT", "kv1/app/guarded", {"a": HIDDEN}), ("PUT", "secret/data/app/guarded", {"data": {"a": HIDDEN}}),
            ("PUT", "secret/data/app/guarded", {"data": {"b": HIDDEN}}), ("PUT", "secret/delete/app/guarded", {"versions": [1]}),
            ("PUT", "secret/metadata/app/guarded", {"custom_metadata": {"c": HIDDEN}}), ("PUT", "cubbyhole/app/guarded", {"a": HIDDEN})]:
        assert client.send(method, "/v1/" + path, body)[0] in (200, 204), path
    before = state(server, client, lease_id)
    assert server.request("PUT", "sys/policies/acl/around", {"policy": policy}).status == 204

    endpoints = list(ENDPOINTS)
    endpoints += [("PUT", f"sys/leases/{verb}/{lease_id}", {"increment": 7}) for verb in ("revoke", "renew", "lookup")]
    endpoints += [("PUT", f"sys/leases/{verb}/{posixpath.dirname(lease_id)}", {}) for verb in ("revoke-prefix", "revoke-force")]
    with server.subscribe("*") as subscriber:
        for method, path, body in endpoints:
            headers = UPGRADE if "/subscribe/" in path else None
            # As it is, it is denied: otherwise the rest says nothing.
            assert client.send(method, "/v1/" + path, body, headers)[0] == 403, path
            for _ in range(SPELLINGS):
                target = spelled(chance, path)
                status, text = client.follow(method, target, body, headers)
                assert HIDDEN not in text, f"{method} {target}: {text}"
                if path.startswith(TELLING) and meant(target) == path.partition("?")[0]:
                    assert status >= 400, f"{method} {target}: {status} {text}"
        told = paths_told(subscriber, server)
    for path in told:
        assert path == posixpath.normpath(path) and path not in denied, path

    assert server.request("PUT", "sys/policies/acl/around", {"policy": DENIED}).status == 204
    assert state(server, client, lease_id) == before


def test_capabilities_are_those_that_a_request_of_that_name_has(server):
    policy, denied = denials("db/creds/guarded/1")
    client = Client(server, token_with(server, "capable", policy))
    for path in sorted(denied):
        folder, _, name = path.rpartition("/")
        spellings = [path, "/" + path, path + "//", "//" + path, f"{folder}//{name}", f"./{path}", f"x/../{path}", path + "/.", path + "/x/.."]
        if folder in ("sys/policies/acl", "sys/policy"):
            spellings += [f"{folder}/{name.upper()}", f"{folder}/ {name}", f"{folder}/{name} "]
        if folder.startswith("sys/events/"):
            spellings += [f"{folder}/ {name}", f"{folder}/{name} "]
        status, _, text = client.send("POST", "/v1/sys/capabilities-self", {"paths": spellings})
        assert status == 200
        for spelling in spellings:
            assert json.loads(text)["data"][spelling] == ["deny"], spelling
