"""What README.md and docs/ show is compiled, tested and run as it stands there."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import BIN, ROOT, Lines, eventually
import messages
import metrics
from document import read
from terminal import Terminal

sys.path.insert(0, str(ROOT / "tests/install"))
import packaging_of_sdk as package
sys.path.insert(0, str(ROOT / "tests/checks"))
import rooms

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Shown, and neither code of ours nor commands: drawings, messages, transcripts.
SHOWN = {"", "text", "json", "proto"}


@pytest.fixture
def terminal(tmp_path_factory):
    # Socket paths are limited to 107 bytes, and pytest's own folders are long.
    folder = pathlib.Path(package.run(["mktemp", "-d", "/tmp/belfry-doc.XXXXXX"]).strip())
    environment = package.environment()
    environment.setdefault("CCACHE_DIR", os.path.expanduser("~/.cache/ccache"))
    home = tmp_path_factory.mktemp("home")
    (home / "belfry").symlink_to(package.installed())
    opened = Terminal(folder, dict(environment, HOME=str(home)))
    yield opened
    opened.close()
    shutil.rmtree(folder, ignore_errors=True)


def blocks_of(document):
    return read(ROOT / document, ROOT)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_has_something_that_tries_it(document):
    tried = {"README.md", "docs/events.md", "docs/operations.md", "docs/plugin_guide.md"}
    for block in read(document, ROOT):
        if block.kind in SHOWN or block.not_run:
            continue
        assert block.file or block.kind in ("cpp", "cmake", "console"), f"{block.place}: nothing tries a {block.kind} block"
        assert document.relative_to(ROOT).as_posix() in tried, f"{block.place}: nothing tries the blocks of this document"


def test_the_guide_works_from_its_first_line_to_its_last(terminal):
    for block in blocks_of("docs/plugin_guide.md"):
        if block.file:
            (terminal.folder / block.file).write_text(block.text)
        elif block.kind == "console" and not block.not_run:
            terminal.run(block)
        else:
            assert block.kind in SHOWN or block.not_run, f"{block.place}: a {block.kind} block that is no file"
    terminal.await_expected()


def test_the_plugin_of_the_readme_serves(terminal, start_server):
    (program,) = [block for block in blocks_of("README.md") if block.kind == "cpp"]
    (terminal.folder / "notes.cc").write_text(program.text)
    (terminal.folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(notes LANGUAGES CXX)\nset(CMAKE_CXX_STANDARD 20)\n"
        "find_package(belfry REQUIRED)\nadd_executable(readme notes.cc)\ntarget_link_libraries(readme belfry::sdk)\n"
        "set_target_properties(readme PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)\n")
    out = terminal.folder / "build"
    package.build(terminal.folder, out)
    server = start_server(plugin_dir=out / "plugins")
    assert server.request("POST", "sys/mounts/n", {"type": "readme"}).status == 204
    assert server.request("PUT", "n/notes/a", {"text": "hi"}).status == 204
    assert server.request("GET", "n/notes/a").data == {"text": "hi"}


def test_the_commands_of_the_readme_run(terminal):
    terminal.start_server("belfry server -dev -dev-root-token-id=root")
    terminal.environment |= {"VAULT_ADDR": terminal.address, "VAULT_TOKEN": "root"}
    ran = 0
    for block in blocks_of("README.md"):
        if block.kind == "console" and not block.not_run:
            terminal.run(block)
            ran += 1
    assert ran
    terminal.await_expected()


def test_the_shell_of_the_subscribers_guide_sees_a_change(terminal):
    ran = 0
    for block in blocks_of("docs/events.md"):
        if block.file:
            (terminal.folder / block.file).write_text(block.text)
        elif block.kind == "console" and not block.not_run:
            terminal.run(block)
            ran += 1
    assert ran >= 3
    terminal.await_expected()


def go_subscriber(folder):
    go = os.environ.get("BELFRY_GO") or shutil.which("go")
    if not go:
        pytest.skip("needs Go 1.26 (`./dev test` looks for it)")
    for file in ("go.mod", "go.sum"):
        shutil.copy(ROOT / "tests/documents/subscriber" / file, folder)
    subprocess.run([go, "build", "-buildvcs=false", "-o", "subscriber", "."], cwd=folder, check=True)
    return [folder / "subscriber"]


# How each program of the guide is run, once its file is in a folder.
SUBSCRIBERS = {"subscriber.py": lambda folder: [sys.executable, folder / "subscriber.py"],
               "main.go": go_subscriber,
               "subscriber.js": lambda folder: ["node", folder / "subscriber.js"]}


# Those that go on where they were.
RESUMING = ("subscriber.py", "main.go")


@contextlib.contextmanager
def running(program, server, folder):
    # Where Debian keeps the packages of Node.js.
    environment = dict(os.environ, VAULT_ADDR=f"http://{server.address}", VAULT_TOKEN="root", NODE_PATH="/usr/share/nodejs")
    process = subprocess.Popen(program, env=environment, text=True, stdout=subprocess.PIPE, cwd=folder)
    try:
        lines = Lines(process.stdout)
        lines.until("^connected$")
        yield lines
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("file", SUBSCRIBERS)
def test_each_subscriber_of_the_guide_sees_a_change(file, server, tmp_path):
    (source,) = [block for block in blocks_of("docs/events.md") if block.file == file]
    (tmp_path / file).write_text(source.text)
    program = SUBSCRIBERS[file](tmp_path)

    def change(key):
        assert server.request("POST", f"secret/data/app/{key}", {"data": {"a": "b"}}).status == 200

    with running(program, server, tmp_path) as lines:
        if file in RESUMING:
            # The bookmark of where it began.
            assert eventually((tmp_path / "cursor").exists)
        change("db")
        assert lines.next() == "kv-v2/data-write secret/data/app/db"
        if file in RESUMING:
            first = (tmp_path / "cursor").read_text()
            change("next")
            assert lines.next() == "kv-v2/data-write secret/data/app/next"
            assert eventually(lambda: (tmp_path / "cursor").read_text() != first)
    if file not in RESUMING:
        return
    change("while-nobody-listened")
    with running(program, server, tmp_path) as lines:
        missed = lines.next()
        # It may have been killed before it had kept the cursor: then the last one comes again.
        if missed == "kv-v2/data-write secret/data/app/next":
            missed = lines.next()
        assert missed == "kv-v2/data-write secret/data/app/while-nobody-listened"


def test_every_program_of_the_subscribers_guide_is_run():
    programs = [block.file for block in blocks_of("docs/events.md") if block.kind in ("python", "go", "javascript")]
    assert sorted(programs) == sorted(SUBSCRIBERS)


def test_the_metrics_of_the_operations_page_are_those_of_the_sources():
    _, written, _ = metrics.split(metrics.DOCUMENT.read_text())
    assert written == metrics.table(), "run python3 tests/documents/metrics.py"


def test_every_metric_of_a_running_server_is_on_the_operations_page(server):
    shown = re.findall(r"^# TYPE (\w+) (\w+)$", server.request("GET", "sys/metrics?format=prometheus").text, re.M)
    assert shown
    known = metrics.metrics()
    for name, kind in shown:
        assert name in known and known[name][0] == kind


def test_the_configuration_of_the_operations_page_is_one(tmp_path):
    (example,) = [block for block in blocks_of("docs/operations.md") if block.file == "belfry.hcl"]
    (tmp_path / example.file).write_text(example.text)
    checked = subprocess.run([BIN / "belfry", "operator", "config", "check", tmp_path / example.file], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_operations_page_lists_the_keys_of_a_configuration():
    tables = (ROOT / "server/configuration_keys.cc").read_text()
    known = set(re.findall(r'^    \{"(\w+)", ', tables, re.M))
    section = (ROOT / "docs/operations.md").read_text().split("\n## Configuration\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)`", section, re.M)
    assert len(known) > 30 and sorted(listed) == sorted(known)


def test_the_protocols_appendix_is_what_the_proto_files_say():
    _, written, _ = messages.split(messages.DOCUMENT.read_text())
    assert written == messages.appendix(), "run build/venv/bin/python tests/documents/messages.py"


def test_the_architecture_page_says_what_the_check_of_rooms_holds():
    rows = {}
    for line in (ROOT / "docs/architecture.md").read_text().splitlines():
        row = re.match(r"\| `([^`]+)` \| .* \| ([^|]*)\|$", line)
        if row:
            rows[row[1]] = set(re.findall(r"`([^`]+)`", row[2]))
    expected = {room: used for room, used in rooms.MAY_USE.items() if room not in ("cmake/boost", "server", "plugins/kv", "plugins/notes")}
    expected["plugins/*"] = rooms.MAY_USE["plugins/kv"] | rooms.MAY_USE["plugins/notes"]
    assert rooms.MAY_USE["server"] == {"base"} | {room for room in rooms.MAY_USE if room.startswith("server/")}
    assert rows.pop("server") == {"base"}
    assert rows == expected


def test_every_test_that_the_threat_model_names_exists():
    text = (ROOT / "docs/threat_model.md").read_text()
    named = re.findall(r"`(\w+): (\w+)`", text)
    assert named
    files = {file.stem: file.read_text() for ending in ("*.cc", "*.py", "*.go") for top in ("base", "sdk", "server", "cli", "plugins", "tests")
             for file in (ROOT / top).rglob(ending)}
    for file, name in named:
        assert file in files, f"{file}: no such file"
        assert re.search(rf"\b{name}\b", files[file]), f"{file}: no test {name}"
    for row in re.findall(r"^\|.*\|$", text, re.M):
        assert re.match(r"\| (Tries|---)", row) or re.search(r"`\w+: \w+`", row), f"names no test: {row}"


def anchors(document):
    """What a heading can be linked to by, as GitHub derives it."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_within_the_tree_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), f"{document}: {target}"
        assert not anchor or anchor in anchors(file), f"{document}: {target}"
