"""A decoder loop that loses its stream again and again, and reports what its process has: memory, threads, files.

    python -m support.reconnecting ADDRESS COUNT

Prints a line of JSON at each thirtieth of the reconnects and at the end; after each frame burst it prints `flowing` and
expects the stream to be broken from outside. Back-off is shortened to about a millisecond.
"""

from __future__ import annotations

import contextlib
import json
import sys
import uuid
from collections.abc import Iterator

import psutil

from mpipeline import registry
from mpipeline.backoff import Backoff
from mpipeline.clock import SystemClock
from mpipeline.frame import FrameFormat
from mpipeline.messages import StreamState
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import StreamInfo
from mpipeline.workers.decoder import DecoderLoop, DecoderOptions
from mpipeline.workers.ring_switch import GrantedRing

_BURST = 3  # frames after which a stream may be broken


class OneRing:
    """Grants one ring for ever; nobody reads it."""

    def __init__(self) -> None:
        self._owned: OwnedRing | None = None

    def request(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing:
        """The ring, made at the first request."""
        if self._owned is None:
            self._owned = create_ring(uuid.uuid4().hex[:12], "gate", 0, format, 4)
        return GrantedRing(RingWriter(self._owned.descriptor, reuse=True), False)

    def close(self) -> None:
        """Removes it."""
        if self._owned is not None:
            self._owned.close()


class Losses:
    """Runs the loop and counts how often the stream was lost or could not be had."""

    def __init__(self, address: str, rings: OneRing) -> None:
        kind = registry.load("sources", "video")
        options = kind.Options(uri=address, connect_timeout=5, read_timeout=5)
        self._recorder = Recorder()
        self.loop = DecoderLoop(
            DecoderOptions("gate"),
            open_source=lambda: kind("gate", options),
            rings=rings,
            announce=lambda message: None,
            clock=SystemClock(),
            recorder=self._recorder,
            backoff=Backoff(0.001, 0.001),
        )

    def count(self) -> int:
        """Reconnects and failed connects so far."""
        counts = self._recorder.snapshot()
        return int(sum(n for key, n in counts.items() if key.partition("{")[0] in ("reconnects", "connect_failures")))

    def each(self) -> Iterator[int]:
        """Steps the loop; yields the number of losses after each."""
        lost = told_at = 0
        while True:
            self.loop.step()
            if (now := self.count()) != lost:
                lost = now
                yield lost
            elif self.loop.state is StreamState.STREAMING and self.loop.progress >= told_at + _BURST:
                told_at = self.loop.progress
                print("flowing", flush=True)


def report(losses: int) -> None:
    """One line about this process."""
    process = psutil.Process()
    memory = process.memory_info().rss / 1e6
    figures = {"losses": losses, "rss_mb": memory, "files": process.num_fds(), "threads": process.num_threads()}
    print(json.dumps(figures), flush=True)


def main() -> None:
    """See the module's text."""
    address, count = sys.argv[1], int(sys.argv[2])
    rings = OneRing()
    losses = Losses(address, rings)
    with contextlib.closing(rings), contextlib.closing(losses.loop):
        for lost in losses.each():
            if lost % max(1, count // 30) == 0 or lost == count:
                report(lost)
            if lost >= count:
                break


if __name__ == "__main__":
    main()
