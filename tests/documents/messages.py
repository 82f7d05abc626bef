#!/usr/bin/env python3
"""The appendix of docs/protocol.md, out of the .proto files: what every service and message is.

usage: messages.py     rewrites the appendix in place
"""

import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/protocol.md"
BEGIN = "<!-- messages: written by tests/documents/messages.py -->\n"
END = "<!-- messages: end -->"
FIELD = descriptor_pb2.FieldDescriptorProto


def descriptors():
    files = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "proto").rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"-I{ROOT}", f"--descriptor_set_out={out.name}", *files], check=True, cwd=ROOT)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes()).file


def type_of(field, package, entries):
    if field.type_name in entries:
        key, value = entries[field.type_name].field
        return f"map<{type_of(key, package, {})}, {type_of(value, package, {})}>"
    name = field.type_name.removeprefix(".").removeprefix(package + ".") or FIELD.Type.Name(field.type).removeprefix("TYPE_").lower()
    return f"repeated {name}" if field.label == FIELD.LABEL_REPEATED else name


def rows(message, package, prefix=""):
    name = prefix + message.name
    entries = {f".{package}.{name}.{inner.name}": inner for inner in message.nested_type if inner.options.map_entry}
    fields = [f"{f.number} {f.name} {type_of(f, package, entries)}" for f in sorted(message.field, key=lambda f: f.number)]
    yield f"| `{name}` | {' · '.join(fields) or 'nothing'} |"
    for enum in message.enum_type:
        yield enum_row(enum, name + ".")
    for inner in message.nested_type:
        if not inner.options.map_entry:
            yield from rows(inner, package, name + ".")


def enum_row(enum, prefix=""):
    return f"| enum `{prefix}{enum.name}` | {' · '.join(f'{value.number} {value.name}' for value in enum.value)} |"


def methods(service, package):
    for method in service.method:
        request, answer = (t.removeprefix(".").removeprefix(package + ".") for t in (method.input_type, method.output_type))
        yield (f"| `/{package}.{service.name}/{method.name}` | {'stream ' * method.client_streaming}{request} "
               f"| {'stream ' * method.server_streaming}{answer} |")


def appendix():
    packages = {}
    for file in descriptors():
        packages.setdefault(file.package, []).append(file)
    text = []
    for package in sorted(packages):
        calls = [row for file in packages[package] for service in file.service for row in methods(service, package)]
        messages = [row for file in packages[package] for message in file.message_type for row in rows(message, package)]
        messages += [enum_row(enum) for file in packages[package] for enum in file.enum_type]
        text.append(f"### Package `{package}`")
        if calls:
            text += ["| Method | Request | Answer |", "| --- | --- | --- |", *calls, ""]
        text += ["| Message | Fields |", "| --- | --- |", *messages, ""]
    return "\n".join(text)


def split(document):
    """What precedes the appendix, the appendix, what follows."""
    before, rest = document.split(BEGIN)
    written, after = rest.split(END)
    return before + BEGIN, written, END + after


def main():
    before, _, after = split(DOCUMENT.read_text())
    DOCUMENT.write_text(before + appendix() + after)


if __name__ == "__main__":
    sys.exit(main())
