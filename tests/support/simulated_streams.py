"""What lives on a simulated GPU: memory, streams of work, events, code."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpipeline.cuda.driver import Address, Bytes
from mpipeline.errors import BackendError

if TYPE_CHECKING:
    from support.simulated_gpu import SimulatedGpu

FREED = 0xDD  # what is in memory that was freed


class Misuse(AssertionError):
    """What a real GPU might let pass, or die of."""


@dataclass(eq=False)
class Place:
    """Some memory with an address on the device."""

    gpu: SimulatedGpu
    kind: str
    begin: int
    array: Bytes
    is_freed: bool = False

    @property
    def address(self) -> Address | None:
        if self.is_freed:  # any thread may ask
            self.gpu.misuse(f"the address of freed {self.kind} memory was asked for")
        return self.begin if self.kind == "device" or self.gpu.maps_host else None

    @property
    def size(self) -> int:
        return self.array.nbytes

    def free(self) -> None:
        self.gpu.release(self)
        using = [one for stream in self.gpu.streams for one in stream.work if self in one.reads + one.writes]
        if using and not self.gpu.broken:
            self.gpu.misuse(f"{self.kind} memory was freed while a stream has still to {using[0].what}")
        if self.kind != "registered":
            self.array[:] = FREED


@dataclass(eq=False)
class Work:
    """One piece of work in a stream."""

    what: str
    do: Callable[[], object]
    reads: list[Place] = field(default_factory=list)
    writes: list[Place] = field(default_factory=list)
    waits: bool = False  # for another stream, so that what comes later in this one is in order with that


@dataclass(eq=False)
class SimulatedStream:
    gpu: SimulatedGpu
    handle: int
    work: list[Work] = field(default_factory=list)
    is_freed: bool = False
    kind = "stream"

    def wait(self, event: SimulatedEvent) -> None:
        self.gpu.check(self, event)
        self.add(Work("wait for an event", event.reach, waits=True))

    def synchronize(self) -> None:
        self.gpu.check(self)
        self.gpu.wait_for_go()
        while self.work:
            self.advance()

    def free(self) -> None:
        self.gpu.release(self)
        if self.work and not self.gpu.broken:
            self.gpu.misuse(f"a stream was freed that has still to {self.work[0].what}")
        self.work.clear()

    def add(self, work: Work) -> None:
        self.gpu.check(self)
        self.work.append(work)
        self.gpu.most_busy = max(self.gpu.most_busy, sum(bool(stream.work) for stream in self.gpu.streams))

    def advance(self) -> None:
        """Does the first piece of work."""
        work = self.work[0]
        for other in self.gpu.streams:
            for one in itertools.takewhile(lambda one: not one.waits, other.work if other is not self else ()):
                if any(place in one.writes for place in work.reads + work.writes):
                    self.gpu.misuse(f"{work.what}: another stream has still to {one.what}")
                if any(place in one.reads for place in work.writes):
                    self.gpu.misuse(f"{work.what}: another stream has still to {one.what}")
        if self.gpu.broken:
            raise BackendError(self.gpu.broken)
        work.do()
        self.work.remove(work)


@dataclass(eq=False)
class SimulatedEvent:
    gpu: SimulatedGpu
    stream: SimulatedStream | None = None
    mark: Work | None = None
    is_freed: bool = False
    kind = "event"

    def record(self, stream: SimulatedStream) -> None:
        self.gpu.check(self)
        self.stream, self.mark = stream, Work("pass an event", lambda: None)
        stream.add(self.mark)

    def query(self) -> bool:
        self.gpu.check(self)
        if self.is_past:
            return True
        if self.gpu.go.is_set() and self.stream is not None:
            self.stream.advance()
        return self.is_past

    def synchronize(self) -> None:
        self.gpu.check(self)
        self.gpu.wait_for_go()
        self.reach()

    def free(self) -> None:
        self.gpu.release(self)

    @property
    def is_past(self) -> bool:
        return self.stream is None or self.mark not in self.stream.work

    def reach(self) -> None:
        while not self.is_past and self.stream is not None:
            self.stream.advance()


@dataclass(eq=False)
class SimulatedFunction:
    kernel: Callable[..., object]


@dataclass(eq=False)
class SimulatedModule:
    gpu: SimulatedGpu
    is_freed: bool = False
    kind = "module"

    def function(self, name: str) -> SimulatedFunction:
        self.gpu.check(self)
        if name not in self.gpu.kernels:
            raise BackendError(f"there is no kernel {name}")
        return SimulatedFunction(self.gpu.kernels[name])

    def free(self) -> None:
        self.gpu.release(self)
