"""A TensorRT that is none: its module, with the names that all versions share, on a simulated GPU.

An engine is a name in `engines`, as bytes. What is wrongly used, in the wrong order or on the wrong thread, is noted by
the GPU; what fails gives None or False and tells the logger why, as the real one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from support.simulated_gpu import SimulatedGpu
from support.simulated_kernels import RuntimeCache, RuntimeConfig
from support.simulated_ownership import Owned

Shape = tuple[int, ...]
Arrays = Mapping[str, np.ndarray]


class Severity(Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class TensorIOMode(Enum):
    INPUT = 1
    OUTPUT = 2


class TensorLocation(Enum):
    DEVICE = 0
    HOST = 1


class TensorFormat(Enum):
    LINEAR = 0
    CHW32 = 5


class DataType(Enum):
    FLOAT = "float32"
    HALF = "float16"
    INT8 = "int8"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"
    UINT8 = "uint8"
    BF16 = "bfloat16"


@dataclass
class EngineFile:
    """What is in an engine: shapes with -1 where open, profiles as name → (smallest, most common, largest).

    `infer` computes the outputs; `sizes` their shapes from those of the inputs. `host_code`: it is for later versions
    too, and holds code for the processor.
    """

    inputs: dict[str, tuple[Shape, DataType]]
    outputs: dict[str, tuple[Shape, DataType]]
    infer: Callable[[Arrays], Arrays]
    sizes: Callable[[Mapping[str, Shape]], Mapping[str, Shape]]
    profiles: list[dict[str, tuple[Shape, Shape, Shape]]] = field(default_factory=list)
    on_host: frozenset[str] = frozenset()
    format: TensorFormat = TensorFormat.LINEAR
    host_code: bool = False


class SimulatedTensorRt:
    """The module. `refuses` has names of calls that give None or False; `calls` those that were made, in order."""

    __name__ = "tensorrt"
    __version__ = "10.3.0"
    TensorIOMode, TensorLocation, TensorFormat, DataType = TensorIOMode, TensorLocation, TensorFormat, DataType

    def __init__(self, gpu: SimulatedGpu, engines: dict[bytes, EngineFile]) -> None:
        self.gpu = gpu
        self.engines = engines
        self.refuses: set[str] = set()
        self.calls: list[str] = []
        self.alive: list[str] = []  # what was made and is not gone
        self.logger: Any = None
        self.strategy: Any = None  # for CUDA graphs, of the last context
        self.compiled = 0  # sets of kernels, as only TensorRT-RTX does it

        class ILogger:
            Severity = Severity

        self.ILogger = ILogger

    def init_libnvinfer_plugins(self, logger: Any, namespace: str) -> bool:
        return bool(self.may("init_libnvinfer_plugins"))

    def Runtime(self, logger: Any) -> Any:
        self.logger = logger
        return Runtime(self) if self.may("Runtime") else None

    def may(self, name: str) -> bool:
        """Whether a call succeeds; it is made on the thread that has the context, or is misuse."""
        self.gpu.check()
        self.calls.append(name)
        if name in self.refuses:
            self.say(f"{name} refuses")
            return False
        return True

    def say(self, message: str, severity: Severity = Severity.ERROR) -> None:
        self.logger.log(severity, message)


class Runtime(Owned):
    def __init__(self, trt: SimulatedTensorRt) -> None:
        super().__init__(trt, "Engine", "Context")
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, content: bytes) -> Any:
        if not self.trt.may("deserialize_cuda_engine"):
            return None
        if content not in self.trt.engines:
            self.trt.say("Serialization assertion failed: version tag does not match")
            return None
        if self.trt.engines[content].host_code and not self.engine_host_code_allowed:
            self.trt.say("Cannot deserialize engine since IRuntime::getEngineHostCodeAllowed() is false.")
            return None
        return Engine(self.trt, self.trt.engines[content])


class Engine(Owned):
    def __init__(self, trt: SimulatedTensorRt, file: EngineFile) -> None:
        super().__init__(trt, "Context")
        self.file = file
        self._names = [*file.inputs, *file.outputs]
        self.num_io_tensors = len(self._names)
        self.num_optimization_profiles = max(1, len(file.profiles))

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.file.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return {**self.file.inputs, **self.file.outputs}[name][1]

    def get_tensor_shape(self, name: str) -> Shape:
        return {**self.file.inputs, **self.file.outputs}[name][0]

    def get_tensor_format(self, name: str) -> TensorFormat:
        return self.file.format

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.HOST if name in self.file.on_host else TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name: str, index: int) -> tuple[Shape, Shape, Shape]:
        return self.file.profiles[index][name]

    def create_runtime_config(self) -> Any:
        return RuntimeConfig(self.trt) if self.trt.may("create_runtime_config") else None

    def create_execution_context(self, config: Any = None) -> Any:
        self.trt.strategy = config and config.cuda_graph_strategy
        return (
            Context(self.trt, self.file, config and config.cache) if self.trt.may("create_execution_context") else None
        )


class Context(Owned):
    def __init__(self, trt: SimulatedTensorRt, file: EngineFile, cache: RuntimeCache | None = None) -> None:
        super().__init__(trt)
        self._file = file
        self._cache = cache
        if cache is not None:
            cache.add("all")
        self._shapes = {name: shape for name, (shape, _) in file.inputs.items() if -1 not in shape}
        self._addresses: dict[str, int] = {}
        self.active_optimization_profile = 0

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        if not self.trt.may("set_optimization_profile_async"):
            return False
        self.active_optimization_profile = index
        self._shapes.clear()
        return True

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        if not self.trt.may("set_input_shape"):
            return False
        for low, high, side in zip(*self._limits(name), shape, strict=True):
            if not low <= side <= high:
                self.trt.say(f"{name} does not fit profile {self.active_optimization_profile}")
                return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> Shape:
        return self._shapes[name] if name in self._file.inputs else self._file.sizes(self._shapes)[name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        if not self.trt.may("set_tensor_address"):
            return False
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        file, gpu = self._file, self.trt.gpu
        if not self.trt.may("execute_async_v3"):
            return False
        missing = [name for name in (*file.inputs, *file.outputs) if name not in self._addresses]
        if missing or self._shapes.keys() != file.inputs.keys():
            self.trt.say(f"no address, or no shape: {missing}")
            return False
        if self._cache is not None:
            self._cache.add(str(sorted(self._shapes.items())))
        places = {name: self._where(name) for name in (*file.inputs, *file.outputs)}
        reads = [gpu.find(address, size) for name, (address, size, _) in places.items() if name in file.inputs]
        writes = [gpu.find(address, size) for name, (address, size, _) in places.items() if name in file.outputs]

        def compute() -> None:
            views = {name: self._view(*place, name) for name, place in places.items()}
            for name, value in file.infer({name: views[name] for name in file.inputs}).items():
                views[name][...] = value

        gpu.put(stream, "infer", compute, reads, writes)
        return True

    def _limits(self, name: str) -> tuple[Shape, Shape]:
        shape = self._file.inputs[name][0]
        if -1 not in shape:
            return shape, shape
        low, _, high = self._file.profiles[self.active_optimization_profile][name]
        return low, high

    def _where(self, name: str) -> tuple[int, int, Shape]:
        shape = self.get_tensor_shape(name)
        dtype = np.dtype({**self._file.inputs, **self._file.outputs}[name][1].value)
        return self._addresses[name], math.prod(shape) * dtype.itemsize, shape

    def _view(self, address: int, size: int, shape: Shape, name: str) -> np.ndarray:
        dtype = {**self._file.inputs, **self._file.outputs}[name][1].value
        return self.trt.gpu.at(address, size).view(dtype).reshape(shape)
