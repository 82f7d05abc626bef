#!/usr/bin/env python3
"""Holds the BUILD files of bazel-compat to what CMake lists: the same targets with the same sources and dependencies.

usage: bazel_parity.py [ROOT]     prints each difference and fails if there is one; needs no Bazel
"""

import ast
import pathlib
import sys

import targets

# Targets of the packages that Bazel does not build, and why.
LEFT_OUT = {
    "base": "of server/base, only what the SDK shares is built with Bazel",
    "base_glob": "as base",
    "base_test": "as base",
    "base_testing": "as base",
    "awkward_plugin_binary": "serve_test starts it from CMake's output folder",
    "lending_plugin_binary": "tests/interop starts it from CMake's output folder",
    "sdk_plugin_process": "as awkward_plugin_binary",
    "serve_test": "as awkward_plugin_binary",
}
FIELDS = ("kind", "srcs", "hdrs", "deps", "private_deps")


def read_build(text, package):
    """The belfry_… calls of one BUILD file, as targets.Target by name."""
    found = {}
    for statement in ast.parse(text).body:
        call = statement.value
        if not call.func.id.startswith("belfry_"):
            continue
        values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        files = {key: [f"{package}/{file}" for file in values.get(key, [])] for key in ("hdrs", "srcs", "protos")}
        found[values["name"]] = targets.Target(call.func.id[len("belfry_"):], values["name"], package, files["hdrs"],
                                               files["srcs"] + files["protos"], values.get("deps", []),
                                               values.get("private_deps", []))
    return found


def differences(cmake, bazel, packages):
    """What differs, one sentence each. Order within a list does not matter."""
    said = []
    expected = {name: target for name, target in cmake.items()
                if name not in LEFT_OUT and any(f"{target.folder}/".startswith(f"{package}/") for package in packages)}
    said += [f"{name}: only CMake has it" for name in sorted(expected.keys() - bazel.keys())]
    said += [f"{name}: only Bazel has it" for name in sorted(bazel.keys() - expected.keys())]
    said += [f"{name}: is left out, but is no target" for name in sorted(LEFT_OUT.keys() - cmake.keys())]
    for name in sorted(expected.keys() & bazel.keys()):
        for field in FIELDS:
            ours, theirs = getattr(expected[name], field), getattr(bazel[name], field)
            if field == "kind":
                ours, theirs = [ours], [theirs]
            said += [f"{name}: {field} lacks {item} in Bazel" for item in sorted(set(ours) - set(theirs))]
            said += [f"{name}: {field} has {item} in Bazel only" for item in sorted(set(theirs) - set(ours))]
    return said


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    bazel, packages = {}, []
    for file in sorted((root / "bazel-compat").rglob("BUILD")):
        package = file.parent.relative_to(root / "bazel-compat").as_posix()
        packages.append(package)
        bazel.update(read_build(file.read_text(), package))
    said = differences(targets.read(root), bazel, packages)
    print("\n".join(said))
    sys.exit(1 if said or not packages else 0)


if __name__ == "__main__":
    main()
