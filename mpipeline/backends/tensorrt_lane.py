"""One batch on its way through a GPU: page-locked memory, copies, an execution context, all in a stream of its own.

While the batch of one lane computes, that of another goes up or comes down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpipeline.backends.tensorrt_engine import Shape, TensorRtEngine
from mpipeline.backends.tensorrt_memory import Buffer, PageLocked
from mpipeline.cuda.beside import DeviceTensor, Step, Written
from mpipeline.cuda.driver import Event, Gpu, Stream
from mpipeline.errors import BackendError, GpuLost, MpipelineError
from mpipeline.tensor import Tensor, TensorSpec


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs that are here, some of them in page-locked memory, others that are written on the device; outputs that are
    read there."""

    inputs: Mapping[str, Tensor]
    in_place: Mapping[str, PageLocked]
    written: Mapping[str, Written]
    read: Mapping[str, Step]

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of all inputs."""
        here = {name: value.shape for name, value in self.inputs.items()}
        return here | {name: value.shape for name, value in self.written.items()}

    @property
    def kind(self) -> tuple[object, ...]:
        """What it has in common with others for which a lane is made ready in the same way."""
        return self.shapes, frozenset(self.in_place), frozenset(self.written), frozenset(self.read)


class Lane:
    """A lane of an engine. All but `is_prepared`, `stage` and `outputs` is called on the GPU's thread."""

    def __init__(self, engine: TensorRtEngine, gpu: Gpu) -> None:
        self._engine = engine
        self._context: Any = None
        self._stream: Stream | None = None
        self._done: Event | None = None
        self._buffers = {spec.name: Buffer() for spec in (*engine.inputs, *engine.outputs)}
        self._prepared: tuple[object, ...] | None = None
        self._staged: dict[str, PageLocked] = {}
        self._outputs: dict[str, Tensor] = {}  # as they come down into page-locked memory
        self._there: dict[str, DeviceTensor] = {}  # what is written or read on the device
        try:
            self._context = engine.context()
            self._stream = gpu.stream()
            self._done = gpu.event()
        except BaseException:
            self.free()
            raise

    def is_prepared(self, batch: Batch) -> bool:
        """Whether `prepare` need not be called for this batch."""
        return self._prepared == batch.kind

    def prepare(self, gpu: Gpu, batch: Batch) -> None:
        """Makes ready for such batches. Raises BackendError, also if they do not fit the engine."""
        self._prepared, self._outputs, self._staged, self._there = None, {}, {}, {}
        shapes = batch.shapes
        self._choose_profile(shapes)
        for spec in self._engine.inputs:
            shape = shapes[spec.name]
            if not self._context.set_input_shape(spec.name, shape):
                raise self._engine.failure(f"does not take {spec.name} as {list(shape)}")
            self._make_room(gpu, spec, shape, staged=spec.name in batch.inputs and spec.name not in batch.in_place)
        for spec in self._engine.outputs:
            shape = tuple(self._context.get_tensor_shape(spec.name))
            if any(side < 0 for side in shape):
                remedy = "export the model with outputs of fixed sizes"
                raise self._engine.failure(f"the size of {spec.name} depends on what is found; {remedy}")
            self._make_room(gpu, spec, shape, staged=spec.name not in batch.read)
            if spec.name not in batch.read:
                staged = self._buffers[spec.name].staged(_size(spec, shape))
                self._outputs[spec.name] = staged.bytes.view(spec.dtype).reshape(shape)
        for name, buffer in self._buffers.items():
            if not (buffer.is_mapped and name in batch.in_place):
                self._tell_address(name, buffer.address)
        self._prepared = batch.kind

    def stage(self, batch: Batch) -> None:
        """Copies into page-locked memory what does not lie there already."""
        for name, value in batch.inputs.items():
            if name in batch.in_place:
                self._staged[name] = batch.in_place[name]
            else:
                staged = self._buffers[name].staged(value.nbytes)
                np.copyto(staged.bytes.view(value.dtype).reshape(value.shape), value)
                self._staged[name] = staged

    def enqueue(self, gpu: Gpu, batch: Batch) -> Event:
        """Puts all of a batch that was staged into the stream, from upload to download; the event marks the end.

        Raises BackendError; then nothing is under way any more.
        """
        assert self._stream is not None
        assert self._done is not None
        try:
            for name, staged in self._staged.items():
                if gpu.facts.integrated and staged.address is not None:
                    self._tell_address(name, staged.address)
                else:
                    gpu.upload(self._buffers[name].address, staged.bytes, self._stream)
            for name, written in batch.written.items():
                written.write(gpu, self._there[name], self._stream)
            if not self._context.execute_async_v3(self._stream.handle):
                raise self._engine.failure("the batch is not computed")
            for name, read in batch.read.items():
                read(gpu, self._there[name], self._stream)
            for name, value in self._outputs.items():
                buffer = self._buffers[name]
                if not buffer.is_mapped:
                    gpu.download(buffer.staged(value.nbytes).bytes, buffer.address, self._stream)
            self._done.record(self._stream)
        except BaseException as error:
            try:
                self._stream.synchronize()  # whoever called takes its memory back
            except BackendError:
                raise GpuLost(str(error)) from error
            raise
        return self._done

    def outputs(self) -> dict[str, Tensor]:
        """What came down, by name; valid until the next batch."""
        return dict(self._outputs)

    def free(self) -> None:
        """Gives everything back, what uses something before that; harmless when repeated."""
        if self._stream is not None:
            with suppress(MpipelineError):
                self._stream.synchronize()
        self._context = None
        self._prepared, self._outputs, self._staged, self._there = None, {}, {}, {}
        for buffer in self._buffers.values():
            buffer.free()
        for one in (self._done, self._stream):
            if one is not None:
                one.free()
        self._done = self._stream = None

    def _make_room(self, gpu: Gpu, spec: TensorSpec, shape: Shape, *, staged: bool) -> None:
        buffer = self._buffers[spec.name]
        buffer.grow(gpu, _size(spec, shape), staged=staged)
        if not staged:
            self._there[spec.name] = DeviceTensor(buffer.address, shape, spec.dtype)

    def _choose_profile(self, shapes: Mapping[str, Shape]) -> None:
        assert self._stream is not None
        profile = self._engine.profile_for(shapes)
        if profile == self._context.active_optimization_profile:
            return
        if not self._context.set_optimization_profile_async(profile, self._stream.handle):
            remedy = "streams: 1 may help, where one profile cannot be used for several batches at a time"
            raise BackendError(f"{self._engine.failure(f'cannot change to profile {profile}')}; {remedy}")

    def _tell_address(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise self._engine.failure(f"does not take the memory of {name}")


def _size(spec: TensorSpec, shape: Shape) -> int:
    return math.prod(shape) * spec.dtype.itemsize
