"""OpenVINO on the CPU: executes ONNX files as they are, faster than others for many models, in a chosen precision."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.compiled import CompiledFile
from mpipeline.backends.cores import cpu_identity, physical_cores
from mpipeline.backends.devices import check_device
from mpipeline.backends.model_file import check_file, digest_of, is_alone, why_not_loaded
from mpipeline.errors import BackendError, MissingDependency, ModelError
from mpipeline.tensor import Execution, ModelInfo, Precision, Tensor, TensorSpec

logger = logging.getLogger("mpipeline.inference")

_LIBRARY = "OpenVINO"
_DTYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "f64": np.float64,
    "u8": np.uint8,
    "i8": np.int8,
    "u16": np.uint16,
    "i16": np.int16,
    "u32": np.uint32,
    "i32": np.int32,
    "u64": np.uint64,
    "i64": np.int64,
    "boolean": np.bool_,
}
_PRECISIONS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_METADATA = "framework"  # where the reader of ONNX files puts `metadata_props`
_TELEMETRY = "openvino_telemetry"


class OpenVinoBackend:
    """Executes an ONNX file on the CPU with `options.threads` threads (0: one for each physical core).

    The precision is what `options` say, float32 by default: left alone, OpenVINO takes bfloat16 on CPUs that have it,
    and says nothing. Its threads sleep while they have nothing to do, and are not bound to CPUs, on which they would
    wait for decoders.
    """

    takes: ClassVar[str] = "tensors"
    concurrent: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = tuple(_PRECISIONS)

    def __init__(self, options: BackendOptions) -> None:
        check_device("openvino", options.device, cpu=True, gpu=False)
        self._options = options
        self._properties = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision],
            "INFERENCE_NUM_THREADS": options.threads_of_stream(physical_cores()) * options.streams,
            "NUM_STREAMS": options.streams,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        self._openvino: Any = None
        self._compiled: Any = None
        self._requests = threading.local()  # each thread has one of its own, and with it the outputs
        self._inputs: dict[str, Any] = {}  # name → port
        self._outputs: dict[str, Any] = {}

    def open(self) -> ModelInfo:
        """Reads and compiles the file, which takes a part of a second for a small model; `options.cache` spares that.

        Raises ModelError with the path if it is missing, empty, not ONNX, not complete, or not to be compiled, and
        MissingDependency if OpenVINO is not installed.
        """
        path = Path(self._options.target)
        check_file(path)
        self._openvino = _imported()
        compiled, metadata = self._loaded(path)
        self._inputs = {_name(port): port for port in compiled.inputs}
        self._outputs = {_name(port): port for port in compiled.outputs}
        self._compiled, self._requests = compiled, threading.local()
        inputs = tuple(_spec(path, name, port) for name, port in self._inputs.items())
        outputs = tuple(_spec(path, name, port) for name, port in self._outputs.items())
        return ModelInfo(inputs, outputs, metadata, self._execution(compiled))

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Infers one batch; C-contiguous inputs are read in place. Raises BackendError with the engine's reason."""
        if self._compiled is None:
            raise BackendError(f"{self._options.target} was not opened, or is closed")
        try:
            request = getattr(self._requests, "request", None)
            if request is None:
                request = self._requests.request = self._compiled.create_infer_request()
            if inputs.keys() != self._inputs.keys():  # else it would take what memory happens to hold
                raise ValueError(f"the inputs are {', '.join(self._inputs)}")
            usable = {name: _in_place(value) for name, value in inputs.items()}  # a tensor does not keep them alive
            for name, value in usable.items():
                request.set_tensor(self._inputs[name], self._openvino.Tensor(value, shared_memory=True))
            request.infer()
            return {name: request.get_tensor(port).data for name, port in self._outputs.items()}
        except Exception as error:
            shapes = ", ".join(f"{name} {list(value.shape)} {value.dtype}" for name, value in inputs.items())
            raise BackendError(f"{self._options.target} failed on {shapes}: {_reason(str(error))}") from error

    def close(self) -> None:
        """Lets go of the compiled model; its memory and threads go with it."""
        self._compiled, self._requests = None, threading.local()
        self._inputs, self._outputs = {}, {}

    def _loaded(self, path: Path) -> tuple[Any, dict[str, str]]:
        """The compiled model and the metadata of the file: kept from an earlier run, or made anew and kept."""
        core = self._openvino.Core()
        kept = self._kept(path)
        if kept is not None and (found := kept.load()) is not None:
            metadata, content = found
            try:
                return core.import_model(content, "CPU", self._properties), metadata
            except RuntimeError as error:
                logger.info("a kept model is of no use: %s", _reason(str(error)), extra={"event": "model_not_kept"})
        model = _read(path, self._openvino)
        compiled, metadata = self._compile(path, core, model), _metadata(model)
        if kept is not None:
            try:
                kept.keep(metadata, compiled.export_model().getvalue())
            except (OSError, RuntimeError) as error:
                logger.info("the compiled model is not kept: %s", error, extra={"event": "model_not_kept"})
        return compiled, metadata

    def _kept(self, path: Path) -> CompiledFile | None:
        """Where the compiled model is kept; None for one whose weights in other files may change without a sign."""
        if self._options.cache is None or not is_alone(path):
            return None
        case = {
            "model": digest_of(path),
            "library": [_LIBRARY, self._openvino.get_version()],
            "cpu": cpu_identity(),
            "properties": self._properties,
        }
        return CompiledFile(self._options.cache, case)

    def _compile(self, path: Path, core: Any, model: Any) -> Any:
        precision = self._options.precision
        try:
            return core.compile_model(model, "CPU", self._properties)
        except Exception as error:
            remedy = "" if precision == "float32" else "; precision float32 may work"
            reason = f"{_LIBRARY} cannot compile it in {precision}: {_reason(str(error))}"
            raise ModelError(f"{path}: {reason}{remedy}") from error

    def _execution(self, compiled: Any) -> Execution:
        """As the compiled model reports it; a precision that was asked for and is not in effect is told."""
        hint = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        precision = next((name for name, short in _PRECISIONS.items() if short == hint), hint)
        if precision != self._options.precision:
            text = "precision %s was asked for, but %s infers in %s on this CPU"
            extra = {"event": "precision_not_in_effect"}
            logger.warning(text, self._options.precision, _LIBRARY, precision, extra=extra)
        version = self._openvino.get_version().split("-")[0]
        streams: int = compiled.get_property("NUM_STREAMS")
        threads = compiled.get_property("INFERENCE_NUM_THREADS") // max(1, streams)
        return Execution(_LIBRARY, version, "the CPU", threads, precision, streams)


