"""What the backend loads: an engine as bytes, and what is known of the model in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpipeline.backends import kept
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.engines.engine_file import ENGINES, LearntFile, Request
from mpipeline.backends.engines.library import Library
from mpipeline.backends.engines.recipe import EnginePrecision, Recipe
from mpipeline.backends.engines.supply import engine_for
from mpipeline.backends.model_file import is_eight_bit, is_engine_file
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import ModelError

AS_BUILT = "the precision it was built in"

_LONGEST_HEADER = 1 << 20  # bytes
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """A serialized engine; `metadata` is that of the ONNX file it was made of, as far as known.

    `is_kept`: it was made by an earlier run, and can be made anew if it is not taken. `kernels`: the place for what is
    compiled of it when it is loaded; None: for that there is none. `host_code`: code for the processor that is in it
    may be loaded, which has all rights that this program has.
    """

    content: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)
    precision: str = AS_BUILT
    is_kept: bool = False
    kernels: LearntFile | None = None
    host_code: bool = False


def plan_of(library: Library, options: BackendOptions, device: DeviceFacts, *, fresh: bool = False) -> Plan:
    """The engine of the model file for that GPU: kept, or made now, which may take minutes; `fresh`: made now.

    Raises ModelError if the file is no model or can be made no engine, BackendError if making one fails.
    """
    path = Path(options.target)
    folder = None if options.cache is None else options.cache / ENGINES
    if is_engine_file(path):
        return read_engine_file(path, folder)
    try:
        recipe = _recipe_of(path, options)
        engine = engine_for(Request(path, recipe, library, device), folder, options.tell, fresh=fresh)
    except OSError as error:
        raise ModelError(f"{path}: the model file cannot be read: {error.strerror}") from error
    kernels = LearntFile.of_runs(engine.path, engine.told["case"]) if engine.path is not None else None
    return Plan(engine.plan, engine.metadata, recipe.precision, not engine.built, kernels)


def _recipe_of(path: Path, options: BackendOptions) -> Recipe:
    """What `mpipeline engine build` is to be asked for to make the same beforehand. Raises OSError."""
    as_it_is: EnginePrecision = "int8" if is_eight_bit(path) else "float32"
    return Recipe(
        "float16" if options.precision == "float16" else as_it_is,
        (1, options.batch, options.batch),
        None if options.size is None else (options.size, options.size, options.size),
    )


def read_engine_file(path: Path, folder: Path | None = None) -> Plan:
    """The engine in a file of one: one that is kept here, or made by whatever program. ModelError if it is not read.

    Code for the processor is let in only with one that lies in `folder`, where engines are kept, and was built to hold
    it: who can write there needs no such code to have his will.

    The exporter of Ultralytics writes its metadata before the engine: their length in four bytes, lowest first, then
    JSON (ultralytics/engine/exporter.py, `export_engine`).
    """
    ours = kept.read(path)
    if ours is not None:
        told, plan = ours
        is_own = folder is not None and path.resolve().parent == folder.resolve()
        host_code = is_own and told.get("case", {}).get("recipe", {}).get("version_compatible") is True
        return Plan(plan, told.get("metadata", {}), host_code=host_code)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the engine file cannot be read: {error.strerror}") from error
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    end = _LENGTH_BYTES + length
    if not 2 <= length <= min(_LONGEST_HEADER, len(content)) or content[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        return Plan(content)
    try:
        header: dict[str, Any] = json.loads(content[_LENGTH_BYTES:end])
    except (ValueError, RecursionError):
        return Plan(content)
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in header.items()}
    return Plan(content[end:], told)
