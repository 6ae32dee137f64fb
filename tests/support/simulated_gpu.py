"""A GPU that is none, for whatever is written against mpipeline.cuda.driver: it does the work, late, and tells misuse.

Nothing in a stream is done before somebody waits for it, or asks an event, each time for one piece of work more. So who
forgets to wait sees rubbish. Misuse is raised as `Misuse` and kept in `misuses`, for code that swallows it:

* memory that was freed, was never there, or is too short; an object that was freed, or is freed twice
* work that reads what another stream has still to write, or writes what another has still to read or write
* freeing what a stream has still to use; changing what has still to be uploaded
* calls from another thread, or without the context; what is left when the context is left
"""

from __future__ import annotations

import itertools
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from support.simulated_streams import (
    Misuse,
    Place,
    SimulatedEvent,
    SimulatedFunction,
    SimulatedModule,
    SimulatedStream,
    Work,
)

from mpipeline.cuda.driver import Address, Bytes, DeviceFacts
from mpipeline.errors import BackendError

FACTS = DeviceFacts(0, "Simulated", (8, 7), False, 1 << 30, (12, 6), True, True)
_RUBBISH, _IN_FLIGHT = 0xA5, 0xEE
_GAP = 1 << 20  # between places in memory, so that who runs past an end is seen
_PATIENCE_S = 30


