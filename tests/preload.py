"""A library in C that a test has the programs that it starts load before any other."""

import os
import pathlib
import subprocess


def preload(source, folder, monkeypatch):
    """Compiles it into a folder; programs that are started while the environment is so have it. Its path."""
    source = pathlib.Path(source)
    library = folder / f"{source.stem}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    loaded = filter(None, [str(library), os.environ.get("LD_PRELOAD")])
    monkeypatch.setenv("LD_PRELOAD", ":".join(loaded))
    # It stands before the sanitizer's library, which would otherwise refuse to start.
    monkeypatch.setenv("ASAN_OPTIONS", ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"])))
    return library
