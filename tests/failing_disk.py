"""A server whose disk fails when a test says so."""

import pathlib
import struct

from preload import preload

SOURCE = pathlib.Path(__file__).with_name("failing_disk.c")
NOTHING, FULL, TORN_WRITE, SYNC_ERROR = range(4)


class FailingDisk:
    """Servers that are started while the environment is as it leaves it keep their data on this disk, below `data`."""

    def __init__(self, folder, data, monkeypatch):
        preload(SOURCE, folder, monkeypatch)
        self._order = folder / "order"
        self._order.write_bytes(bytes(16))
        monkeypatch.setenv("BELFRY_FAILING_DISK", str(data))
        monkeypatch.setenv("BELFRY_FAILING_DISK_ORDER", str(self._order))

    def fail(self, what, after_calls=0):
        """From then on; written in place, because the processes have it mapped."""
        with open(self._order, "r+b") as file:
            file.write(struct.pack("=qq", what, after_calls))
