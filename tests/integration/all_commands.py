"""Every command of `belfry`, as its own help lists them."""

import functools
import re
import subprocess

from conftest import BIN, PATIENCE


# Those that send no request.
WITHOUT_REQUESTS = (("operator", "check"), ("operator", "config", "check"), ("operator", "snapshot", "inspect"),
                    ("operator", "snapshot", "restore"), ("server",), ("version",))


def belfry(*arguments, **options):
    return subprocess.run([str(BIN / "belfry"), *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)


@functools.cache
def help_of(*words):
    return belfry(*words, "-h").stdout


def listed(family=()):
    """The words that may follow a family's name; empty for a command."""
    text = help_of(*family)
    if not text.startswith(" ".join(["Usage: belfry", *family, "<command>"])):
        return []
    return re.findall(r"^    (\S+)  ", text.split("\nCommands:\n")[1], re.MULTILINE)


def all_families(family=()):
    families = [family]
    for word in listed(family):
        if listed((*family, word)):
            families += all_families((*family, word))
    return families


def all_commands():
    return [(*family, word) for family in all_families() for word in listed(family) if not listed((*family, word))]
