"""An engine on a GPU with all its lanes: which thread has which, and what becomes of a batch."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from mpipeline.backends.engines.library import Library
from mpipeline.backends.tensorrt_engine import TensorRtEngine
from mpipeline.backends.tensorrt_lane import Batch, Lane
from mpipeline.backends.tensorrt_memory import InputMemory
from mpipeline.backends.tensorrt_plan import Plan
from mpipeline.cuda.beside import Step, Written
from mpipeline.cuda.driver import Gpu
from mpipeline.cuda.thread import GpuThread
from mpipeline.errors import BackendError
from mpipeline.tensor import Tensor


class Lanes:
    """Loads an engine and makes `count` lanes. Made and closed on `thread`; the rest is called by any other.

    Raises as TensorRtEngine does, and BackendError where the GPU has not memory enough for all lanes.
    """

    def __init__(self, library: Library, plan: Plan, thread: GpuThread, gpu: Gpu, count: int) -> None:
        self.count = count
        self._thread = thread
        self._memory = InputMemory()
        self._lanes: list[Lane] = []
        self._mine = threading.local()  # the lane of each thread, which may look at its outputs until it calls again
        self._free: deque[Lane] = deque()
        self.engine = TensorRtEngine(library, plan)
        try:
            for _ in range(count):
                self._free.append(self._added(gpu))
        except BaseException:
            self.free()
            raise

    @property
    def thread(self) -> GpuThread:
        """As in ModelOnGpu."""
        return self._thread

    def run(
        self,
        inputs: Mapping[str, Tensor],
        written: Mapping[str, Written] = MappingProxyType({}),
        read: Mapping[str, Step] = MappingProxyType({}),
    ) -> dict[str, Tensor]:
        """As in ModelOnGpu."""
        self._check(inputs, written)
        lane = self._lane()
        found = {name: self._memory.find(value) for name, value in inputs.items()}
        in_place = {name: memory for name, memory in found.items() if memory is not None}
        batch = Batch(inputs, in_place, written, read)
        if not lane.is_prepared(batch):
            self._thread.call(lambda gpu: lane.prepare(gpu, batch))
        lane.stage(batch)
        self._thread.finish(lambda gpu: lane.enqueue(gpu, batch))
        return lane.outputs()

    def input_memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """An array of zeros in page-locked memory; not to be touched after `free`."""
        return self._thread.call(lambda gpu: self._memory.allocate(gpu, shape, dtype))

    def free(self) -> None:
        """Lanes before the engine that they execute. Nothing may be under way."""
        for lane in self._lanes:
            lane.free()
        self._lanes = []
        self._memory.free()
        self.engine.free()

    def _check(self, inputs: Mapping[str, Tensor], written: Mapping[str, Written]) -> None:
        expected = {spec.name: spec.dtype for spec in self.engine.inputs}
        if inputs.keys() | written.keys() != expected.keys():
            raise BackendError(f"the inputs are {', '.join(expected)}")
        for name, value in inputs.items():
            if value.dtype != expected[name]:
                raise BackendError(f"{name} is {expected[name]}")

    def _lane(self) -> Lane:
        mine: _Ticket | None = getattr(self._mine, "ticket", None)
        if mine is None:
            try:
                lane = self._free.popleft()
            except IndexError:  # one thread more than was said
                lane = self._thread.call(self._added)
            mine = self._mine.ticket = _Ticket(lane)
            weakref.finalize(mine, self._free.append, lane).atexit = False
        return mine.lane

    def _added(self, gpu: Gpu) -> Lane:
        lane = Lane(self.engine, gpu)
        self._lanes.append(lane)
        return lane


@dataclass(frozen=True)
class _Ticket:
    """What a thread has its lane by. It goes with the thread, and the lane is another's."""

    lane: Lane
