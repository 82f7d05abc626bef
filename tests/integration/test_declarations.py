"""What a plugin declares is what holds under the server: contradictions keep it from starting, and errors repeat nothing of what was given."""

import random
import re
import shutil

import pytest

from conftest import BIN, eventually

TRIAL = BIN / "test-plugins" / "belfry-trial"


@pytest.fixture
def author(start_server, tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name in ["trial", "trial-twice"]:
        shutil.copy(TRIAL, folder / name)
    server = start_server("-log-level=debug", plugin_dir=folder)
    assert server.request("POST", "sys/mounts/t", {"type": "trial"}).status == 204
    return server


def test_a_plugin_that_describes_a_path_twice_does_not_start_and_the_operator_reads_both_places(author):
    refused = author.request("POST", "sys/mounts/u", {"type": "trial-twice"})
    assert refused.status == 400
    said = r'path \\*"same\\*" \(main.cc:\d+\) is described already by path \\*"same\\*" \(main.cc:\d+\)'
    assert re.search(said, refused.json["errors"][0])
    assert re.search(said, author.log_text())


@pytest.mark.parametrize("path, why", [
    ("tickets/alice@x", "{name}, which takes letters, digits"),
    ("tickets/alice/x", "or the end, not"),
    ("ticket/alice", "after"),
])
def test_of_a_path_that_no_pattern_matches_the_log_has_the_nearest(author, path, why):
    answer = author.request("GET", f"t/{path}")
    assert (answer.status, answer.json["errors"]) == (404, ["1 error occurred:\n\t* unsupported path\n\n"])
    assert eventually(lambda: any(all(part in line for part in ["DEBUG", "no path matches", path, "tickets/{name}", why])
                                  for line in author.log_text().splitlines()))


def wrong_values(secret):
    return [secret, [secret], {"a": secret}, {"a": [secret]}, [[secret]], {secret: [1]}, [{"a": {secret: secret}}], [1, secret]]


def test_no_error_about_a_field_repeats_anything_of_its_value(author):
    secret = f"S3CRET{random.randrange(10**9, 10**10)}"
    refused = 0
    for field in ["seat", "integer", "number", "boolean", "duration", "time", "strings", "integers", "map", "object"]:
        for value in wrong_values(secret):
            answer = author.request("PUT", "t/tickets/a", {"seat": "stalls", field: value})
            refused += answer.status == 400
            assert secret not in answer.text and secret[6:] not in answer.text, (field, value)
            assert "strconv" not in answer.text
            if answer.status == 400:
                assert f'"{field}"' in answer.json["errors"][0]
    assert refused > 50
    assert secret not in author.log_text()


def test_what_is_not_among_the_allowed_values_is_refused(author):
    assert author.request("PUT", "t/tickets/a", {"seat": "balcony"}).status == 204
    answer = author.request("PUT", "t/tickets/a", {"seat": "gallery"})
    assert answer.json["errors"] == ['Field validation failed: field "seat": expected one of "stalls", "balcony"']


def test_fields_are_in_openapi_with_the_operations_that_they_belong_to(author):
    (item,) = author.request("GET", "t/tickets/a?help=1").json["openapi"]["paths"].values()
    assert [parameter["name"] for parameter in item["get"]["parameters"]] == ["language"]
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "language" not in schema["properties"] and "integer" in schema["properties"]
    assert schema["required"] == ["seat"]
    assert schema["properties"]["seat"]["enum"] == ["stalls", "balcony"]
    assert author.request("GET", "t/tickets/a").status == 204


def test_kv_offers_no_field_of_writes_to_readers(server):
    def query(path):
        (item,) = server.request("GET", f"secret/{path}?help=1").json["openapi"]["paths"].values()
        return [parameter["name"] for parameter in item["get"]["parameters"]]
    assert query("data/a") == ["version"]
    assert query("metadata/a") == ["exclude_deleted", "list"]
    assert query("subkeys/a") == ["version", "depth"]
