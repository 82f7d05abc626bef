"""The fenced blocks of our Markdown, and what is to be done with each.

A comment on the line above a fence says it: `<!-- file: links.cc -->` (the block is that file), `<!-- not run: why -->`.
"""

import dataclasses
import re

FENCE = re.compile(r"^(?:<!-- (?P<word>file|not run): (?P<what>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclasses.dataclass
class Block:
    place: str  # "README.md:12"
    kind: str  # the word behind the fence: cpp, cmake, console, …
    text: str
    file: str | None = None
    not_run: str | None = None  # why

    def commands(self):
        """A console block as (command, [lines expected of it])."""
        commands = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line:
                commands[-1][1].append(line)
        return commands


def read(path, root):
    text = path.read_text()
    blocks = []
    for match in FENCE.finditer(text):
        place = f"{path.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}"
        marks = {match["word"].replace(" ", "_"): match["what"]} if match["word"] else {}
        blocks.append(Block(place, match["kind"], match["text"], **marks))
    return blocks


def matches(expected, line):
    """Whether `line` holds the pieces of `expected` between its "…", in order."""
    return re.search(".*".join(re.escape(piece) for piece in expected.split("…")), line) is not None
