#!/usr/bin/env python3
"""Turns the events of `go test -json` on standard input into a JUnit file, and prints what failed tests have printed.

usage: gojunit.py FILE
A test with subtests is not counted besides them, unless it alone failed. A package that fails without a failed test (it does not build,
or it panicked) counts as one failed test.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree

OUTCOMES = ("pass", "fail", "skip")


def read(lines):
    """Outcome and output of each (package, test); test is "" for the package itself."""
    outcomes, outputs = {}, {}
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")  # What the go command itself says.
            continue
        key = (event.get("Package") or event.get("ImportPath", ""), event.get("Test", ""))
        if event["Action"] in ("output", "build-output"):
            outputs[key] = outputs.get(key, "") + event["Output"]
        elif event["Action"] in OUTCOMES:
            outcomes[key] = event["Action"]
    return outcomes, outputs


def counted(outcomes):
    """The tests without those that only group others, and whatever failed without anything below it that did."""
    for (package, test), outcome in outcomes.items():
        below = [o for (p, t), o in outcomes.items() if p == package and t != test and t.startswith(test + "/" if test else "")]
        if outcome == "fail" and "fail" not in below or test and not below:
            yield package, test, outcome


def main():
    outcomes, outputs = read(sys.stdin)
    suite = ElementTree.Element("testsuite")
    for package, test, outcome in counted(outcomes):
        case = ElementTree.SubElement(suite, "testcase", classname=package, name=test or package)
        if outcome == "skip":
            ElementTree.SubElement(case, "skipped")
        elif outcome == "fail":
            ElementTree.SubElement(case, "failure")
    # Also what stands above a failed subtest, and what a build prints under the package's name.
    for (package, test), outcome in outcomes.items():
        if outcome == "fail":
            print("".join(text for (p, t), text in outputs.items() if t == test and p.startswith(package)), end="")
    ElementTree.ElementTree(suite).write(sys.argv[1], encoding="unicode")


if __name__ == "__main__":
    main()
