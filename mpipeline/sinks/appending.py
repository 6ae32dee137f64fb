"""A file that only grows, by whole records: what `append` has taken survives the death of the process."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.sinks.paths import file_error, make_folder

_LOOK_NS = NS_PER_S  # how often it is looked whether the path still leads to the file


class AppendingFile:
    """Opens `path` for records behind its first `keep` bytes (None: all); what lies beyond them is cut off.

    Every record goes to the kernel before `append` returns. A record that could be written in part only (a full disk)
    is taken back, so the file always ends with a whole one, and the same `append` can be tried again.
    """

    def __init__(self, path: Path, keep: int | None = 0, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock if clock is not None else SystemClock()
        self._surplus = 0  # bytes of a record that could neither be completed nor be taken back yet
        self._next_look_ns = self._clock.monotonic_ns() + _LOOK_NS
        make_folder(path.parent)
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise file_error("open", path, error) from error
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._is_regular = stat.S_ISREG(status.st_mode)  # a pipe or a device has no length, and is never taken back
        if keep is not None and self._is_regular:
            try:
                os.ftruncate(self._descriptor, keep)
            except OSError as error:  # the next record would be glued to half of one
                self.close()
                raise file_error("cut off the remains of a record in", path, error) from error

    def append(self, record: bytes) -> None:
        """Writes `record`; SinkError if it cannot be written as a whole, and then nothing of it is in the file."""
        written = 0
        try:
            self._take_back()
            while written < len(record):
                written += os.write(self._descriptor, record[written:] if written else record)
        except OSError as error:
            self._surplus += written
            self._next_look_ns = 0
            with contextlib.suppress(OSError):
                self._take_back()
            raise file_error("write to", self.path, error) from error

    def size(self) -> int:
        """How many bytes it has; 0 of a pipe or a device."""
        return os.fstat(self._descriptor).st_size if self._is_regular else 0

    def has_vanished(self) -> bool:
        """Whether `path` does not lead to this file any more: removed, renamed by a log rotation, or its folder was.

        Looks once a second, and after a failed `append`. What is written goes to the old file until then.
        """
        now = self._clock.monotonic_ns()
        if now < self._next_look_ns or not self._is_regular:
            return False
        self._next_look_ns = now + _LOOK_NS
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return True
        except OSError:  # it cannot be seen now, which is not to say that it is gone
            return False
        return (status.st_dev, status.st_ino) != self._identity

    def close(self) -> None:
        """Gives the file back; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take_back(self) -> None:
        if self._surplus and self._is_regular:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - self._surplus)
        self._surplus = 0
