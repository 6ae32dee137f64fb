"""A process that has no open files left, for tests."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def open_files_left(count: int) -> Iterator[None]:
    """In this block so many files can be opened in this process, and not one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    taken = [probe]
    highest = max(map(int, os.listdir("/proc/self/fd")))
    while taken[-1] <= highest:
        taken.append(os.dup(probe))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


def lack_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until `monkeypatch` is undone, nobody can attach to a ring."""

    def fail(name: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("mpipeline.ring.attachment.attach", fail)
