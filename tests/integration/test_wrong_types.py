"""A field of a wrong type is an error that names it, on every endpoint of the host; nothing is done, and never is it taken for missing."""

import json

import pytest

# What each kind of field takes and refuses, as JSON text.
NEVER_SCALAR = ["[]", '["x"]', "[[]]", '[["x"]]', '[{"name":"x"}]', "[null]", "[1]", "{}", '{"x":true}', '{"x":{"y":1}}', '{"x":null}']
WRONG = {
    "text": NEVER_SCALAR,
    "bool": [*NEVER_SCALAR, '"yes"', "2", "1.5"],
    "number": [*NEVER_SCALAR, '"x"', "1.5", '"5s"'],
    "duration": [*NEVER_SCALAR, '"soon"', "true"],
    "list": ["1", "1.5", "true", "false", "{}", '{"limited":true}', '[["limited"]]', "[[]]", "[1]", "[true]", "[null]",
             '["limited",null]', '[{"name":"limited"}]', '["limited",["x"]]', '[""]', '["limited"," "]', '","', '" "'],
    "map": ["1", "true", '""', '"version=2"', "[]", '["version=2"]', "[null]", '[{"a":"b"}]', '{"a":["b"]}', '{"a":{}}'],
    "object": ["1", "true", '""', '"{}"', "[]", "[null]", "[{}]"],
}
NEW_TOKEN = {
    "text": ["display_name", "entity_alias", "id", "type"],
    "bool": ["no_default_policy", "no_parent", "renewable"],
    "number": ["num_uses"],
    "duration": ["explicit_max_ttl", "lease", "period", "ttl"],
    "list": ["policies"],
    "map": ["meta"],
}
ROLE = {
    "text": ["path_suffix", "token_type"],
    "bool": ["orphan", "renewable", "token_no_default_policy"],
    "number": ["token_num_uses"],
    "duration": ["explicit_max_ttl", "period", "token_explicit_max_ttl", "token_period"],
    "list": ["allowed_entity_aliases", "allowed_policies", "allowed_policies_glob", "bound_cidrs", "disallowed_policies",
             "disallowed_policies_glob", "token_bound_cidrs"],
}
PATHS = {"list": ["path", "paths"]}
TOKEN, ACCESSOR, INCREMENT = {"text": ["token"]}, {"text": ["accessor"]}, {"duration": ["increment"]}
LEASE, SYNC = {"text": ["lease_id"]}, {"bool": ["sync"]}
ENDPOINTS = {
    "auth/token/create": NEW_TOKEN,
    "auth/token/create-orphan": NEW_TOKEN,
    "auth/token/create/nightly": NEW_TOKEN,
    "auth/token/lookup": TOKEN,
    "auth/token/lookup-accessor": ACCESSOR,
    "auth/token/renew": {**TOKEN, **INCREMENT},
    "auth/token/renew-accessor": {**ACCESSOR, **INCREMENT},
    "auth/token/renew-self": INCREMENT,
    "auth/token/revoke": TOKEN,
    "auth/token/revoke-accessor": ACCESSOR,
    "auth/token/revoke-orphan": TOKEN,
    "auth/token/roles/nightly": ROLE,
    "sys/capabilities": {**TOKEN, **PATHS},
    "sys/capabilities-accessor": {**ACCESSOR, **PATHS},
    "sys/capabilities-self": PATHS,
    "sys/leases/lookup": LEASE,
    "sys/leases/renew": {**LEASE, **INCREMENT},
    "sys/leases/renew/secret/x/1": {**LEASE, **INCREMENT},
    "sys/leases/revoke": {**LEASE, **SYNC},
    "sys/leases/revoke/secret/x/1": {**LEASE, **SYNC},
    "sys/leases/revoke-force/secret": SYNC,
    "sys/leases/revoke-prefix/secret": SYNC,
    "sys/mounts/extra": {
        "text": ["description", "plugin_name", "plugin_version", "type", "config.plugin_version"],
        "bool": ["external_entropy_access", "local", "seal_wrap", "config.force_no_cache"],
        "duration": ["config.default_lease_ttl", "config.max_lease_ttl"],
        "map": ["options"],
        "object": ["config"],
    },
    "sys/mounts/secret/tune": {
        "text": ["description", "plugin_version"],
        "bool": ["force_no_cache"],
        "duration": ["default_lease_ttl", "max_lease_ttl"],
        "map": ["options"],
    },
    "sys/plugins/catalog/secret/extra": {
        "text": ["command", "oci_image", "runtime", "sha256", "sha_256", "version"],
        "bool": ["download"],
        "list": ["args", "env"],
    },
    "sys/plugins/catalog/extra": {"text": ["type"]},
    "sys/plugins/reload/backend": {"text": ["plugin", "scope"], "list": ["mounts"]},
    "sys/plugins/reload/secret/kv": {"text": ["scope"]},
    "sys/policies/acl/extra": {"text": ["policy"]},
    "sys/policy/extra": {"text": ["policy", "rules"]},
    "sys/renew": {**LEASE, **INCREMENT},
    "sys/revoke": {**LEASE, **SYNC},
    "sys/revoke-force/secret": SYNC,
    "sys/revoke-prefix/secret": SYNC,
}
# Those that read: a parameter that comes twice is a list.
QUERIES = ["auth/token/lookup?token=a&token=b", "sys/events/explain/*?path=a&path=b", "sys/events/explain/*?accessor=a&accessor=b",
           "sys/metrics?format=prometheus&format=json", "sys/plugins/catalog/secret/kv?version=v1&version=v2"]


