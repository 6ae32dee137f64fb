"""Permits to connect: how many sources of one run may be connecting at the same moment.

A permit is an exclusive flock on one of a few small files in the run directory. The kernel gives it back when the
process that holds it dies, so that nothing has to be reaped. Nobody waits for a lock: who gets none tries again later.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger("mpipeline.decoder")


class Permit:
    """The right to connect, from `Permits.take` to `give_back`."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def give_back(self) -> None:
        """Lets another source connect; harmless when repeated."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # with it goes the lock
            self._descriptor = None


class Permits:
    """`count` permits, shared by all processes that name the same folder.

    Sources that fail again and again, each time after a long wait for an answer that does not come, share the first
    half, so that a healthy one always finds its turn in the other.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = max(1, count)
        self._has_warned = False

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any] | None) -> Permits | None:
        """From `{"folder": …, "count": …}`; None, which is no limit, stays None."""
        return cls(Path(spec["folder"]), int(spec["count"])) if spec else None

    def take(self, *, failing: bool = False) -> Permit | None:
        """A free permit, None if there is none now. `failing`: the source's last attempt failed.

        If the files cannot be made (a full or read-only disk, no descriptors) the permit is given without: a limit that
        cannot be kept must not keep cameras dark.
        """
        usable = range(max(1, self._count // 2)) if failing else range(self._count - 1, -1, -1)
        try:
            for number in usable:
                if (permit := self._lock(number)) is not None:
                    return permit
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                text = "sources connect without a limit: no permit in %s (%s)"
                logger.warning(text, self._folder, error.strerror, extra={"event": "permits_unusable"})
            return Permit(None)
        return None

    def _lock(self, number: int) -> Permit | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._folder / f"connect-{number}", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return Permit(descriptor)
