"""ONNX Runtime on the CPU: executes any ONNX file, everywhere, without set-up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.cores import physical_cores
from mpipeline.backends.model_file import check_file, why_not_loaded
from mpipeline.errors import BackendError, ConfigError, ModelError
from mpipeline.tensor import Execution, ModelInfo, Precision, Tensor, TensorSpec

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(uint32)": np.uint32,
    "tensor(int32)": np.int32,
    "tensor(uint64)": np.uint64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_LIBRARY = "ONNX Runtime"
_ERRORS_ONLY = 3  # severity: ONNX Runtime writes to standard error by itself, past our log


class OnnxRuntimeBackend:
    """Executes an ONNX file on the CPU with `options.threads` threads (0: one for each physical core).

    Its threads sleep while they have nothing to do: by default ONNX Runtime lets them spin, which takes the cores from
    the decoders.
    """

    takes: ClassVar[str] = "tensors"
    concurrent: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("float32",)

    def __init__(self, options: BackendOptions) -> None:
        if options.device not in ("auto", "cpu"):
            raise ConfigError(f"backend onnxruntime runs on the CPU: device is 'auto' or 'cpu', not {options.device!r}")
        self._options = options
        self._threads = options.threads_of_stream(physical_cores())
        self._session: Any = None
        self._info: ModelInfo | None = None

    def open(self) -> ModelInfo:
        """Loads the file. Raises ModelError with the path if it is missing, empty, not ONNX or not complete."""
        import onnxruntime

        path = Path(self._options.target)
        check_file(path)
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), self._session_options(onnxruntime), providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            reason = _first_line(str(error))
            raise ModelError(why_not_loaded(path, _LIBRARY, str(error), reason)) from error
        inputs = tuple(_spec(path, value) for value in self._session.get_inputs())
        outputs = tuple(_spec(path, value) for value in self._session.get_outputs())
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        execution = Execution(
            _LIBRARY, onnxruntime.__version__, "the CPU", self._threads, "float32", self._options.streams
        )
        self._info = ModelInfo(inputs, outputs, metadata, execution)
        return self._info

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Infers one batch; C-contiguous inputs are read in place. Raises BackendError with the engine's reason."""
        if self._session is None or self._info is None:
            raise BackendError(f"{self._options.target} was not opened, or is closed")
        names = [spec.name for spec in self._info.outputs]
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:
            shapes = ", ".join(f"{name} {list(value.shape)} {value.dtype}" for name, value in inputs.items())
            raise BackendError(f"{self._options.target} failed on {shapes}: {_first_line(str(error))}") from error
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Lets go of the session; its memory and threads go with it."""
        self._session = None
        self._info = None

    def _session_options(self, onnxruntime: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        return options


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"


def _spec(path: Path, value: Any) -> TensorSpec:
    if value.type not in _DTYPES:
        raise ModelError(f"{path}: {value.name} is of type {value.type}, which is not a tensor of numbers")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in value.shape)
    return TensorSpec(value.name, shape, np.dtype(_DTYPES[value.type]))
