"""A plugin in Python, on a library that others wrote (PyPI's python-plugin), under our host."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import PATIENCE, ROOT, descendants

SOURCE = ROOT / "tests/interop/python_plugin"


@pytest.fixture(scope="session")
def python_plugin():
    """A folder with the plugin as `texts`; its packages have a place of their own, made once."""
    folder = ROOT / "build/interop/python"
    wanted, made = SOURCE / "requirements.txt", folder / "requirements.txt"
    if not made.exists() or made.read_text() != wanted.read_text():
        subprocess.run(["python3", "-m", "venv", "--clear", folder / "venv"], check=True)
        subprocess.run([folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted], check=True)
        made.write_text(wanted.read_text())
    descriptors, plugins = folder / "descriptors", folder / "plugins"
    subprocess.run(["protoc", f"-I{ROOT}", "--include_imports", f"--descriptor_set_out={descriptors}", "proto/vault/backend.proto"],
                   check=True, cwd=ROOT)
    plugins.mkdir(exist_ok=True)
    program = plugins / "texts"
    program.write_text(f"#!/bin/sh\nexec '{folder}/venv/bin/python' -B '{SOURCE}/plugin.py' '{descriptors}'\n")
    program.chmod(0o755)
    return plugins


@pytest.fixture
def host(start_server, python_plugin):
    server = start_server(plugin_dir=python_plugin)
    answer = server.request("POST", "sys/mounts/py", {"type": "texts"})
    assert answer.status == 204, answer.text
    return server


def interpreters(host):
    return [pid for pid, name in descendants(host.process.pid) if name.startswith("python")]


def test_it_shakes_hands_and_answers_over_mutual_tls(host):
    assert host.request("PUT", "py/texts/a", {"text": "grüße"}).status == 204
    assert host.request("GET", "py/texts/a").data["text"] == "grüße"
    assert host.request("GET", "py/texts/b").status == 404
    assert host.request("GET", "py/elsewhere").json["errors"] == ["1 error occurred:\n\t* unsupported path\n\n"]
    environment = pathlib.Path(f"/proc/{interpreters(host)[0]}/environ").read_text()
    assert "PLUGIN_CLIENT_CERT=-----BEGIN CERTIFICATE-----" in environment


def test_its_events_reach_subscribers_as_those_of_its_mount(host):
    with host.subscribe("texts/*") as subscriber:
        for operation in ("create", "update"):
            host.request("PUT", "py/texts/a", {"text": operation})
            event = json.loads(subscriber.recv(timeout=PATIENCE))["data"]
            assert event["event_type"] == f"texts/{operation}"
            assert event["event"]["metadata"]["data_path"] == "py/texts/a"
            assert (event["plugin_info"]["mount_path"], event["plugin_info"]["plugin"]) == ("py/", "texts")


def test_without_the_multiplexing_service_each_mount_has_a_process(host):
    assert host.request("POST", "sys/mounts/py2", {"type": "texts"}).status == 204
    assert len(interpreters(host)) == 2
    host.request("PUT", "py/texts/a", {"text": "first"})
    assert host.request("GET", "py2/texts/a").status == 404


def test_killed_it_is_back_for_the_next_request(host):
    host.request("PUT", "py/texts/a", {"text": "kept"})
    (before,) = interpreters(host)
    os.kill(before, signal.SIGKILL)
    assert host.request("GET", "py/texts/a").data["text"] == "kept"
    assert before not in interpreters(host)
