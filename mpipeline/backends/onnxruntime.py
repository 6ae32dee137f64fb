"""ONNX Runtime: executes any ONNX file, on the CPU everywhere and without set-up, on a GPU where its libraries load."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.cores import physical_cores
from mpipeline.backends.devices import MOST_BATCHES, check_device, gpu_of
from mpipeline.backends.model_file import check_file, why_not_loaded
from mpipeline.backends.telemetry import keep_onnxruntime_silent
from mpipeline.cuda import probe
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import BackendError, ModelError
from mpipeline.tensor import Execution, ModelInfo, Precision, Tensor, TensorSpec

logger = logging.getLogger("mpipeline.inference")

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
_CUDA_TROUBLE = re.compile(r"CUDA|cudnn|cublas", re.IGNORECASE)
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_GPU_PACKAGE = (
    "it needs the package onnxruntime-gpu in place of onnxruntime: pip uninstall -y onnxruntime onnxruntime-gpu "
    "&& pip install 'onnxruntime-gpu[cuda,cudnn]'"
)
_ERRORS_ONLY = 3  # severity: ONNX Runtime writes to standard error by itself, past our log


class OnnxRuntimeBackend:
    """Executes an ONNX file on the CPU with `options.threads` threads (0: one for each physical core), or on a GPU.

    `options.device` is "cpu", "cuda", "cuda:1", or "auto": a GPU, if ONNX Runtime really comes up on one.

    Its threads sleep while they have nothing to do: by default ONNX Runtime lets them spin, which takes the cores from
    the decoders.
    """

    takes: ClassVar[str] = "tensors"
    concurrent: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ("float32",)

    def __init__(self, options: BackendOptions) -> None:
        check_device("onnxruntime", options.device, cpu=True, gpu=True)
        self._options = options
        self._threads = options.threads_of_stream(physical_cores())
        self._session: Any = None
        self._info: ModelInfo | None = None

    def open(self) -> ModelInfo:
        """Loads the file. Raises ModelError with the path if it is missing, empty, not ONNX or not complete.

        Raises BackendError if a GPU is asked for by name and ONNX Runtime does not come up on it.
        """
        keep_onnxruntime_silent()
        import onnxruntime

        path = Path(self._options.target)
        check_file(path)
        gpu = self._gpu(onnxruntime, path)
        if gpu is None:
            self._session = self._made(onnxruntime, path, [_CPU])
        inputs = tuple(_spec(path, value) for value in self._session.get_inputs())
        outputs = tuple(_spec(path, value) for value in self._session.get_outputs())
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        device, threads, streams = "the CPU", self._threads, self._options.streams
        if gpu is not None:
            device, threads, streams = str(gpu), 0, min(streams, MOST_BATCHES)
        execution = Execution(_LIBRARY, onnxruntime.__version__, device, threads, "float32", streams)
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

    def _gpu(self, onnxruntime: Any, path: Path) -> DeviceFacts | None:
        """The GPU that the session is on; None if there is to be one on the CPU."""
        asked = self._options.device
        if asked == "cpu":
            return None
        try:
            gpu = probe.device(gpu_of(asked) or 0)
        except BackendError:
            if asked != "auto":
                raise
            return None
        try:
            if _CUDA not in onnxruntime.get_available_providers():
                raise BackendError(f"{_LIBRARY} {onnxruntime.__version__} is made for CPUs alone; {_GPU_PACKAGE}")
            self._session = self._on_gpu(onnxruntime, path, gpu)
        except BackendError as error:
            if asked != "auto":
                raise
            logger.info("%s is not used: %s", gpu, error, extra={"event": "gpu_not_used"})
            return None
        return gpu

    def _on_gpu(self, onnxruntime: Any, path: Path, gpu: DeviceFacts) -> Any:
        """A session on a GPU. Raises BackendError if it does not come up, whatever was compiled in."""
        said = io.StringIO()
        if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on: finds the libraries that pip has installed
            with contextlib.redirect_stdout(said):
                onnxruntime.preload_dlls()
        # Else float32 is multiplied as TensorFloat-32, which has ten binary digits of its 23.
        cuda = (_CUDA, {"device_id": str(gpu.index), "use_tf32": "0"})
        session = self._made(onnxruntime, path, [cuda, _CPU])
        if _CUDA not in session.get_providers():
            reason = _first_line(said.getvalue())
            remedy = "its version must fit the CUDA that is installed: pip install 'onnxruntime-gpu[cuda,cudnn]'"
            raise BackendError(f"{_LIBRARY} does not come up on {gpu}: {reason}; {remedy}")
        return session

    def _made(self, onnxruntime: Any, path: Path, providers: list[Any]) -> Any:
        try:
            return onnxruntime.InferenceSession(
                str(path), self._session_options(onnxruntime), providers=providers, enable_fallback=0
            )
        except Exception as error:
            reason = _first_line(str(error))
            if providers[0] != _CPU and _CUDA_TROUBLE.search(str(error)):
                raise BackendError(f"{_LIBRARY} does not come up on a GPU: {reason}") from error
            raise ModelError(why_not_loaded(path, _LIBRARY, str(error), reason)) from error

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
