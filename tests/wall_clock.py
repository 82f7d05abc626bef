"""A server whose wall clock a test can set, forward and back, while it runs."""

import pathlib
import struct

from preload import preload

SOURCE = pathlib.Path(__file__).with_name("wall_clock.c")


class WallClock:
    """Servers that are started while the environment is as it leaves it have this clock."""

    def __init__(self, folder, monkeypatch):
        library = preload(SOURCE, folder, monkeypatch)
        self._offset = folder / "offset"
        self.set(0)
        # For plugins, which get little of the server's environment: a line of shell.
        self.exports = f"export LD_PRELOAD='{library}' BELFRY_WALL_CLOCK_OFFSET='{self._offset}'"
        monkeypatch.setenv("BELFRY_WALL_CLOCK_OFFSET", str(self._offset))

    def set(self, seconds):
        """So far from the machine's clock, from now on; written in place, because the processes have it mapped."""
        with open(self._offset, "r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
