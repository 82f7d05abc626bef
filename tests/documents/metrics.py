#!/usr/bin/env python3
"""The table of metrics in docs/operations.md, out of the sources: every counter and gauge that the server has.

usage: metrics.py     rewrites the table in place
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/operations.md"
BEGIN = "<!-- metrics: written by tests/documents/metrics.py -->\n"
END = "<!-- metrics: end -->"
TEXT = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(rf"Get(Counter|Gauge)\(\s*({TEXT}),\s*((?:{TEXT}\s*)+)(?:,\s*(\{{\{{.*?\}}\}}))?\s*\)", re.S)


def unquoted(literals):
    """C++ string literals in a row as one string."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')


def metrics():
    """Kind, labels and help of each metric by name."""
    found = {}
    for file in sorted((ROOT / "server").rglob("*.cc")):
        if file.name.endswith("_test.cc"):
            continue
        for kind, name, text, labels in CALL.findall(file.read_text()):
            names = re.findall(r'\{\s*"(\w+)"\s*,', labels)
            found[unquoted(name)] = (kind.lower(), ", ".join(names), unquoted(text))
    return found


def table():
    rows = [f"| `{name}` | {kind} | {labels} | {text} |" for name, (kind, labels, text) in sorted(metrics().items())]
    return "\n".join(["| Name | Kind | Labels | What it counts |", "| --- | --- | --- | --- |", *rows]) + "\n"


def split(document):
    """What precedes the table, the table, what follows."""
    before, rest = document.split(BEGIN)
    written, after = rest.split(END)
    return before + BEGIN, written, END + after


def main():
    before, _, after = split(DOCUMENT.read_text())
    DOCUMENT.write_text(before + table() + after)


if __name__ == "__main__":
    sys.exit(main())
