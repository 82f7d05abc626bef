#!/usr/bin/env python3
"""Who may include whom, as docs and design say it, held against every #include and every CMakeLists.txt.

usage: rooms.py [ROOT]     prints each breach as FILE:LINE: what, and fails if there is one
"""

import pathlib
import re
import sys

import targets

# Arrows between rooms. A room is a folder with targets; the tests of a room may use what the room may, and what is named testing.
# tests/ crosses rooms by purpose and is not bound by it.
MAY_USE = {
    # Asio and Beast, compiled once.
    "cmake/boost": set(),
    "proto": set(),
    "base": set(),
    "sdk/include": set(),
    "sdk/wire": {"proto", "base"},
    "sdk/src": {"proto", "base", "sdk/include", "sdk/wire"},
    "server/storage": {"base"},
    "server/seal": {"base", "server/storage"},
    "server/journal": {"proto", "base", "server/storage"},
    "server/access": {"base", "server/storage"},
    "server/encode": {"proto", "base", "server/storage"},
    "server/bus": {"proto", "base", "server/access", "server/encode", "server/storage"},
    "server/mounts": {"base", "server/storage"},
    "server/plugin_host": {"proto", "base", "server/mounts", "server/storage", "sdk/wire"},
    "server/subscriptions": {"base", "server/access", "server/bus", "server/encode", "server/journal"},
    "server/builtin": {"sdk/include", "sdk/src", "base", "server/access", "server/encode", "server/mounts", "server/seal",
                       "server/subscriptions"},
    "server/api": {"base", "server/access", "server/builtin", "server/bus", "server/encode", "server/mounts", "server/seal",
                   "server/subscriptions"},
    "server/process": {"base", "server/api", "server/builtin", "server/mounts", "server/seal", "server/storage",
                       "server/subscriptions"},
    "server/http": {"cmake/boost", "server/api", "base", "server/bus", "server/subscriptions"},
    "server": {"server/access", "server/api", "base", "server/builtin", "server/bus", "server/encode", "server/http", "server/journal",
               "server/mounts", "server/plugin_host", "server/process", "server/seal", "server/storage", "server/subscriptions"},
    "cli": {"base", "cmake/boost", "server"},
    "plugins/kv": {"sdk/include"},
    "plugins/notes": {"sdk/include"},
}
# Libraries that must not be seen in a room, by how their headers begin.
SOCKETS = ("boost/asio", "boost/beast", "sys/socket.h", "netinet/")
GRPC = ("grpcpp/", "grpc/")
FORBIDDEN = {
    "server/storage": SOCKETS + GRPC,
    "server/seal": SOCKETS + GRPC,
    "server/journal": SOCKETS + GRPC,
    "server/access": SOCKETS + GRPC,
    "server/bus": SOCKETS + GRPC,
    "server/encode": SOCKETS + GRPC,
    "server/subscriptions": SOCKETS + GRPC,
    "server/builtin": SOCKETS + GRPC,
    "server/api": SOCKETS + GRPC,
    "server/process": SOCKETS + GRPC,
    "sdk/include": SOCKETS + GRPC + ("google/", "proto/", "boost/"),
    "plugins/kv": GRPC + ("google/",),
    "plugins/notes": GRPC + ("google/",),
}
# And those that one room alone may see.
OWNERS = {"rocksdb/": "server/storage"}
PUBLIC = "sdk/include/belfry"
MOST_PUBLIC_HEADERS = 12
MOST_PUBLIC_LINES = 249
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def room_of(path):
    """The longest room that holds the file, or None."""
    return max((room for room in MAY_USE if path.startswith(room + "/")), key=len, default=None)


def path_of(include):
    """The file from the root that an include of ours names, or None."""
    if include.startswith("belfry/"):
        return "sdk/include/" + include
    if include.split("/")[0] in ("base", "server", "sdk", "cli", "plugins", "proto", "tests"):
        return include
    return None


