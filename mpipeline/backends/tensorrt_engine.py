"""A loaded TensorRT engine: its inputs and outputs, and the sizes that each of its profiles takes.

Written against the names that TensorRT 8.6 to 11 and TensorRT-RTX share: tensors are asked for by name, a batch is a
dimension like any other. Used by the GPU's thread alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpipeline.backends.engines.library import Library, Messages, logger_of
from mpipeline.backends.tensorrt_kernels import Kernels
from mpipeline.backends.tensorrt_plan import Plan
from mpipeline.errors import BackendError, ModelError
from mpipeline.tensor import TensorSpec

Shape = tuple[int, ...]

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
    "UINT8": np.uint8,
}


class EngineRefused(BackendError):
    """TensorRT does not load what is an engine elsewhere, or was one before something was changed here."""


@functools.cache
def _voice_of(library: Library) -> tuple[Messages, Any]:
    """What the library says, and its listener: one for a process, since it keeps the first that it is given."""
    messages = Messages()
    return messages, logger_of(library, messages)


@dataclass(frozen=True, slots=True)
class Profile:
    """The smallest and the largest shape of each input for which an engine was built; both are included."""

    index: int
    ranges: Mapping[str, tuple[Shape, Shape]]

    def takes(self, shapes: Mapping[str, Shape]) -> bool:
        """Whether inputs of these shapes fit."""
        return all(
            len(shape) == len(low) and all(a <= side <= b for a, side, b in zip(low, shape, high, strict=True))
            for (low, high), shape in ((self.ranges[name], shape) for name, shape in shapes.items())
        )

    @property
    def size(self) -> int:
        """How many numbers its largest inputs have together."""
        return sum(math.prod(high) for _, high in self.ranges.values())

    def __str__(self) -> str:
        return ", ".join(f"{name} {list(low)} to {list(high)}" for name, (low, high) in self.ranges.items())


class TensorRtEngine:
    """Loads the engine of `plan`.

    Raises EngineRefused if TensorRT does not take it, ModelError if it has inputs or outputs that cannot be fed or
    read.
    """

    def __init__(self, library: Library, plan: Plan) -> None:
        self._trt = trt = library.module
        self._messages, listener = _voice_of(library)
        self._messages.why()  # what is known already
        self._native: Any = None
        self._kernels = Kernels(plan.kernels, self._messages)
        self._runtime = trt.Runtime(listener)
        if self._runtime is None:
            raise self.failure("TensorRT does not start")
        try:
            if hasattr(trt, "init_libnvinfer_plugins"):  # layers of which some engines consist; TensorRT-RTX has none
                trt.init_libnvinfer_plugins(listener, "")
            if plan.host_code:
                self._runtime.engine_host_code_allowed = True
            self._native = self._runtime.deserialize_cuda_engine(plan.content)
            if self._native is None:
                raise EngineRefused(str(self.failure("TensorRT does not load the engine")))
            names = [self._native.get_tensor_name(i) for i in range(self._native.num_io_tensors)]
            taken = [name for name in names if self._native.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
            self.profiles = tuple(self._profile(i, taken) for i in range(self._native.num_optimization_profiles))
            self.inputs = tuple(self._spec(name) for name in taken)
            self.outputs = tuple(self._spec(name) for name in names if name not in taken)
        except BaseException:
            self.free()
            raise

    @property
    def max_batch(self) -> int | None:
        """The most rows that fit where the number of rows is open; None where it is fixed, or has no meaning."""
        opens = [spec.name for spec in self.inputs if spec.shape and spec.shape[0] is None]
        largest = [profile.ranges[name][1][0] for profile in self.profiles for name in opens]
        return max(largest, default=None)

    def context(self) -> Any:
        """A new execution context, for one batch at a time. Raises BackendError, for want of memory for instance."""
        config = self._runtime_config()
        context = self._native.create_execution_context(*([config] if config is not None else []))
        if context is None:
            raise self.failure("TensorRT cannot make an execution context")
        self._kernels.keep()
        return context

    def profile_for(self, shapes: Mapping[str, Shape]) -> int:
        """The number of the smallest profile that takes inputs of these shapes. Raises BackendError if none does."""
        fitting = [profile for profile in self.profiles if profile.takes(shapes)]
        if not fitting:
            built = "; or ".join(str(profile) for profile in self.profiles)
            raise BackendError(f"the engine was built for {built}")
        return min(fitting, key=lambda profile: profile.size).index

    def failure(self, what: str) -> BackendError:
        """The error for a call that gave nothing, with the last that TensorRT has said."""
        return BackendError(f"{what}: {self._messages.why()}")

    def free(self) -> None:
        """Lets go of engine and runtime, in this order; its contexts must be gone."""
        self._kernels.free()
        self._native = None
        self._runtime = None

    def _runtime_config(self) -> Any:
        """TensorRT-RTX puts what it launches into a CUDA graph if it is asked to; None for TensorRT, which does not."""
        strategies = getattr(self._trt, "CudaGraphStrategy", None)
        if strategies is None:
            return None
        config = self._native.create_runtime_config()
        if config is not None:
            config.cuda_graph_strategy = strategies.WHOLE_GRAPH_CAPTURE
            self._kernels.use_in(config)
        return config

    def _profile(self, index: int, names: list[str]) -> Profile:
        ranges = {}
        for name in names:
            shape = tuple(self._native.get_tensor_shape(name))
            low, high = shape, shape
            if -1 in shape:
                smallest, _, largest = self._native.get_tensor_profile_shape(name, index)
                low, high = tuple(smallest), tuple(largest)
            ranges[name] = (low, high)
        return Profile(index, ranges)

    def _spec(self, name: str) -> TensorSpec:
        kind = self._native.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise ModelError(f"{name} is of type {kind}, which cannot be fed or read here")
        if self._native.get_tensor_location(name) != self._trt.TensorLocation.DEVICE:
            raise ModelError(f"{name} tells sizes to the engine, and is no tensor of numbers")
        if self._native.get_tensor_format(name) != self._trt.TensorFormat.LINEAR:
            raise ModelError(
                f"{name} does not lie row by row in memory: the engine was built for direct input and output"
            )
        shape = tuple(self._side(name, axis, side) for axis, side in enumerate(self._native.get_tensor_shape(name)))
        return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))

    def _side(self, name: str, axis: int, side: int) -> int | None:
        """A side that the engine leaves open, but none of its profiles, is not open."""
        if side >= 0:
            return side
        limits = {limit[axis] for profile in self.profiles for limit in profile.ranges.get(name, ())}
        return limits.pop() if len(limits) == 1 else None
