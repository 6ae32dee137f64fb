"""Mapped segments: `SharedMemory` without the resource tracker, and without trouble over views that are still alive."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import shared_memory
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from mpipeline.errors import RingError

SHARED_MEMORY_DIRECTORY = "/dev/shm"


class Mapping(SharedMemory):
    """A segment that no resource tracker knows of and whose `close` always succeeds.

    A tracker unlinks the segments of every process that ends, also those that it only attached to (CPython gh-82300);
    here the supervisor alone creates and unlinks.
    """

    _fd: int  # of the standard library's class, -1 once it is closed

    def __init__(self, name: str, create: bool = False, size: int = 0) -> None:
        self._created = create
        if sys.version_info >= (3, 13):
            super().__init__(name, create, size, track=False)
        else:
            with _untracked():
                super().__init__(name, create, size)

    @property
    def memory(self) -> memoryview:
        """The bytes of the segment, writable. Raises RingError after `close`."""
        if self.buf is None:
            raise RingError(f"segment {self.name} is closed")
        return self.buf

    def is_cut(self) -> bool:
        """Whether somebody has made the segment shorter since: touching what is gone would kill this process."""
        return self._fd >= 0 and os.lseek(self._fd, 0, os.SEEK_END) < self.size  # the quickest way to ask

    def close(self) -> None:
        """Closes the segment; its memory stays mapped until the last view of it is gone."""
        try:
            super().close()
        except BufferError:
            # The views keep the mmap object alive, which unmaps when it is deallocated.
            self._buf: memoryview | None = None
            self._mmap: Any = None
            super().close()

    def unlink(self) -> None:
        """Removes the name of a segment that was created here; harmless when it is gone.

        The standard library also calls this when *attaching* fails, for want of address space for instance.
        """
        if self._created:
            with suppress(FileNotFoundError):
                os.unlink(segment_path(self.name))


def attach(name: str) -> Mapping:
    """Maps an existing segment without registering it anywhere. Raises FileNotFoundError if there is none."""
    return Mapping(name)


def is_segment_name(name: str) -> bool:
    """Whether a segment may be called so: a file's name, and nothing that leads out of the directory."""
    return bool(name) and name not in (".", "..") and not {"/", "\0"} & set(name)


def segment_path(name: str) -> str:
    """Where the segment stands as a file."""
    return os.path.join(SHARED_MEMORY_DIRECTORY, name)


_patching = threading.Lock()


class _DeafTracker:
    """Stands in for the resource tracker: deaf to one thread, transparent to all others."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self._thread = threading.get_ident()

    def register(self, name: str, kind: str) -> None:
        if threading.get_ident() != self._thread:
            self._tracker.register(name, kind)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._tracker, attribute)


@contextmanager
def _untracked() -> Iterator[None]:
    """Until 3.12 there is no `track=False`: makes the registration of this thread, in this block, a no-op."""
    module: Any = shared_memory
    with _patching:
        tracker = module.resource_tracker
        module.resource_tracker = _DeafTracker(tracker)
        try:
            yield
        finally:
            module.resource_tracker = tracker