def _imported() -> Any:
    """OpenVINO without its telemetry, which would report each import over the network; it has a stub for its place."""
    modules: dict[str, Any] = sys.modules
    blocked = _TELEMETRY not in modules
    if blocked:
        modules[_TELEMETRY] = None
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingDependency("OpenVINO", "openvino", "backend openvino") from error
    except ImportError as error:
        raise BackendError(f"OpenVINO is installed, but does not load: {error}") from error
    finally:
        if blocked:
            del modules[_TELEMETRY]
    return openvino


def _read(path: Path, openvino: Any) -> Any:
    """The model in the file. The reader for ONNX is asked directly: others would print what they think of the file."""
    reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
    try:
        model = reader.convert(reader.load(str(path)))
    except Exception as error:
        raise ModelError(why_not_loaded(path, _LIBRARY, str(error), _reason(str(error)))) from error
    if not model.outputs:
        raise ModelError(f"{path}: is not an ONNX file, or is cut off: it has no outputs")
    return model


def _metadata(model: Any) -> dict[str, str]:
    told = model.get_rt_info()
    return {key: value.astype(str) for key, value in told[_METADATA].items()} if _METADATA in told else {}


def _in_place(value: Tensor) -> Tensor:
    """The array, or a copy of one whose memory OpenVINO does not take."""
    return value if value.flags.c_contiguous and value.flags.writeable else value.copy(order="C")


def _name(port: Any) -> str:
    """The name in the ONNX file: a tensor may have several, and those of its nodes are unique."""
    return str(port.get_node().friendly_name).removesuffix("/sink_port_0")


def _spec(path: Path, name: str, port: Any) -> TensorSpec:
    kind = port.element_type.to_string()
    if kind not in _DTYPES:
        raise ModelError(f"{path}: {name} is of type {kind}, which is not a tensor of numbers")
    shape = tuple(side.get_length() if side.is_static else None for side in port.partial_shape)
    return TensorSpec(name, shape, np.dtype(_DTYPES[kind]))


def _reason(text: str) -> str:
    """The last line of an error: the lines before it tell places in OpenVINO's source."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
