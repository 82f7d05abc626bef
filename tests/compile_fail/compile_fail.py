#!/usr/bin/env python3
"""Holds one misuse of the SDK to this: its correct twin compiles, the misuse does not, and the compiler says why in words that help.

usage: compile_fail.py FILE COMPILER [FLAG...]
FILE compiles as it stands; with -DMISUSE it must not, and the first error must match its line "// EXPECT: REGEX", one alternative for each
compiler: what comes after the first is not read.
"""

import re
import subprocess
import sys


def compile_file(file, command):
    """The compiler's exit code and errors, in plain English and without decoration."""
    done = subprocess.run([*command, "-fsyntax-only", "-fdiagnostics-color=never", file], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, check=False)
    return done.returncode, done.stderr


def fault(file, command):
    """What is wrong with this case, or None."""
    with open(file, encoding="utf-8") as source:
        expected = re.search(r"^// EXPECT: (.+)$", source.read(), re.MULTILINE)
    if not expected:
        return f'{file} has no line "// EXPECT: …"'
    code, errors = compile_file(file, command)
    if code:
        return f"the correct twin does not compile:\n{errors}"
    code, errors = compile_file(file, [*command, "-DMISUSE"])
    if not code:
        return "the misuse compiles"
    first = next((line for line in errors.splitlines() if "error: " in line), "")
    if not re.search(expected[1], first):
        return f"the misuse does not compile, but the first error, {first!r}, does not match {expected[1]!r}:\n{errors}"
    return None


def main():
    said = fault(sys.argv[1], sys.argv[2:])
    print(said or "refused as expected")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