class SimulatedGpu:
    """As driver.Gpu. `kernels` are called as `kernel(gpu, grid, block, *arguments)` and use `at`.

    `fails[name] = n` lets the n-th call of that method from then on fail, as CUDA would. While `go` is not set, nothing
    in a stream is done. `broken` is an error that all work raises from then on, as after a bad access of a kernel.
    """

    def __init__(self, facts: DeviceFacts = FACTS, kernels: Mapping[str, Callable[..., object]] | None = None) -> None:
        self.facts = facts
        self.kernels = dict(kernels or {})
        self.maps_host = True
        self.misuses: list[str] = []
        self.fails: dict[str, int] = {}
        self.broken = ""
        self.go = threading.Event()
        self.go.set()
        self.most_busy = 0  # streams with work in them, at the same moment
        self.thread: int | None = None
        self.alive: list[Any] = []
        self._addresses = itertools.count(_GAP, _GAP << 8)
        self._handles = itertools.count(1)

    # --- as driver.Gpu -----------------------------------------------------------------------------------------

    def __enter__(self) -> SimulatedGpu:
        self._call("enter", within=False)
        if self.thread is not None:
            self.misuse("entered twice")
        self.thread = threading.get_ident()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.check()
        self.thread = None
        if self.alive:
            self.misuses.append(f"left behind: {', '.join(one.kind for one in self.alive)}")

    def stream(self) -> SimulatedStream:
        self._call("stream")
        return self._born(SimulatedStream(self, next(self._handles)))

    def event(self) -> SimulatedEvent:
        self._call("event")
        return self._born(SimulatedEvent(self))

    def allocate(self, size: int) -> Place:
        self._call("allocate")
        taken = sum(one.size for one in self.alive if isinstance(one, Place) and one.kind == "device")
        if taken + size > self.facts.total_bytes:
            raise BackendError("out of memory")
        return self._place("device", np.full(size, _RUBBISH, np.uint8))

    def allocate_host(self, size: int) -> Place:
        self._call("allocate_host")
        return self._place("page-locked", np.full(size, _RUBBISH, np.uint8))

    def register(self, memory: Bytes) -> Place:
        self._call("register")
        able = self.facts.registers and (memory.flags.writeable or self.facts.registers_read_only)
        begin = memory.ctypes.data
        for one in self.alive:
            if isinstance(one, Place) and one.kind == "registered":
                other = one.array.ctypes.data
                able = able and (begin + memory.nbytes <= other or other + one.size <= begin)
        if not able:
            raise BackendError("cuMemHostRegister failed")
        return self._place("registered", memory)

    def upload(self, target: Address, source: Bytes, stream: SimulatedStream) -> None:
        self._call("upload")
        known, place = zlib.crc32(source), self.find(target, source.nbytes)

        def copy() -> None:
            if zlib.crc32(source) != known:
                self.misuse("what is uploaded was changed before it was up")
            self.at(target, source.nbytes)[:] = source

        stream.add(Work(f"upload {source.nbytes} bytes", copy, self._host(source), [place]))

    def download(self, target: Bytes, source: Address, stream: SimulatedStream) -> None:
        self._call("download")
        place = self.find(source, target.nbytes)
        target[:] = _IN_FLIGHT

        def copy() -> None:
            target[:] = self.at(source, target.nbytes)

        stream.add(Work(f"download {target.nbytes} bytes", copy, [place], self._host(target)))

    def fill(self, target: Address, value: int, size: int, stream: SimulatedStream) -> None:
        self._call("fill")

        def set_bytes() -> None:
            self.at(target, size)[:] = value

        stream.add(Work(f"fill {size} bytes", set_bytes, [], [self.find(target, size)]))

    def module(self, ptx: bytes) -> SimulatedModule:
        self._call("module")
        if b".version" not in ptx:
            raise BackendError("a PTX JIT compilation failed")
        return self._born(SimulatedModule(self))

    def launch(
        self,
        function: SimulatedFunction,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        arguments: Sequence[np.generic],
        stream: SimulatedStream,
    ) -> None:
        self._call("launch")
        addresses = [int(one) for one in arguments if isinstance(one, np.uint64)]
        touched = [self.find(address, 1) for address in addresses if address]
        self.put(
            stream.handle, "run a kernel", lambda: function.kernel(self, grid, block, *arguments), touched, touched
        )

    # --- for what is simulated on it ----------------------------------------------------------------------------

    @property
    def streams(self) -> list[SimulatedStream]:
        return [one for one in self.alive if isinstance(one, SimulatedStream)]

    def at(self, address: Address, size: int) -> Bytes:
        """The memory at an address, for work that is done."""
        place = self.find(address, size)
        return place.array[address - place.begin : address - place.begin + size]

    def find(self, address: Address, size: int) -> Place:
        for one in self.alive:
            if isinstance(one, Place) and one.begin <= address and address + size <= one.begin + one.size:
                return one
        return self.misuse(f"there are no {size} bytes at {address}, or no more")

    def put(
        self, handle: int, what: str, do: Callable[[], object], reads: Iterable[Place], writes: Iterable[Place]
    ) -> None:
        """Work of a library, which knows a stream by its handle."""
        self.check()
        found = [stream for stream in self.streams if stream.handle == handle]
        (found[0] if found else self.misuse("there is no such stream")).add(Work(what, do, list(reads), list(writes)))

    def check(self, *objects: Any) -> None:
        """Whether this thread may use the GPU, and these things on it."""
        if self.thread != threading.get_ident():
            self.misuse("used without the context, or by another thread")
        for one in objects:
            if one.is_freed:
                self.misuse(f"a freed {one.kind} was used")

    def release(self, one: Any) -> None:
        self.check(one)
        one.is_freed = True
        self.alive.remove(one)

    def misuse(self, text: str) -> Any:
        self.misuses.append(text)
        raise Misuse(text)

    def wait_for_go(self) -> None:
        assert self.go.wait(_PATIENCE_S), "the test has never set `go`"

    def _call(self, name: str, *, within: bool = True) -> None:
        if within:
            self.check()
        if name in self.fails:
            self.fails[name] -= 1
            if not self.fails[name]:
                del self.fails[name]
                raise BackendError(f"{name} failed: simulated")

    def _born(self, one: Any) -> Any:
        self.alive.append(one)
        return one

    def _place(self, kind: str, array: Bytes) -> Place:
        place: Place = self._born(Place(self, kind, next(self._addresses), array))
        return place

    def _host(self, array: Bytes) -> list[Place]:
        """The page-locked memory in which an array lies, if it does."""
        begin = array.ctypes.data
        return [
            one
            for one in self.alive
            if isinstance(one, Place) and one.kind != "device"
            if one.array.ctypes.data <= begin < one.array.ctypes.data + max(1, one.size)
        ]
