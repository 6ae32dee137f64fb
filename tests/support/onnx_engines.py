"""Engines for the simulated TensorRT that have ONNX Runtime compute what an ONNX file says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Lab

from mpipeline.backends import tensorrt_plan
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.supply import Engine

Shape = tuple[int, ...]
_TYPES = {
    "tensor(float)": DataType.FLOAT,
    "tensor(float16)": DataType.HALF,
    "tensor(int64)": DataType.INT64,
    "tensor(int32)": DataType.INT32,
    "tensor(uint8)": DataType.UINT8,
}


def engine_of(path: Path, most: int) -> tuple[EngineFile, dict[str, str]]:
    """The engine of a file, for batches of at most `most` where that is open, and the file's metadata."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {one.name: (_shape(one), _TYPES[one.type]) for one in session.get_inputs()}
    outputs = {one.name: (_shape(one), _TYPES[one.type]) for one in session.get_outputs()}

    def infer(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(list(outputs), dict(given)), strict=True))

    def sizes(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        rows = next(iter(shapes.values()))[0]
        return {name: tuple(rows if side < 0 else side for side in shape) for name, (shape, _) in outputs.items()}

    def with_rows(count: int) -> dict[str, Shape]:
        return {name: tuple(count if side < 0 else side for side in shape) for name, (shape, _) in inputs.items()}

    low, high = with_rows(1), with_rows(most)
    profile = {name: (low[name], high[name], high[name]) for name in inputs}
    file = EngineFile(inputs, outputs, infer, sizes, [profile] * 4)
    return file, dict(session.get_modelmeta().custom_metadata_map)


def _shape(value: Any) -> Shape:
    return tuple(side if isinstance(side, int) else -1 for side in value.shape)


def make_engines(lab: Lab, patch: pytest.MonkeyPatch) -> None:
    """From now on the engine of an ONNX file is one of these."""

    def engine_for(request: Request, folder: Path | None, tell: Any, *, fresh: bool) -> Engine:
        file, metadata = engine_of(request.model, request.recipe.batch[2])
        return Engine(lab.engine(file, "made.engine").read_bytes(), metadata, {}, None, built=True)

    patch.setattr(tensorrt_plan, "engine_for", engine_for)
