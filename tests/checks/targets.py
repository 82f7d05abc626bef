"""Reads the belfry_… calls of all CMakeLists.txt: which target holds which file and names which others."""

import dataclasses
import pathlib
import re

FOLDERS = ("cmake", "base", "proto", "sdk", "server", "cli", "plugins", "tests")
CALL = re.compile(r"\bbelfry_(library|binary|test|fuzz|proto)\(([^)]*)\)")
LISTS = {"HDRS", "SRCS", "DEPS", "PRIVATE_DEPS", "PROTOS", "DEFINES"}
WORDS = {"NAME", "OUTPUT", "DIRECTORY", "INCLUDES", "ENVIRONMENT"} | LISTS


@dataclasses.dataclass
class Target:
    kind: str  # library, binary, test, fuzz, proto, or services: what a proto makes besides its messages
    name: str
    folder: str  # from the root of the project
    hdrs: list  # paths from the root of the project
    srcs: list
    deps: list  # ":bus" is ours, other names are not
    private_deps: list
    defines: list = dataclasses.field(default_factory=list)


def below(folder, files):
    """The files as paths from the root; `../include/x.h` of sdk/src is sdk/include/x.h."""
    paths = []
    for file in files:
        parts = folder.split("/")
        for part in file.split("/"):
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        paths.append("/".join(parts))
    return paths


def parse(text, folder):
    """The targets of one CMakeLists.txt."""
    targets = []
    for kind, body in CALL.findall(re.sub(r"#.*", "", text)):
        values, word = {}, None
        for token in body.split():
            if token in WORDS:
                word = token
                values[word] = []
            elif word:
                values[word].append(token)
        targets.append(Target(kind, values["NAME"][0], folder, below(folder, values.get("HDRS", [])),
                              below(folder, values.get("SRCS", []) + values.get("PROTOS", [])),
                              values.get("DEPS", []), values.get("PRIVATE_DEPS", []), values.get("DEFINES", [])))
    return targets


def read(root):
    """All targets below `root`, by name."""
    root = pathlib.Path(root)
    targets = {}
    for top in FOLDERS:
        for file in sorted((root / top).rglob("CMakeLists.txt")):
            for target in parse(file.read_text(), file.parent.relative_to(root).as_posix()):
                # A program may bear the name of its library.
                targets[target.name if target.kind != "binary" else target.name + "_binary"] = target
                if target.kind == "proto":
                    services = target.name + "_services"
                    targets[services] = Target("services", services, target.folder, [], [], [":" + target.name], [])
    return targets
