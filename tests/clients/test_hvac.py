"""hvac, PyPI's client for Vault, unmodified: every method of its classes for kv, and those of the system backend that there is something to
ask for here."""

import datetime
import warnings

import hvac
import pytest
from hvac import exceptions

from conftest import PATIENCE


@pytest.fixture
def client(server):
    client = hvac.Client(url=f"http://{server.address}", token="root", timeout=PATIENCE)
    yield client
    client.adapter.close()


@pytest.fixture
def kv(client):
    return client.secrets.kv.v2


@pytest.fixture
def kv1(client):
    client.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
    return client.secrets.kv.v1


def put(kv, path, secret, **options):
    return kv.create_or_update_secret(path, secret, **options)["data"]["version"]


def stands(kv, path, version=None):
    """What a version holds."""
    return kv.read_secret_version(path, version=version, raise_on_deleted_version=True)["data"]["data"]


def refused(kind, text):
    """An exception of exactly this kind with exactly this text from the server."""
    def check(call, *arguments, **named):
        with pytest.raises(exceptions.VaultError) as error:
            call(*arguments, **named)
        assert type(error.value) is kind
        assert error.value.errors == ([text] if text else error.value.errors)
        return error.value

    return check


def is_time(text):
    return datetime.datetime.fromisoformat(text[:26].rstrip("Z")).year > 2000 and text.endswith("Z")


# ---- KvV1 ----------------------------------------------------------------------------------------

def test_version_1_reads_what_it_wrote(kv1):
    secret = {"user": "joe", "port": 5432, "nested": {"a": [1, None, "ü"], "f": 1.5}}
    assert kv1.create_or_update_secret("app/db", secret, mount_point="old").status_code == 204
    answer = kv1.read_secret("app/db", mount_point="old")
    assert answer["data"] == secret
    assert (answer["lease_duration"], answer["renewable"], answer["lease_id"]) == (2764800, False, "")


@pytest.mark.parametrize("method", [None, "POST", "PUT"])
def test_version_1_replaces_the_whole_secret_by_any_method(kv1, method):
    for secret in ({"a": "1"}, {"b": "2"}):
        kv1.create_or_update_secret("a", secret, method=method, mount_point="old")
    assert kv1.read_secret("a", mount_point="old")["data"] == {"b": "2"}


def test_version_1_lists_and_deletes(kv1):
    for path in ("a", "b/c", "b/d"):
        kv1.create_or_update_secret(path, {"x": 1}, mount_point="old")
    assert kv1.list_secrets("", mount_point="old")["data"]["keys"] == ["a", "b/"]
    assert kv1.list_secrets("b", mount_point="old")["data"]["keys"] == ["c", "d"]
    assert kv1.delete_secret("b/c", mount_point="old").status_code == 204
    assert kv1.delete_secret("b/c", mount_point="old").status_code == 204
    refused(exceptions.InvalidPath, "")(kv1.read_secret, "b/c", mount_point="old")
    refused(exceptions.InvalidPath, "")(kv1.list_secrets, "none", mount_point="old")


def test_version_1_refuses_nothing_as_a_secret(kv1):
    refused(exceptions.InvalidRequest, "missing data fields")(kv1.create_or_update_secret, "a", {}, mount_point="old")


# ---- KvV2 ----------------------------------------------------------------------------------------

def test_the_configuration_is_read_as_it_was_written(kv):
    assert kv.read_configuration()["data"] == {"cas_required": False, "delete_version_after": "0s", "max_versions": 0}
    assert kv.configure(max_versions=5, cas_required=True, delete_version_after="90m").status_code == 204
    assert kv.read_configuration()["data"] == {"cas_required": True, "delete_version_after": "1h30m0s", "max_versions": 5}
    refused(exceptions.InvalidRequest, "check-and-set parameter required for this call")(kv.create_or_update_secret, "a", {"n": 1})
    kv.configure(cas_required=False)
    assert kv.read_configuration()["data"] == {"cas_required": False, "delete_version_after": "0s", "max_versions": 10}


def test_each_write_is_a_new_version(kv):
    written = kv.create_or_update_secret("app/db", {"n": 1})["data"]
    assert is_time(written.pop("created_time"))
    assert written == {"custom_metadata": None, "deletion_time": "", "destroyed": False, "version": 1}
    assert put(kv, "app/db", {"n": 12345678901234567890, "ü": [None, True]}) == 2
    assert kv.read_secret("app/db", raise_on_deleted_version=True)["data"]["data"] == {"n": 12345678901234567890, "ü": [None, True]}
    assert stands(kv, "app/db", 1) == {"n": 1}
    for version in (3, 99):
        refused(exceptions.InvalidPath, "")(kv.read_secret_version, "app/db", version=version, raise_on_deleted_version=True)