@pytest.fixture(scope="module")
def server(module_servers):
    server = module_servers()
    assert server.request("POST", "auth/token/roles/nightly", {}).status == 204
    return server


def body_of(field, value):
    name, dot, member = field.partition(".")
    return "{" + json.dumps(name) + ":" + (body_of(member, value) if dot else value) + "}"


def refusal(field):
    return f'Field validation failed: error converting input for field "{field}": '


def state_of(server):
    """What a request that is refused must not change."""
    return [server.request(method, path).text for method, path in (
        ("LIST", "auth/token/accessors"), ("GET", "sys/policies/acl/extra"), ("LIST", "sys/policies/acl"),
        ("GET", "auth/token/roles/nightly"), ("GET", "sys/mounts/secret"), ("GET", "sys/mounts/extra"),
        ("GET", "sys/plugins/catalog/secret/extra"))]


def comparable(texts):
    """Without what differs from one answer to the next."""
    return [{key: value for key, value in json.loads(text).items() if key != "request_id"} for text in texts]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_field_refuses_every_wrong_type(server, path):
    before = comparable(state_of(server))
    for kind, fields in ENDPOINTS[path].items():
        for field in fields:
            for value in WRONG[kind]:
                answer = server.request("POST", path, raw=body_of(field, value))
                assert answer.status == 400, (field, value, answer.text)
                assert answer.json["errors"][0].startswith(refusal(field)), (field, value, answer.text)
    assert comparable(state_of(server)) == before


def test_a_number_is_a_text_as_in_vault(server):
    answer = server.request("POST", "sys/mounts/extra", {"type": 5})
    assert (answer.status, answer.json["errors"]) == (400, ["plugin not found in the catalog: 5"])
    answer = server.request("POST", "sys/policies/acl/extra", {"policy": 5})
    assert answer.status == 400
    assert answer.json["errors"][0].startswith("failed to parse policy: At 1:1: expected a name"), answer.text


@pytest.mark.parametrize("path", QUERIES)
def test_a_parameter_that_comes_twice_is_no_text(server, path):
    answer = server.request("GET", path)
    assert answer.status == 400, answer.text
    assert answer.json["errors"][0].startswith(refusal(path.split("&")[1].split("=")[0]))


