#!/usr/bin/env python3
"""Has clang read every source that g++ has compiled, for what only clang warns of (thread safety), and writes nothing.

usage: clang.py COMPILE_COMMANDS [CLANG++]     prints the warnings and fails if there is one; tests of a room are left out
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

# What clang says beyond g++ about generated code and about the sanitizers' flags cannot be changed here.
WARNINGS = ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wthread-safety", "-Werror", "-Wno-unused-command-line-argument"]


def command(entry, compiler, more):
    """The entry's compilation by `compiler`, up to the point where something would be written."""
    words = shlex.split(entry["command"])
    words = words[[os.path.basename(word) for word in words].index("c++") + 1:]
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT"):
            skip = True
        elif word not in ("-c", "-MD") and not word.startswith("-fsanitize") and not word.startswith("-fno-sanitize"):
            kept.append(word)
    return [compiler, "-fsyntax-only", *kept[:-1], *WARNINGS, *more, kept[-1]]


def is_ours(entry):
    file = pathlib.Path(entry["file"])
    return file.suffix == ".cc" and not file.name.endswith(("_test.cc", ".pb.cc")) and "checkheaders" not in entry["file"]


def readings(entry):
    """The flags to read it with: what has assertions reads differently in a release."""
    has_assertions = re.search(r"\bassert\(", pathlib.Path(entry["directory"], entry["file"]).read_text())
    return [[], ["-DNDEBUG"]] if has_assertions else [[]]


def read(entry, compiler, more):
    done = subprocess.run(command(entry, compiler, more), cwd=entry["directory"], capture_output=True, text=True)
    return done.returncode, done.stderr


def main():
    compiler = sys.argv[2] if len(sys.argv) > 2 else "clang++-16"
    entries = {entry["file"]: entry for entry in json.loads(pathlib.Path(sys.argv[1]).read_text()) if is_ours(entry)}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        read_each = [(entry, more) for entry in entries.values() for more in readings(entry)]
        for code, text in pool.map(lambda one: read(one[0], compiler, one[1]), read_each):
            if code != 0:
                failed += 1
                print(text)
    print(f"{len(entries)} sources read by {compiler}, {failed} with warnings")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
