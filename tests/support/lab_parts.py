"""The parts of a lab: how they are set up, and the decoder, which is the only part that is not the real one."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mpipeline.errors import RingError
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import (
    Bye,
    FrameReady,
    Ready,
    SessionOpened,
    SinkStatus,
)
from mpipeline.ring.writer import RingWriter
from mpipeline.supervisor.child import ProcessState, Sentence
from mpipeline.supervisor.plan import WorkerPlan
from mpipeline.testing.fakes import level_of
from mpipeline.transport import codec
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription


@dataclass(frozen=True)
class SourceSetup:
    """A source of `frames` frames; `resize_at`: the frame from which on frames are bigger."""

    name: str
    frames: int = 20
    every_frame: bool = True
    slots: int = 5
    resize_at: int = 0


@dataclass(frozen=True)
class SinkSetup:
    """A sink; with `pixels` it borrows the frame of each prediction."""

    name: str
    pixels: bool = False
    overflow: str = "auto"
    queue: int = 64
    credit: int = 4
    remembers: bool = True


@dataclass
class Child:
    """A worker as the membership knows it. `killed`: it has been, and is to be buried."""

    plan: WorkerPlan
    incarnation: int = 1
    ready: Ready | None = None
    is_alive: bool = True
    is_over: bool = False
    blamed: bool = False
    killed: bool = False
    state: ProcessState = ProcessState.RUNNING
    sentence: Sentence | None = None
    bye: Bye | None = None
    exit_code: int | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def identity(self) -> str:
        return f"{self.name}#{self.incarnation}"

    def kill(self) -> None:
        self.killed = True


@dataclass
class Decoder:
    """The writer of one source: every frame that finds a slot, in order, painted with its number."""

    setup: SourceSetup
    next_id: int = 1
    writer: RingWriter | None = None
    older: list[RingWriter] = field(default_factory=list)
    asked: FrameFormat | None = None

    @property
    def name(self) -> str:
        return self.setup.name

    def format(self) -> FrameFormat:
        """Of the next frame."""
        bigger = self.setup.resize_at and self.next_id >= self.setup.resize_at
        return FrameFormat(PixelFormat.GRAY8, 32 if bigger else 16, 16)

    def wants_ring(self) -> bool:
        """Whether there is no ring for the next frame; the one before it is kept until it is retired."""
        format = self.format()
        if self.writer is not None and self.writer.descriptor.format != format:
            self.older.append(self.writer)
            self.writer = None
        if self.writer is not None or self.asked == format:
            return False
        self.asked = format
        return True

    def publish(self, now: int) -> FrameReady | None:
        """The next frame, painted, if there is a slot."""
        slot = self.writer.reserve(0.0) if self.writer is not None else None
        if self.writer is None or slot is None:
            return None
        self.writer.planes(slot)[0][:] = level_of(self.next_id)
        format = self.writer.descriptor.format
        meta = FrameMeta(self.name, self.next_id, self.next_id / 25, now, now, format.width, format.height)
        sequence = self.writer.publish(slot, meta)
        self.next_id += 1
        return FrameReady(FrameRef(self.writer.descriptor.segment, slot, sequence), meta.frame_id, now)

    def hold_slot(self) -> None:
        """Begins to write the next frame, and never ends."""
        if self.writer is not None:
            with suppress(RingError):
                self.writer.reserve(0.0)

    def retire(self, segment: str) -> None:
        """Lets an older ring go."""
        for writer in [w for w in self.older if w.descriptor.segment == segment]:
            writer.close()
            self.older.remove(writer)

    def close(self) -> None:
        """Lets go of everything as it is; a reserved slot stays reserved."""
        for writer in [*self.older, *([self.writer] if self.writer else [])]:
            writer.close()


@dataclass
class SinkPart:
    """A sink's loop and what is on its way to it."""

    setup: SinkSetup
    loop: SinkLoop
    subscription: Subscription
    bit: int

    def work_off(self, queue: deque[bytes], most: int, now: int) -> None:
        """Works off up to `most` deliveries, reports if it is time; while it cannot write it only tries again."""
        if self.loop.retrying.is_active and self.loop.retrying.wait_s() == 0.0:
            self.loop.attempt()
        for _ in range(min(most, len(queue))):
            if self.loop.retrying.is_active:
                break
            delivery = self.subscription.receive(codec.decode(queue.popleft()))
            if delivery is not None:
                self.loop.take(delivery)
                self.subscription.report(now)
        self.subscription.report(now, idle=not queue)

    def hold_next(self, queue: deque[bytes]) -> None:
        """Begins to read the frame of the next delivery that has one, and never ends."""
        for data in queue:
            ref: FrameRef | None = getattr(codec.decode(data), "ref", None)
            if ref is not None and self.loop.rings.acquire(ref) is not None:
                return


class Wires:
    """The network of a lab: lists. `loss`: how probably a message that may be lost is lost or comes twice."""

    def __init__(self, rng: random.Random) -> None:
        self.loss = 0.0
        self.control: dict[str, deque[Any]] = {}  # reliable while both ends live
        self.hints: deque[FrameReady] = deque()
        self.statuses: deque[tuple[str, bytes]] = deque()
        self.deliveries: dict[str, deque[bytes]] = {}  # by the identities that are connected
        self._rng = rng

    def tell(self, identity: str, message: Any) -> bool:
        """From the supervisor."""
        self.control.setdefault(identity, deque()).append(codec.decode(codec.encode(message)))
        return True

    def announce(self, hint: FrameReady) -> None:
        """From a decoder."""
        self.hints.extend([hint] * self._copies())

    def report(self, identity: str, status: SinkStatus) -> None:
        """From a sink."""
        self.statuses.extend([(identity, codec.encode(status))] * self._copies())

    def deliver(self, identity: str, data: bytes) -> bool:
        """From inference."""
        if identity not in self.deliveries:
            return False
        if self._rng.random() >= self.loss or not isinstance(codec.decode(data), SessionOpened):
            self.deliveries[identity].append(data)
        return True

    def break_down(self) -> None:
        """Inference has died: what was on its way to it is lost, and some of the end of what came from it."""
        self.hints.clear()
        self.statuses.clear()
        for queue in self.deliveries.values():
            for _ in range(self._rng.randint(0, len(queue))):
                queue.pop()

    def _copies(self) -> int:
        return self._rng.choice((0, 1, 2)) if self._rng.random() < self.loss else 1


def config_of(sources: list[SourceSetup], sinks: list[SinkSetup]) -> dict[str, Any]:
    """The config of such a run."""
    return {
        "sources": [
            {
                "name": s.name,
                "kind": "synthetic",
                "slots": s.slots,
                "delivery": "every_frame" if s.every_frame else "latest",
            }
            for s in sources
        ],
        "model": {"target": "fake:Model"},
        "sinks": [
            {"name": s.name, "kind": "python", "target": f"fake:{s.name}", "overflow": s.overflow, "queue": s.queue}
            for s in sinks
        ],
    }
