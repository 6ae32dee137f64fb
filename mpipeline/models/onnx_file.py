"""Whether an ONNX file is whole, told from the lengths that stand in it: quick, and without a library for ONNX.

An ONNX file is one `ModelProto` (onnx.proto of the ONNX specification): a row of protobuf fields, each a tag and a
value, most values with their length before them. Steps from field to field must lead exactly to the end of the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from mpipeline.errors import ModelError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_GRAPH = 7
# Of `ModelProto`: ir_version, producer's name and version, domain, model_version, doc_string, graph, opset_import.
_TYPES = {1: _VARINT, 2: _LENGTH, 3: _LENGTH, 4: _LENGTH, 5: _VARINT, 6: _LENGTH, _GRAPH: _LENGTH, 8: _LENGTH}
_SUFFIX = ".onnx"
_LONGEST_VARINT = 10  # bytes
_LONGEST_VALUE = (1 << 31) - 1  # bytes; protobuf takes no longer ones
_SHOWN = 24  # bytes of a file that is something else
_REMEDY = "copy or export it again"


def check_if_onnx(path: Path) -> None:
    """`check_whole` of a file that is there and is called one; what else a model is, is not looked at."""
    if path.suffix.lower() == _SUFFIX and path.is_file():
        check_whole(path)


def check_whole(path: Path) -> None:
    """Raises ModelError if the file at `path` is empty, cut off, or no ONNX file. What else is wrong is not seen."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise ModelError(f"{path}: the model file is empty: {_REMEDY}")
        with path.open("rb") as file:
            head = file.read(_SHOWN)
            file.seek(0)
            _walk(path, file, size, head)
    except OSError as error:
        raise ModelError(f"{path}: the model file cannot be read: {error.strerror}") from error


def _walk(path: Path, file: BinaryIO, size: int, head: bytes) -> None:
    foreign = ModelError(f"{path}: is not an ONNX file, it begins with {head!r}: {_REMEDY}")
    seen: set[int] = set()
    while (position := file.tell()) < size:
        damaged = ModelError(f"{path}: is damaged from byte {position} on, of {size}: {_REMEDY}")
        try:
            tag = _varint(file)
            field, kind = tag >> 3, tag & 7
            if kind != _TYPES.get(field, kind if seen else None) or not field:
                raise damaged if seen else foreign
            if kind == _VARINT:
                _varint(file)
            elif kind == _LENGTH:
                length = _varint(file)
                if length > _LONGEST_VALUE:
                    raise damaged if seen else foreign
                file.seek(length, os.SEEK_CUR)
            elif kind in _WIDTHS:
                file.seek(_WIDTHS[kind], os.SEEK_CUR)
            else:
                raise damaged
        except EOFError as error:
            raise _cut_off(path, size) from error
        except OverflowError as error:
            raise (damaged if seen else foreign) from error
        seen.add(field)
        if file.tell() > size:
            raise _cut_off(path, size, file.tell())
    if _GRAPH not in seen:
        raise _cut_off(path, size)


def _cut_off(path: Path, size: int, expected: int = 0) -> ModelError:
    needed = f", and at least {expected} are needed" if expected else ""
    return ModelError(f"{path}: is cut off: it has {size} bytes{needed}; {_REMEDY}")


def _varint(file: BinaryIO) -> int:
    """A number of seven bits a byte, lowest first. EOFError at the end of the file, OverflowError if it has no end."""
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            return value
    raise OverflowError