class Check:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.targets = targets.read(root)
        self.breaches = []
        self.header_owner, self.holders = {}, {}
        for target in self.targets.values():
            for file in target.hdrs + [s for s in target.srcs if s.endswith(".h")]:
                self.header_owner[file] = target
            for file in target.hdrs + target.srcs:
                self.holders.setdefault(file, []).append(target)

    def breach(self, where, what):
        self.breaches.append(f"{where}: {what}")

    def ours(self, names):
        return [self.targets[n[1:]] for n in names if n.startswith(":") and n[1:] in self.targets]

    def exported(self, names):
        """The targets named and what they publish from their own room; the SDK's targets stand for all its public headers."""
        seen, waiting = [], self.ours(names)
        while waiting:
            target = waiting.pop()
            if target not in seen:
                seen.append(target)
                waiting += [used for used in self.ours(target.deps)
                            if used.folder == target.folder or used.name == "sdk_headers"]
        return seen

    def rooms_of(self, target):
        """Where a target's headers are; the facades of the SDK have theirs in sdk/include."""
        return {room_of(h) for h in target.hdrs} or {"sdk/include" if target.name in ("sdk", "sdk_testing") else target.folder}

    def run(self):
        self.check_arrows()
        for top in ("base", "server", "sdk", "cli", "plugins"):
            for file in sorted((self.root / top).rglob("*")):
                if file.suffix in (".h", ".cc"):
                    self.check_file(file.relative_to(self.root).as_posix(), file.read_text())
        self.check_public_headers()
        return self.breaches

    def check_arrows(self):
        for target in self.targets.values():
            if target.folder not in MAY_USE and not target.folder.startswith("tests") and target.folder != "sdk":
                self.breach(f"{target.folder}/CMakeLists.txt", f"{target.folder} is no room that the check knows")
            for name in target.deps + target.private_deps:
                if name.startswith(":") and name[1:] not in self.targets and name != ":beast":
                    self.breach(f"{target.folder}/CMakeLists.txt", f"{target.name} names {name}, which is no target")
            for used in self.ours(target.deps + target.private_deps):
                for room in self.rooms_of(used):
                    self.check_arrow(f"{target.folder}/CMakeLists.txt", target.folder, room)

    def check_arrow(self, where, user, used):
        if user in MAY_USE and used != user and used not in MAY_USE[user]:
            self.breach(where, f"{user} may not use {used}")

    def check_file(self, path, text):
        room = room_of(path)
        holders = self.holders.get(path, [])
        if not holders:
            self.breach(path, "belongs to no target")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                self.check_include(f"{path}:{number}", path, room, holders, match[1])

    def check_include(self, where, path, room, holders, include):
        if ".." in include.split("/"):
            self.breach(where, f"{include} climbs out of its folder")
        forbidden = FORBIDDEN.get(room, ())
        services = "grpc/" in forbidden and include.endswith(".grpc.pb.h")
        if (include.startswith(forbidden) or services) and all(h.kind == "library" for h in holders):
            self.breach(where, f"{room} may not see {include}")
        for library, owner in OWNERS.items():
            if include.startswith(library) and room != owner:
                self.breach(where, f"only {owner} may see {include}")
        used = path_of(include)
        if used is None:
            return
        if used.startswith("proto/"):
            owner = self.targets.get("proto")
        else:
            owner = self.header_owner.get(used)
            if room_of(used):
                self.check_arrow(where, room, room_of(used))
            if owner is None:
                if room_of(used) != room:
                    self.breach(where, f"{include} is a header of no target")
                return
        for holder in holders:
            names = holder.deps + ([] if path in holder.hdrs and holder.kind == "library" else holder.private_deps)
            if owner is not holder and owner not in self.exported(names):
                kind = "DEPS" if path in holder.hdrs else "DEPS or PRIVATE_DEPS"
                self.breach(where, f"{include} belongs to {owner and owner.name}, which {holder.name} does not name in {kind}")

    def check_public_headers(self):
        headers = sorted((self.root / PUBLIC).glob("*.h"))
        if len(headers) > MOST_PUBLIC_HEADERS:
            self.breach(PUBLIC, f"{len(headers)} headers, more than {MOST_PUBLIC_HEADERS}")
        for header in sorted((self.root / PUBLIC).rglob("*.h")):
            lines = len(header.read_text().splitlines())
            if lines > MOST_PUBLIC_LINES:
                self.breach(header.relative_to(self.root).as_posix(), f"{lines} lines, more than {MOST_PUBLIC_LINES}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    breaches = Check(root).run()
    print("\n".join(breaches))
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
