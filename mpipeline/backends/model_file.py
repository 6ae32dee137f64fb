"""What is wrong with a model file, in the same words whichever library was to load it."""

from __future__ import annotations

from pathlib import Path

from mpipeline.errors import ModelError

_OUTSIDE = ("external data", "external_data", "external initializer", "externally stored data", "no such file")
_UNREADABLE = ("permission", "could not open the file")
_FOREIGN = ("protobuf", "can't be parsed")


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
    lowered = text.lower()
    if any(words in lowered for words in _OUTSIDE):
        return f"{path}: a file with the weights, which belongs beside it, is missing or cut off: {reason}"
    if any(words in lowered for words in _FOREIGN):
        return f"{path}: is not an ONNX file, or is cut off: {reason}"
    if any(words in lowered for words in _UNREADABLE):
        return f"{path}: the model file cannot be read: {reason}"
    return f"{path}: {library} cannot load it: {reason}"
