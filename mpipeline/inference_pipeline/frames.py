"""Frames on loan: their pixels lie in shared memory until somebody looks at them, or the loan ends."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from mpipeline.frame import Frame, FrameMeta, Pixels
from mpipeline.ring.reader import Lease


class Picture:
    """Gives the BGR picture of a frame, converted once, when it is asked for the first time. For any thread."""

    __slots__ = ("__weakref__", "_frame", "_image", "_lock")

    def __init__(self, frame: Frame) -> None:
        self._lock = threading.Lock()
        self._frame: Frame | None = frame
        self._image: Pixels | None = None

    def __call__(self) -> Pixels:
        """(height, width, 3) uint8, writable, and the caller's to keep."""
        with self._lock:
            if self._image is None:
                assert self._frame is not None
                self._image = self._frame.bgr()
                self._frame = None
            return self._image


class Loan:
    """One frame on loan. `settled(source, frame_id)` is told when the loan has ended."""

    def __init__(self, lease: Lease, settled: Callable[[str, int], None]) -> None:
        self.meta: FrameMeta = lease.frame.meta
        self._lease: Lease | None = lease
        self._settled = settled
        self._picture: weakref.ref[Picture] | None = None
        self._process = os.getpid()

    def picture(self) -> Picture:
        """What gives the picture, also after the loan has ended if somebody keeps it until then."""
        assert self._lease is not None
        picture = Picture(self._lease.frame)
        self._picture = weakref.ref(picture)
        return picture

    def settle(self) -> None:
        """Ends the loan: a picture that is still kept and was not looked at is converted first.

        Harmless when repeated, and in a fork of the program: the loan is the parent's.
        """
        if os.getpid() != self._process:
            return
        lease, self._lease = self._lease, None
        if lease is None:
            return
        picture = self._picture() if self._picture is not None else None
        try:
            if picture is not None:
                picture()
        finally:
            lease.release()
            self._settled(self.meta.source, self.meta.frame_id)
