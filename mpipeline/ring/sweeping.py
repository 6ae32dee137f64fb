"""Removing the segments of dead runs: those whose owner's lock is no longer held."""

from __future__ import annotations

import fcntl
import os
import re
import stat

from mpipeline import _native
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.ring.mapping import SHARED_MEMORY_DIRECTORY, segment_path

# A segment is created, then locked, then marked with the magic: without magic a free lock may mean "not yet locked".
CREATION_NS = 10 * NS_PER_S

_SEGMENT_NAME = re.compile(r"mp-[A-Za-z0-9_.-]+-\d+")


def sweep(clock: Clock | None = None) -> list[str]:
    """Removes this user's segments in /dev/shm whose owners are dead; returns their names."""
    names = sorted(name for name in os.listdir(SHARED_MEMORY_DIRECTORY) if _SEGMENT_NAME.fullmatch(name))
    now_ns = (clock or SystemClock()).wall_ns()
    return [name for name in names if _remove_if_dead(name, now_ns)]


def _remove_if_dead(name: str, now_ns: int) -> bool:
    path = segment_path(name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone, or not ours
        return False
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not _is_abandoned(fd, now_ns - status.st_mtime_ns) or not os.path.samestat(status, os.stat(path)):
            return False
        os.unlink(path)
        return True
    except FileNotFoundError:  # another sweep was faster
        return False
    finally:
        os.close(fd)


def _is_abandoned(fd: int, age_ns: int) -> bool:
    magic: bytes = _native.ring_layout()["magic"]
    first = os.pread(fd, len(magic), 0)
    if first == magic:
        return True
    if first.strip(b"\0"):
        return False  # somebody else's, whatever its name
    return age_ns > CREATION_NS
