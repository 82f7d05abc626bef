"""The command line sends, shows and stores a path in its one clean spelling, however it was typed."""

import random

import pytest

SPELLINGS = ["secret/a//b///c", "/secret/a/b/c", "secret/a/b/c/", "//secret//a/./b/c//", "secret/a/x/../b/c", " secret/a/b/c\n"]


@pytest.fixture(scope="module")
def server(module_servers):
    return module_servers()


def keys(server, path="secret/metadata/"):
    answer = server.request("LIST", path)
    return answer.data["keys"] if answer.status == 200 else []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret(server, spelling):
    put = server.cli("kv", "put", spelling, "x=1")
    assert "\nsecret/data/a/b/c\n" in put.stdout
    assert server.cli("kv", "get", "-field=x", "secret/a/b/c").stdout == "1"
    assert server.cli("kv", "get", "-field=x", spelling).stdout == "1"
    assert server.cli("kv", "list", spelling.strip().rstrip("c/")).stdout == "Keys\n----\nc\n"
    server.cli("kv", "patch", spelling, "x=2")
    server.cli("kv", "delete", spelling)
    server.cli("kv", "undelete", "-versions=1", spelling)
    server.cli("kv", "destroy", "-versions=1", spelling)
    assert "\nsecret/metadata/a/b/c\n" in server.cli("kv", "metadata", "get", spelling).stdout
    server.cli("kv", "metadata", "delete", spelling)
    assert keys(server) == []


def test_random_spellings(server):
    """Whatever is typed for a/b/c, this is the key that is there afterwards, and no other."""
    draw = random.Random(11)
    for _ in range(15):
        parts = []
        for segment in "abc":
            parts += draw.choices(["", ".", "x/..", "./", ""], k=draw.randrange(3)) + [segment]
        spelling = "/".join(["secret", *parts]) + "/" * draw.randrange(3)
        server.cli("kv", "put", spelling, "x=1")
        assert (keys(server), keys(server, "secret/metadata/a"), keys(server, "secret/metadata/a/b")) == (["a/"], ["b/"], ["c"]), spelling
        server.cli("kv", "metadata", "delete", "secret/a/b/c")


def test_a_mount_of_a_flag(server):
    for mount in "secret", "/secret/", "//secret":
        assert "\nsecret/data/k\n" in server.cli("kv", "put", f"-mount={mount}", "/k/", "x=1").stdout
    server.cli("kv", "metadata", "delete", "secret/k")


@pytest.mark.parametrize("arguments", [("kv", "get", "../x"), ("kv", "get", "secret/../.."), ("kv", "get", "-mount=secret", "../other"),
                                       ("kv", "put", "-mount=..", "a", "x=1"), ("secrets", "disable", "secret/../.."),
                                       ("secrets", "enable", "-path=../x", "kv"), ("events", "subscribe", "../kv*"),
                                       ("events", "explain", "kv/../..")], ids=" ".join)
def test_a_path_that_leaves_itself_is_refused(server, arguments):
    result = server.cli(*arguments, check=False)
    assert result.returncode == 1 and result.stdout == "" and '".." leads out of it' in result.stderr


@pytest.mark.parametrize("arguments", [("kv", "get", ""), ("kv", "get", "//"), ("kv", "put", " ", "x=1"), ("secrets", "disable", "/"),
                                       ("secrets", "enable", "-path=/", "kv"), ("events", "subscribe", "/"), ("events", "explain", "")],
                         ids=ascii)
def test_a_path_of_which_nothing_is_left_is_refused(server, arguments):
    result = server.cli(*arguments, check=False)
    assert result.returncode == 1 and result.stdout == "" and "must not be empty" in result.stderr


def test_mounts(server):
    assert server.cli("secrets", "enable", "-path=//team//one/", "kv").stdout.endswith(" at: team/one/\n")
    assert "team/one/" in server.request("GET", "sys/mounts").data
    assert server.cli("secrets", "disable", "/team///one").stdout.endswith(": team/one/\n")
    assert "team/one/" not in server.request("GET", "sys/mounts").data
