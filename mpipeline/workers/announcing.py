"""When a decoder announces what it has published: at once, or several frames together where nobody waits for one.

Each announcement wakes the inference process, and through its predictions the sinks. A file is read as fast as its
frames are taken, so they may come together; of a live stream each frame counts.
"""

from __future__ import annotations

from collections.abc import Callable

from mpipeline.clock import NS_PER_MS, Clock
from mpipeline.messages import FrameReady

_TOGETHER = 4  # frames: half of a batch, so that the next ones are decoded while these are inferred
_PATIENCE_NS = 20 * NS_PER_MS  # a frame that comes later than that after the one before is announced at once


class Announcements:
    """Hands announcements to `send`. What is held back is announced with the next frame, or by `flush`."""

    def __init__(self, send: Callable[[FrameReady], object], clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._held: FrameReady | None = None
        self._count = 0
        self._sent_ns = -_PATIENCE_NS

    def add(self, ready: FrameReady, *, at_once: bool) -> None:
        """This frame was published. Who hears of it looks for those before it as well."""
        self._held = ready
        self._count += 1
        if at_once or self._count >= _TOGETHER or self._clock.monotonic_ns() - self._sent_ns >= _PATIENCE_NS:
            self.flush()

    def flush(self) -> None:
        """Announces what is held back; to be called before any wait."""
        if self._held is not None:
            self._send(self._held)
            self._held, self._count = None, 0
            self._sent_ns = self._clock.monotonic_ns()