@pytest.mark.parametrize("policies", ['{"limited":true}', "1", "true", '[["limited"]]', '[{"name":"limited"}]', "[1]", "[null]", '[""]', '","'])
def test_no_token_is_made_of_policies_that_are_no_list_of_names(server, policies):
    before = server.request("LIST", "auth/token/accessors").data["keys"]
    answer = server.request("POST", "auth/token/create", raw=f'{{"policies":{policies}}}')
    assert (answer.status, answer.json["errors"][0].startswith(refusal("policies"))) == (400, True), answer.text
    assert server.request("LIST", "auth/token/accessors").data["keys"] == before


@pytest.mark.parametrize("policies", ['["limited"]', '"limited"', '"limited,"', '["limited","limited"]'])
def test_a_token_has_the_policies_that_it_was_given(server, policies):
    answer = server.request("POST", "auth/token/create", raw=f'{{"policies":{policies}}}')
    assert answer.json["auth"]["policies"] == ["default", "limited"]


@pytest.mark.parametrize("field", sorted({f for endpoint in ENDPOINTS.values() for fields in endpoint.values() for f in fields}))
def test_null_is_as_good_as_nothing(server, field):
    for path, kinds in ENDPOINTS.items():
        if not any(field in fields for fields in kinds.values()) or path.startswith("sys/plugins/reload/"):
            continue
        answer = server.request("POST", path, raw=body_of(field, "null"))
        assert "Field validation failed" not in answer.text, (path, answer.text)


def test_a_text_id_is_needed_for_a_token_of_ones_own(server):
    answer = server.request("POST", "auth/token/create", raw='{"id":[]}')
    assert (answer.status, answer.json["errors"][0].startswith(refusal("id"))) == (400, True), answer.text


def test_a_mount_whose_options_are_no_map_is_not_made(server):
    answer = server.request("POST", "sys/mounts/listed", raw='{"type":"kv","options":["version=2"]}')
    assert (answer.status, answer.json["errors"][0].startswith(refusal("options"))) == (400, True), answer.text
    assert server.request("GET", "sys/mounts/listed").status == 400


@pytest.mark.parametrize("allowed", ["1", '[["limited"]]', '{"limited":true}', '[""]'])
@pytest.mark.parametrize("field", ROLE["list"])
def test_a_bound_of_a_role_is_never_dropped(server, field, allowed):
    answer = server.request("POST", "auth/token/roles/bounded", raw=f'{{"{field}":{allowed}}}')
    assert (answer.status, answer.json["errors"][0].startswith(refusal(field))) == (400, True), answer.text
    assert server.request("GET", "auth/token/roles/bounded").status == 404


def test_unknown_fields_are_ignored(server):
    assert server.request("POST", "auth/token/create", {"policies": ["limited"], "nonsense": [[1]]}).status == 200
    assert server.request("POST", "sys/policies/acl/extra", {"policy": "", "nonsense": {"a": 1}}).status in (204, 400)


def test_a_large_body_is_held_to_the_same_types(server):
    answer = server.request("POST", "auth/token/create", raw=json.dumps({"padding": "x" * 100_000, "policies": [1]}))
    assert (answer.status, answer.json["errors"][0].startswith(refusal("policies"))) == (400, True), answer.text


def test_a_version_that_is_not_in_the_catalog_is_named(server):
    answer = server.request("POST", "sys/mounts/secret/tune", {"plugin_version": "v9.9.9"})
    assert answer.status == 400
    assert "v9.9.9" in answer.json["errors"][0] and "No secret engine mount" not in answer.text
    assert server.request("PUT", "secret/data/still-there", {"data": {"a": "b"}}).status == 200
    missing = server.request("POST", "sys/mounts/nowhere/tune", {"plugin_version": "v9.9.9"})
    assert (missing.status, missing.json["errors"]) == (400, ["No secret engine mount at nowhere/"])
