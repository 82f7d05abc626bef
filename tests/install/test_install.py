"""A project that knows only the installed package builds a plugin, tests it, and Belfry runs it."""

import pathlib
import shutil
import subprocess

import packaging_of_sdk as package
import pytest

CONSUMER = pathlib.Path(__file__).parent / "consumer"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("consumer")
    package.build(CONSUMER, out)
    return out


def test_only_public_headers_are_installed():
    headers = [file.relative_to(package.installed()).as_posix() for file in package.installed().rglob("*.h")]
    assert headers
    assert [h for h in headers if not h.startswith("include/belfry/")] == []
    assert not list(package.installed().rglob("*.proto"))


def test_no_installed_header_shows_protobuf_or_grpc():
    for header in package.installed().rglob("*.h"):
        text = header.read_text()
        assert "google/protobuf" not in text and "grpc" not in text.replace("gRPC", ""), header


def test_no_path_of_the_build_is_in_the_package_files():
    for file in package.installed().rglob("*.cmake"):
        assert str(package.ROOT) not in file.read_text(), file


def test_the_consumers_own_test_passes(built):
    package.run(["ctest", "--test-dir", str(built), "--output-on-failure", "--no-tests=error"])


def test_run_by_hand_the_plugin_says_what_it_is(built):
    result = subprocess.run([built / "belfry-counter"], capture_output=True, text=True, timeout=package.PATIENCE)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "plugin" in result.stderr


def test_the_plugin_serves_under_belfry(built, start_server, tmp_path):
    shutil.copy(built / "belfry-counter", tmp_path / "counter")
    server = start_server(plugin_dir=tmp_path)
    assert server.request("POST", "sys/mounts/c", {"type": "counter"}).status == 204
    assert server.request("PUT", "c/counters/a", {"by": 42}).status == 204
    assert server.request("GET", "c/counters/a").data == {"count": 42}
