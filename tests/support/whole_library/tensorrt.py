"""In place of TensorRT where the driver is that of cuda_driver.c: engines are the ONNX files, computed by ONNX Runtime.

The memory of that "device" is memory of this process, so that inputs and outputs are where their addresses say. What
builds is the stand-in of TensorRT-RTX in ../stand_in_library.
"""

from __future__ import annotations

import ctypes
import enum
import math
from typing import Any

import numpy as np
import onnxruntime
from support.stand_in_library import tensorrt_rtx
from support.stand_in_library.tensorrt_rtx import (  # noqa: F401 - names of the module
    BuilderFlag,
    HardwareCompatibilityLevel,
    ILogger,
    IProgressMonitor,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    OnnxParser,
    init_libnvinfer_plugins,
)

__version__ = "10.3.0"
_MOST = 64  # frames in a batch


class TensorIOMode(enum.Enum):
    INPUT, OUTPUT = range(2)


class TensorLocation(enum.Enum):
    DEVICE, HOST = range(2)


class TensorFormat(enum.Enum):
    LINEAR, CHW32 = range(2)


class DataType(enum.Enum):
    FLOAT, HALF = "tensor(float)", "tensor(float16)"


_DTYPES = {DataType.FLOAT: np.float32, DataType.HALF: np.float16}


class Builder(tensorrt_rtx.Builder):
    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        made = super().build_serialized_network(network, config)
        return network.content if made is not None else None


class Runtime:
    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> Any:
        try:
            return Engine(onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]))
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._logger.log(ILogger.Severity.ERROR, str(error))
            return None


class Engine:
    num_optimization_profiles = 1

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self.inputs = {one.name: one for one in session.get_inputs()}
        self.tensors = {**self.inputs, **{one.name: one for one in session.get_outputs()}}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType(self.tensors[name].type)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(side if isinstance(side, int) else -1 for side in self.tensors[name].shape)

    def get_tensor_format(self, name: str) -> TensorFormat:
        return TensorFormat.LINEAR

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name: str, index: int) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(count if side < 0 else side for side in self.get_tensor_shape(name)) for count in (1, _MOST, _MOST)
        )

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    active_optimization_profile = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        rows = next(iter(self._shapes.values()))[0]
        known = self._engine.get_tensor_shape(name)
        return self._shapes.get(name) or tuple(rows if side < 0 else side for side in known)

    def execute_async_v3(self, stream: int) -> bool:
        given = {name: self._view(name) for name in self._engine.inputs}
        outputs = [name for name in self._engine.tensors if name not in given]
        for name, value in zip(outputs, self._engine.session.run(outputs, given), strict=True):
            self._view(name)[...] = value
        return True

    def _view(self, name: str) -> np.ndarray:
        shape, dtype = self.get_tensor_shape(name), np.dtype(_DTYPES[self._engine.get_tensor_dtype(name)])
        size = math.prod(shape) * dtype.itemsize
        return np.frombuffer((ctypes.c_char * size).from_address(self._addresses[name]), dtype).reshape(shape)
