"""What the backend is given to load: an engine as bytes, and what is known of the model in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpipeline.errors import ModelError

AS_BUILT = "the precision it was built in"

_LONGEST_HEADER = 1 << 20  # bytes
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """A serialized engine; `metadata` is that of the ONNX file it was made of, as far as known.

    `runs_host_code`: it was made here and brings programs for the processor, which may be run.
    """

    content: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)
    precision: str = AS_BUILT
    runs_host_code: bool = False


def read_engine_file(path: Path) -> Plan:
    """The engine in a file of one, whoever has made it. Raises ModelError if it cannot be read.

    The exporter of Ultralytics writes its metadata before the engine: their length in four bytes, lowest first, then
    JSON (ultralytics/engine/exporter.py, `export_engine`).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the engine file cannot be read: {error.strerror}") from error
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    end = _LENGTH_BYTES + length
    if not 2 <= length <= min(_LONGEST_HEADER, len(content)) or content[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        return Plan(content)
    try:
        header: Any = json.loads(content[_LENGTH_BYTES:end])
    except (ValueError, RecursionError):
        return Plan(content)
    return Plan(
        content[end:],
        {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in header.items()},
    )