def test_check_and_set_lets_only_the_expected_version_through(kv):
    assert put(kv, "a", {"n": 1}, cas=0) == 1
    assert put(kv, "a", {"n": 2}, cas=1) == 2
    for cas in (0, 1, 3, -1):
        refused(exceptions.InvalidRequest, "check-and-set parameter did not match the current version")(
            kv.create_or_update_secret, "a", {"n": 3}, cas=cas)
    assert stands(kv, "a") == {"n": 2}


def test_a_patch_keeps_what_it_does_not_name(kv):
    put(kv, "a", {"x": 1, "y": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert kv.patch("a", {"y": 3, "z": 4})["data"]["version"] == 2
        refused(exceptions.InvalidPath, "")(kv.patch, "nothing", {"x": 1})
    assert stands(kv, "a") == {"x": 1, "y": 3, "z": 4}


def test_what_is_deleted_shows_its_metadata_until_it_is_undeleted(kv):
    for n in (1, 2, 3):
        put(kv, "a", {"n": n})
    assert kv.delete_latest_version_of_secret("a").status_code == 204
    gone = refused(exceptions.InvalidPath, "")(stands, kv, "a")
    assert gone.json["data"]["data"] is None
    shown = kv.read_secret_version("a", raise_on_deleted_version=False)["data"]
    assert shown["data"] is None and shown["metadata"]["version"] == 3 and is_time(shown["metadata"]["deletion_time"])
    assert kv.delete_secret_versions("a", [1, 2]).status_code == 204
    assert kv.undelete_secret_versions("a", [2, 3]).status_code == 204
    assert (stands(kv, "a", 2), stands(kv, "a", 3)) == ({"n": 2}, {"n": 3})
    refused(exceptions.InvalidPath, "")(stands, kv, "a", 1)
    assert kv.delete_secret_versions("nothing", [1]).status_code == 204
    assert kv.delete_latest_version_of_secret("nothing").status_code == 204


def test_what_is_destroyed_stays_so(kv):
    put(kv, "a", {"n": 1})
    put(kv, "a", {"n": 2})
    assert kv.destroy_secret_versions("a", [1]).status_code == 204
    assert kv.undelete_secret_versions("a", [1]).status_code == 204
    refused(exceptions.InvalidPath, "")(stands, kv, "a", 1)
    versions = kv.read_secret_metadata("a")["data"]["versions"]
    assert {number: version["destroyed"] for number, version in versions.items()} == {"1": True, "2": False}


@pytest.mark.parametrize("method", ["delete_secret_versions", "undelete_secret_versions", "destroy_secret_versions"])
def test_versions_are_given_as_a_list(kv, method):
    for versions in ([], 1, "1"):
        with pytest.raises(exceptions.ParamValidationError):
            getattr(kv, method)("a", versions)


def test_keys_are_listed_as_folders(kv):
    for path in ("a", "b/c", "b/d/e", "ü b"):
        put(kv, path, {"n": 1})
    assert kv.list_secrets("")["data"]["keys"] == ["a", "b/", "ü b"]
    assert kv.list_secrets("b")["data"]["keys"] == ["c", "d/"]
    refused(exceptions.InvalidPath, "")(kv.list_secrets, "none")
    assert stands(kv, "ü b") == {"n": 1}


def test_metadata_is_written_read_and_deleted(kv):
    assert kv.update_metadata("a", max_versions=2, cas_required=True, delete_version_after="2h30m", custom_metadata={"owner": "joe"}).status_code == 204
    for n in range(3):
        put(kv, "a", {"n": n}, cas=n)
    metadata = kv.read_secret_metadata("a")["data"]
    assert {name: metadata[name] for name in ("cas_required", "max_versions", "delete_version_after", "custom_metadata")} == {
        "cas_required": True, "max_versions": 2, "delete_version_after": "2h30m0s", "custom_metadata": {"owner": "joe"}}
    assert (metadata["current_version"], metadata["oldest_version"], sorted(metadata["versions"])) == (3, 2, ["2", "3"])
    assert metadata["last_updated_by"] == {"actor": "token", "operation": "update"}
    assert is_time(metadata["created_time"]) and is_time(metadata["updated_time"])
    assert kv.read_secret_version("a", raise_on_deleted_version=True)["data"]["metadata"]["custom_metadata"] == {"owner": "joe"}
    refused(exceptions.InvalidRequest, "1 error occurred:\n\t* custom_metadata validation failed: length of value for key \"k\" is 0 but must be "
            "0 < len(value) <= 512\n\n")(kv.update_metadata, "a", custom_metadata={"k": ""})
    assert kv.delete_metadata_and_all_versions("a").status_code == 204
    refused(exceptions.InvalidPath, "")(kv.read_secret_metadata, "a")
    assert put(kv, "a", {"n": 1}) == 1


def test_metadata_gives_way_only_where_it_is_told_to(kv):
    kv.update_metadata("a", max_versions=4, custom_metadata={"owner": "joe"})
    kv.update_metadata("a", cas_required=True)
    metadata = kv.read_secret_metadata("a")["data"]
    assert (metadata["max_versions"], metadata["cas_required"], metadata["custom_metadata"]) == (4, True, {"owner": "joe"})


# ---- The system backend --------------------------------------------------------------------------

def test_a_client_is_authenticated_by_its_token(server, client):
    assert client.is_authenticated()
    assert client.lookup_token()["data"]["policies"] == ["root"]
    assert not hvac.Client(url=client.url, token="nobody").is_authenticated()
    refused(exceptions.Forbidden, "permission denied")(hvac.Client(url=client.url, token="").secrets.kv.v2.list_secrets, "")


def test_the_server_is_open_and_well(client):
    assert client.sys.is_initialized() and not client.sys.is_sealed()
    assert client.sys.read_seal_status()["sealed"] is False
    assert client.sys.read_leader_status()["ha_enabled"] is False
    health = client.sys.read_health_status(method="GET")
    assert (health["initialized"], health["sealed"], health["standby"]) == (True, False, False)
    assert client.sys.read_health_status(method="HEAD").status_code == 200


def test_engines_are_enabled_tuned_and_disabled(client):
    assert client.sys.list_mounted_secrets_engines()["secret/"]["options"] == {"version": "2"}
    assert client.sys.retrieve_mount_option("secret", "version") == "2"
    assert client.sys.enable_secrets_engine("kv", path="team", description="the team's", options={"version": "2"}).status_code == 204
    refused(exceptions.InvalidRequest, "path is already in use at team/")(client.sys.enable_secrets_engine, "kv", path="team")
    refused(exceptions.InvalidRequest, "plugin not found in the catalog: nosuch")(client.sys.enable_secrets_engine, "nosuch", path="other")
    assert put(client.secrets.kv.v2, "a", {"n": 1}, mount_point="team") == 1
    assert client.sys.tune_mount_configuration("team", default_lease_ttl="1h", description="everybody's").status_code == 204
    tuned = client.sys.read_mount_configuration("team")["data"]
    assert (tuned["default_lease_ttl"], tuned["description"]) == (3600, "everybody's")
    assert client.sys.disable_secrets_engine("team").status_code == 204
    assert "team/" not in client.sys.list_mounted_secrets_engines()["data"]
    refused(exceptions.InvalidPath, 'no handler for route "team/data/a". route entry not found.')(stands_in, client, "team")


def stands_in(client, mount_point):
    client.secrets.kv.v2.read_secret_version("a", mount_point=mount_point, raise_on_deleted_version=True)


def test_policies_are_written_listed_read_and_deleted(client):
    rules = 'path "secret/data/a" {\n  capabilities = ["read"]\n}\n'
    for write, listed, read, delete, text in (
            (client.sys.create_or_update_policy, client.sys.list_policies, client.sys.read_policy, client.sys.delete_policy, "rules"),
            (client.sys.create_or_update_acl_policy, client.sys.list_acl_policies, client.sys.read_acl_policy, client.sys.delete_acl_policy, "policy")):
        assert write("readers", rules).status_code == 204
        assert listed()["data"]["keys"] == ["default", "readers", "root"]
        assert read("readers")["data"] == {"name": "readers", text: rules}
        assert delete("readers").status_code == 204
        refused(exceptions.InvalidPath, "")(read, "readers")
    assert client.sys.get_capabilities(["secret/data/a"])["data"] == {"capabilities": ["root"], "secret/data/a": ["root"]}


def test_leases_of_what_is_not_leased_are_unknown(client):
    refused(exceptions.InvalidRequest, "")(client.sys.read_lease, "secret/data/a/none")
    refused(exceptions.InvalidPath, "")(client.sys.list_leases, "secret/")
