#!/usr/bin/env python3
"""Writes the BUILD files of this folder from what CMake lists: every room, with the same targets, sources and dependencies.

usage: build_files.py [-check] [ROOT]
  -check   writes nothing; prints each file that differs from what would be written, and fails if there is one
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "checks"))
import targets  # noqa: E402

# CMake's folders below these are one package each: their targets name files beside their own folder.
PACKAGES = ("sdk",)
# The tests that cross rooms start programs, or read files, from CMake's output folder.
FOLDERS = ("cmake", "base", "proto", "sdk", "server", "cli", "plugins")
# Targets of those folders that Bazel does not build, and why.
LEFT_OUT = {
    "access_test": "reads acl_cases.txt by a path that CMake defines",
    "api_test": "reads tests/golden by a path that CMake defines",
    "core_test": "as host_test",
    "encode_test": "as api_test",
    "awkward_plugin_binary": "serve_test starts it from CMake's output folder",
    "host_test": "starts the kv plugin from CMake's output folder",
    "lending_plugin_binary": "tests/interop starts it from CMake's output folder",
    "plugin_host_test": "as host_test",
    "sdk_plugin_process": "as serve_test",
    "serve_test": "starts plugins from CMake's output folder",
    "storage_rocksdb_test": "starts storage_writer from CMake's output folder",
    "storage_writer_binary": "as storage_rocksdb_test",
}
HEAD = '''# Written by bazel-compat/build_files.py.
load("//:belfry.bzl", "belfry_binary", "belfry_library", "belfry_proto", "belfry_test")

package(default_visibility = ["//visibility:public"])
'''


class UnknownDependency(Exception):
    """A target names one that no BUILD file defines."""


def package_of(target):
    return next((package for package in PACKAGES if f"{target.folder}/".startswith(f"{package}/")), target.folder)


def labels(name, target, built):
    """Bazel's labels of the target's dependencies. The system's libraries need none: belfry.bzl links them as a whole."""
    found = []
    for dep in target.deps + target.private_deps:
        if not dep.startswith(":"):
            continue
        if dep[1:] not in built:
            raise UnknownDependency(f"{name}: no BUILD file defines its dependency {dep}")
        package = package_of(built[dep[1:]])
        found.append(dep if package == package_of(target) else f"//{package}{dep}")
    return sorted(set(found))


def written(values):
    """One call's arguments; empty lists are left out."""
    lines = []
    for key, value in values.items():
        if isinstance(value, str):
            lines.append(f'    {key} = "{value}",')
        elif len(value) == 1:
            lines.append(f'    {key} = ["{value[0]}"],')
        elif value:
            lines += [f"    {key} = ["] + [f'        "{item}",' for item in value] + ["    ],"]
    return "\n".join(lines)


def call(name, target, built):
    package = package_of(target)
    srcs, hdrs = (sorted(file[len(package) + 1:] for file in files) for files in (target.srcs, target.hdrs))
    values = {"name": name}
    if target.kind == "proto":
        values["protos"] = srcs
    else:
        if target.kind == "library":
            # What a room keeps to itself its tests may include all the same.
            hdrs, srcs = sorted(hdrs + [file for file in srcs if file.endswith(".h")]), [file for file in srcs if not file.endswith(".h")]
        values |= {"srcs": srcs, "hdrs": hdrs, "defines": target.defines, "deps": labels(name, target, built)}
    return f"\nbelfry_{target.kind}(\n{written(values)}\n)\n"


def build_files(found):
    """The text of each package's BUILD file, by the package's folder; `found` are CMake's targets by name."""
    unknown = LEFT_OUT.keys() - found.keys()
    if unknown:
        raise UnknownDependency(f"left out, but not a target: {', '.join(sorted(unknown))}")
    built = {name: target for name, target in found.items()
             if name not in LEFT_OUT and target.folder.split("/")[0] in FOLDERS}
    texts = {}
    for name, target in sorted(built.items()):
        if target.kind == "services":
            continue  # belfry_proto makes it.
        texts.setdefault(package_of(target), HEAD)
        texts[package_of(target)] += call(name, target, built)
    return texts


def main(arguments):
    check = arguments[:1] == ["-check"]
    arguments = arguments[1:] if check else arguments
    root = pathlib.Path(arguments[0]) if arguments else HERE.parent
    try:
        texts = build_files(targets.read(root))
    except UnknownDependency as error:
        print(error)
        return 1
    folder = root / "bazel-compat"
    differs = 0
    for file in folder.rglob("BUILD"):
        package = file.parent.relative_to(folder).as_posix()
        if package not in texts:
            differs += 1
            print(f"bazel-compat/{package}/BUILD: CMake has no such room")
    for package, text in texts.items():
        file = folder / package / "BUILD"
        if file.exists() and file.read_text() == text:
            continue
        differs += 1
        if check:
            print(f"bazel-compat/{package}/BUILD: differs from CMake's lists; run bazel-compat/build_files.py")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return 1 if check and differs or not texts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
