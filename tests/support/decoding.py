"""A decoder loop over fake sources and real rings, for its tests."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from mpipeline.backoff import Backoff
from mpipeline.clock import ManualClock
from mpipeline.frame import FrameFormat
from mpipeline.messages import FrameReady
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import StreamInfo
from mpipeline.testing.fakes import FakeSource, FakeSourceOptions
from mpipeline.workers.decoder import DecoderLoop, DecoderOptions
from mpipeline.workers.permits import Permits
from mpipeline.workers.ring_switch import GrantedRing


class Bench:
    """A decoder loop, the rings that it is granted, and a reader that works them off (unless told not to)."""

    def __init__(
        self,
        *sources: FakeSourceOptions,
        slots: int = 4,
        reading: bool = True,
        done: int = 0,
        permits: Permits | None = None,
        **options: Any,
    ) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder()
        self.hints: list[FrameReady] = []
        self.read: list[tuple[int, int, float | None]] = []  # frame id, level, pts
        self.made: list[FakeSource] = []
        self.rings: list[OwnedRing] = []
        self.readers: list[RingReader] = []
        self.refuse = False
        self.reading = reading
        self._script = list(sources)
        self._slots = slots
        self._done = done  # what the supervisor knows to be done when it grants a ring
        self._run = uuid.uuid4().hex[:12]
        self.options = DecoderOptions("cam", **options)
        self.pauses: list[float] = []
        rng = random.Random(1)
        rng.uniform = lambda _, bound: self.pauses.append(bound) or bound  # type: ignore[method-assign,func-returns-value]
        self.loop = DecoderLoop(
            self.options, self._open, self, self.hints.append, self.clock, self.recorder, Backoff(rng=rng), permits
        )

    def _open(self) -> FakeSource:
        options = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        self.made.append(FakeSource("cam", options, self.clock))
        return self.made[-1]

    def request(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing | None:
        if self.refuse:
            return None
        ring = create_ring(self._run, "cam", len(self.rings), format, self._slots, last_frame_id)
        ring.add_reader(0, pinned=not info.live)
        self.rings.append(ring)
        self.readers.append(RingReader(ring.descriptor, 0))
        return GrantedRing(RingWriter(ring.descriptor, reuse=True), not info.live, self._done)

    def drain(self) -> None:
        for reader in self.readers:
            for ref, meta in reader.pending():
                with reader.acquire(ref.slot, ref.sequence) as lease:  # type: ignore[union-attr]
                    self.read.append((meta.frame_id, int(lease.frame.planes[0][0, 0]), meta.pts))

    def run(self, until: Callable[[], bool] = lambda: False, steps: int = 2000) -> None:
        """Steps until the source is over, or `until`."""
        for _ in range(steps):
            if until() or not self.loop.step():
                return
            if self.reading:
                self.drain()
            self.clock.advance(0.04)
        raise AssertionError(f"not over: {self.loop.state} {self.loop.reason}")

    def ids(self) -> list[int]:
        return [frame_id for frame_id, _, _ in self.read]

    def count(self, metric: str) -> Counter[str]:
        """By reason, or under "" for a metric without."""
        found: Counter[str] = Counter()
        for key, value in self.recorder.snapshot().items():
            name, _, labels = key.partition("{")
            if name == metric:
                found[labels.partition("reason=")[2].partition(",")[0]] += int(value)
        return found

    def close(self) -> None:
        self.loop.close()
        for part in (*self.readers, *self.rings):
            part.close()
