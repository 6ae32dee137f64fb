"""A model on a GPU whose numbers the processor computes: what stands before and behind it is done there for good."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from support.bright_model import SHAPES, Arrays

from mpipeline.cuda.beside import DeviceTensor, Step, Written
from mpipeline.cuda.driver import Event, Gpu
from mpipeline.cuda.thread import GpuThread
from mpipeline.tensor import Tensor


class ModelByProcessor:
    """As ModelOnGpu, for one thread: inputs that were written there come down, what `infer` makes of them goes up."""

    def __init__(self, thread: GpuThread, infer: Callable[[Arrays], Arrays]) -> None:
        self.thread = thread
        self._infer = infer
        self._stream, self._done = thread.call(lambda gpu: (gpu.stream(), gpu.event()))
        self._memory: dict[str, tuple[Any, Any]] = {}  # here and there

    def run(
        self, inputs: Mapping[str, Tensor], written: Mapping[str, Written], read: Mapping[str, Step]
    ) -> dict[str, Tensor]:
        images = {name: self._room(name, one.shape) for name, one in written.items()}
        rows = next(iter(written.values())).shape[0]
        outputs = {name: self._room(name, (rows, *shape)) for name, shape in SHAPES.items()}

        def before(gpu: Gpu) -> Event:
            for name, one in written.items():
                one.write(gpu, self._there(name, one.shape), self._stream)
                gpu.download(images[name].reshape(-1).view(np.uint8), self._memory[name][1].address, self._stream)
            self._done.record(self._stream)
            return self._done

        def behind(gpu: Gpu) -> Event:
            for name, value in outputs.items():
                flat = value.reshape(-1).view(np.uint8)
                gpu.upload(self._memory[name][1].address, flat, self._stream)
                if name in read:
                    read[name](gpu, self._there(name, value.shape), self._stream)
            self._done.record(self._stream)
            return self._done

        self.thread.finish(before)
        for name, value in self._infer({**inputs, **images}).items():
            outputs[name][:] = value
        self.thread.finish(behind)
        return {name: value for name, value in outputs.items() if name not in read}

    def close(self) -> None:
        kept = [one for pair in self._memory.values() for one in pair]
        self.thread.call(lambda _: [one.free() for one in (*kept, self._done, self._stream)])

    def _room(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        size = 4 * math.prod(shape)
        if name not in self._memory or self._memory[name][0].array.nbytes < size:
            for one in self._memory.pop(name, ()):
                self.thread.call(lambda _, one=one: one.free())
            self._memory[name] = self.thread.call(lambda gpu: (gpu.allocate_host(size), gpu.allocate(size)))
        array: np.ndarray = self._memory[name][0].array[:size].view(np.float32).reshape(shape)
        return array

    def _there(self, name: str, shape: tuple[int, ...]) -> DeviceTensor:
        return DeviceTensor(self._memory[name][1].address, shape, np.dtype(np.float32))
