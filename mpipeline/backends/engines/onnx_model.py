"""An ONNX file on its way into an engine: what it says of itself, and its content in the precision that is asked for.

The precision of an engine is that of the ONNX file: newer versions of TensorRT have no other way to say it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpipeline.backends.engines.recipe import EnginePrecision
from mpipeline.backends.model_file import digest_of, is_alone
from mpipeline.backends.telemetry import keep_onnxruntime_silent
from mpipeline.errors import ConfigError, ModelError

_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_ZERO_POINT = 2  # which input of those
_REMEDY = "make one with `mpipeline models quantize MODEL.onnx VIDEO --symmetric`"


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """`content` is a serialized model, whose weights may lie in files beside the original. `metadata` is what the
    original says of itself: names of classes, the task."""

    content: bytes
    metadata: dict[str, str]
    has_half: bool
    is_eight_bit: bool


def read_model(path: Path, precision: EnginePrecision) -> OnnxModel:
    """Reads the file, and converts it where that is asked for.

    Raises ModelError if it cannot be had in that precision, ConfigError if the library for ONNX is missing.
    """
    onnx = _library()
    model = _loaded(path, onnx, with_weights=precision == "float16")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    is_eight_bit = any(node.op_type in _QUANTIZERS for node in model.graph.node)
    if is_eight_bit:
        if precision == "float16":
            raise ModelError(f"{path}: is an 8-bit model, which stays as it is: leave the precision out")
        _check_symmetric(path, model, onnx)
    elif precision == "int8":
        raise ModelError(f"{path}: has no 8-bit scales, so there is no engine of it in int8; {_REMEDY}")
    half = onnx.TensorProto.FLOAT16
    if precision == "float16":
        return OnnxModel(_half(path, model), metadata, True, False)
    has_half = any(each.data_type == half for each in model.graph.initializer)
    return OnnxModel(path.read_bytes(), metadata, has_half, is_eight_bit)


def content_digest(path: Path) -> str:
    """The SHA-256 of the model, with that of the files beside it in which weights lie.

    Raises OSError if the file cannot be read, ModelError if one of those beside it cannot.
    """
    own = digest_of(path)
    if is_alone(path):
        return own
    beside = sorted(_external_files(_loaded(path, _library(), with_weights=False)))
    try:
        together = [own, *(f"{name} {digest_of(path.parent / name)}" for name in beside)]
    except OSError as error:
        name = Path(error.filename).name
        raise ModelError(f"{path}: {name} with weights of it belongs beside it: {error.strerror}") from error
    return hashlib.sha256("\n".join(together).encode()).hexdigest()


def _library() -> Any:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ConfigError("making an engine needs onnx, which is not installed: pip install 'onnx>=1.16'") from error
    return onnx


def _loaded(path: Path, onnx: Any, *, with_weights: bool) -> Any:
    try:
        return onnx.load(str(path), load_external_data=with_weights)
    except Exception as error:  # the library raises what it likes
        raise ModelError(f"{path}: cannot be read as an ONNX file: {_gist(error)}") from error


def _half(path: Path, model: Any) -> bytes:
    keep_onnxruntime_silent()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        converted: bytes = convert_float_to_float16(model, keep_io_types=True).SerializeToString()
    except Exception as error:  # as above
        raise ModelError(f"{path}: cannot be converted to float16: {_gist(error)}") from error
    return converted


def _check_symmetric(path: Path, model: Any, onnx: Any) -> None:
    """Raises ModelError for what TensorRT's parser refuses node by node: zero points that are not zero, or unsigned."""
    wrong = {
        each.name
        for each in model.graph.initializer
        if each.data_type == onnx.TensorProto.UINT8 or (each.data_type == onnx.TensorProto.INT8 and _is_not_zero(each))
    }
    for node in model.graph.node:
        if node.op_type in _QUANTIZERS and len(node.input) > _ZERO_POINT and node.input[_ZERO_POINT] in wrong:
            raise ModelError(f"{path}: its 8-bit scales are not symmetric, which TensorRT does not take; {_REMEDY}")


def _is_not_zero(tensor: Any) -> bool:
    return any(tensor.raw_data) or any(tensor.int32_data)


def _external_files(model: Any) -> Iterator[str]:
    for tensor in model.graph.initializer:
        told = {entry.key: entry.value for entry in tensor.external_data}
        if "location" in told:
            yield told["location"]


def _gist(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
