"""A subscriber that goes on with its cursor after whatever happened to the server or to itself, and the check that it got all, once, in order."""

import json
import threading

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from conftest import PATIENCE

TYPE = "kv-v2/data-write"


class ResumingSubscriber:
    """Follows the writes of all secrets. What it has taken for read it never gets again, and it gets nothing that is not the next one."""

    def __init__(self):
        self.cursor = "earliest"
        self.versions = {}  # Of the last event of each key, "mount/key".
        self.events = self.connections = 0
        self.failure = None
        self._thread = None

    def _take(self, text):
        """Takes a frame for read."""
        frame = json.loads(text)
        if frame["type"] == "belfry.gap":
            raise AssertionError(f"events were lost: {frame}")
        if self.cursor != "earliest":
            epoch, sequence = self.cursor.split("-")
            assert frame["cursor"].split("-")[0] == epoch, frame
            bookmark = frame["type"] == "belfry.bookmark"
            assert int(frame["sequence"]) > int(sequence) or (bookmark and int(frame["sequence"]) == int(sequence)), (self.cursor, frame)
        if frame["type"] == "*":
            metadata = frame["data"]["event"]["metadata"]
            key, version = metadata["path"].replace("/data/", "/", 1), int(metadata["current_version"])
            expected = self.versions.get(key, 0) + 1
            assert version == expected, f"the event of {key} has version {version}, not {expected}: {frame}"
            self.versions[key] = version
            self.events += 1
        self.cursor = frame["cursor"]

    def _connect(self, server, after):
        return connect(f"ws://{server.address}/v1/sys/events/subscribe/{TYPE}?json=true&after={after}", open_timeout=PATIENCE,
                       additional_headers={"X-Vault-Token": server.token}, compression=None)

    def _read(self, server, drop_after):
        """Until the server has gone; each connection is dropped after so many frames."""
        try:
            while True:
                with self._connect(server, self.cursor) as stream:
                    self.connections += 1
                    for _ in range(drop_after):
                        self._take(stream.recv())
        except InvalidStatus as refused:  # A server that was killed gives no status.
            self.failure = refused
        except ConnectionClosed as closed:
            if closed.rcvd is not None:  # Nor a close frame.
                self.failure = closed
        except (OSError, InvalidHandshake, EOFError):
            pass  # The server has been killed.
        except Exception as error:  # Whatever it is: it must not look like a server that was killed.
            self.failure = error

    def start(self, server, drop_after):
        self._thread = threading.Thread(target=self._read, args=(server, drop_after), daemon=True)
        self._thread.start()

    def finish(self):
        """The server has been killed."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive() and self.failure is None, self.failure

    def catch_up(self, server):
        """Reads up to the end, while nobody writes."""
        with self._connect(server, "latest") as stream:
            last = int(json.loads(stream.recv(timeout=PATIENCE))["sequence"])
        with self._connect(server, self.cursor) as stream:
            while self.cursor == "earliest" or int(self.cursor.split("-")[1]) < last:
                self._take(stream.recv(timeout=PATIENCE))

    def check(self, history):
        """Each version that the server has was told of, and no other: `history` is what it has."""
        secrets = {key: number for key, number in history.items() if "/" in key}
        assert self.versions == secrets, {key: (self.versions.get(key), number) for key, number in secrets.items()
                                          if self.versions.get(key) != number}
