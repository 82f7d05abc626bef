#!/usr/bin/env python3
"""Sums the JUnit files of a run into one line, `N passed, N failed`, and fails when anything failed or nothing ran.

usage: tally.py [--reports DIR] DIR NAME...     for DIR/NAME.xml; one that is not there counts as one failure
Where CI is set, a skipped test counts as failed: nobody there reads why. Each file in the --reports folder is a sanitizer's report and
counts as one failure, printed here, because the process that wrote it may not be the one that a test watches.
"""

import argparse
import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

LONGEST_REPORT = 120  # lines
LONGEST_FAILURE = 60  # lines


def outcome(case):
    """passed, failed or skipped, of one testcase element as CTest or pytest writes it."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
        return "skipped"
    return "passed"


def explanation(case):
    """The end of what a failed testcase says, in lines; CTest has it in system-out."""
    said = [element.text for kind in ("failure", "error", "system-out") for element in case.findall(kind) if element.text]
    return "\n".join(said).splitlines()[-LONGEST_FAILURE:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()

    names = {"passed": [], "failed": [], "skipped": []}
    explanations = {}
    for expected in arguments.names:
        file = arguments.results / f"{expected}.xml"
        if not file.exists():
            names["failed"].append(f"{expected}: ended without results")
            continue
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            names[outcome(case)].append(case.get("name"))
            if outcome(case) == "failed":
                explanations[case.get("name")] = explanation(case)

    if arguments.reports:
        for report in sorted(arguments.reports.glob("*")):
            lines = report.read_text(errors="replace").splitlines()
            print(f"--- {report}")
            print("\n".join(lines[:LONGEST_REPORT]))
            names["failed"].append(f"sanitizer report {report.name}")

    if os.environ.get("CI") and os.environ["CI"] != "false":
        names["failed"] += names["skipped"]
    elif names["skipped"]:
        print(f"skipped: {', '.join(names['skipped'])}")
    for name in names["failed"]:
        print(f"failed: {name}")
        print("".join(f"    {line}\n" for line in explanations.get(name, [])), end="")
    if not names["passed"] and not names["failed"]:
        print("no test matches")
        names["failed"].append("nothing ran")
    print(f"{len(names['passed'])} passed, {len(names['failed'])} failed")
    sys.exit(1 if names["failed"] else 0)


if __name__ == "__main__":
    main()
