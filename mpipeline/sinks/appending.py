"""A file that only grows, by whole records: what `append` has taken survives the death of the process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mpipeline.sinks.paths import file_error, make_folder


class AppendingFile:
    """Opens `path` for records behind its first `keep` bytes; what lies beyond them is cut off.

    Every record goes to the kernel before `append` returns. A record that could be written in part only (a full disk)
    is taken back, so the file always ends with a whole one.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        make_folder(path.parent)
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise file_error("open", path, error) from error
        self._size = keep
        self._cut()

    def append(self, record: bytes) -> None:
        """Writes `record`; SinkError if it cannot be written as a whole."""
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._cut()
            raise file_error("write to", self.path, error) from error
        self._size += len(record)

    def close(self) -> None:
        """Gives the file back; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut(self) -> None:
        with contextlib.suppress(OSError):  # a pipe or a device has no length
            os.ftruncate(self._descriptor, self._size)
