"""A server whose wall clock a test can set, forward and back, while it runs."""

import os
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("wall_clock.c")


class WallClock:
    """Servers that are started while the environment is as it leaves it have this clock."""

    def __init__(self, folder, monkeypatch):
        library = folder / "wall_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._offset = folder / "offset"
        self.set(0)
        # For plugins, which get little of the server's environment: a line of shell.
        self.exports = f"export LD_PRELOAD='{library}' BELFRY_WALL_CLOCK_OFFSET='{self._offset}'"
        monkeypatch.setenv("BELFRY_WALL_CLOCK_OFFSET", str(self._offset))
        monkeypatch.setenv("LD_PRELOAD", str(library))
        # It stands before the sanitizer's library, which would otherwise refuse to start.
        monkeypatch.setenv("ASAN_OPTIONS", ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"])))

    def set(self, seconds):
        """So far from the machine's clock, from now on; written in place, because the processes have it mapped."""
        with open(self._offset, "r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
