"""A model file: its content as a digest, and what is wrong with one, in the same words whichever library loads it."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

from mpipeline.errors import ModelError

_OUTSIDE = ("external data", "external_data", "external initializer", "externally stored data", "no such file")
_UNREADABLE = ("permission", "could not open the file")
_FOREIGN = ("protobuf", "can't be parsed")
_ENGINES = (".engine", ".plan", ".trt")
_LOCATION = b"\x0a\x08location"  # the first key of a TensorProto's `external_data`, as protobuf writes it
_QUANTIZERS = (b"\x22\x0eQuantizeLinear", b"\x22\x10DequantizeLinear")  # the `op_type` of a NodeProto, likewise


def digest_of(path: Path) -> str:
    """The SHA-256 of the file. Raises OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def is_alone(path: Path) -> bool:
    """Whether all of an ONNX model is in its file: weights may lie in files beside it. Raises OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_LOCATION) < 0


def is_eight_bit(path: Path) -> bool:
    """Whether an ONNX model has 8-bit scales. Raises OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(node) >= 0 for node in _QUANTIZERS)


def is_engine_file(path: Path) -> bool:
    """Whether a file is called as those of TensorRT's engines are."""
    return path.suffix.lower() in _ENGINES


def check_file(path: Path) -> None:
    """Raises ModelError with the path if there is no file, or nothing in it."""
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise ModelError(f"{path}: there is no such model file") from error
    except OSError as error:
        raise ModelError(f"{path}: the model file cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise ModelError(f"{path}: is no file; an ONNX model is one file")
    if size == 0:
        raise ModelError(f"{path}: the model file is empty")


def why_not_loaded(path: Path, library: str, text: str, reason: str) -> str:
    """A sentence for the error of a library that did not load the file: `text` is all it says, `reason` the gist."""
    if is_engine_file(path):
        return f"{path}: is a TensorRT engine, which only backend tensorrt executes, on the GPU that it was made for"
    lowered = text.lower()
    if any(words in lowered for words in _OUTSIDE):
        return f"{path}: a file with the weights, which belongs beside it, is missing or cut off: {reason}"
    if any(words in lowered for words in _FOREIGN):
        return f"{path}: is not an ONNX file, or is cut off: {reason}"
    if any(words in lowered for words in _UNREADABLE):
        return f"{path}: the model file cannot be read: {reason}"
    return f"{path}: {library} cannot load it: {reason}"
