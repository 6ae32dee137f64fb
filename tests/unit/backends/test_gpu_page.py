"""The config of docs/models.md for a GPU, from the text itself, on a simulated one: frames in, the same boxes out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml
from support.onnx_tasks import yolo_model
from support.pages import block
from support.pictures import meta, scene
from support.plain_kernels import PlainKernels
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Lab, lab_in

from mpipeline.backends import tensorrt, tensorrt_plan
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.supply import Engine
from mpipeline.config.schema import ModelSpec
from mpipeline.frame import Frame
from mpipeline.hosted.model import get_model
from mpipeline.workers.loading import open_predictor

SIZE = (96, 64)


def engine_of(path: Path, most: int) -> tuple[EngineFile, dict[str, str]]:
    """An engine that has ONNX Runtime compute what the ONNX file says, and the file's metadata."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    shapes = {one.name: tuple(one.shape[1:]) for one in session.get_outputs()}
    frame = (3, SIZE[1], SIZE[0])
    file = EngineFile(
        {"images": ((-1, *frame), DataType.FLOAT)},
        {name: ((-1, *shape), DataType.FLOAT) for name, shape in shapes.items()},
        lambda given: dict(zip(names, session.run(names, dict(given)), strict=True)),
        lambda sizes: {name: (sizes["images"][0], *shape) for name, shape in shapes.items()},
        [{"images": ((1, *frame), (most, *frame), (most, *frame))}],
    )
    return file, dict(session.get_modelmeta().custom_metadata_map)


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    with lab_in(tmp_path, plain_kernels.by_name) as made:

        def engine_for(request: Request, folder: Path | None, tell: Any, *, fresh: bool) -> Engine:
            file, metadata = engine_of(request.model, request.recipe.batch[2])
            return Engine(made.engine(file, "made.engine").read_bytes(), metadata, {}, None, built=True)

        monkeypatch.setattr(tensorrt_plan, "engine_for", engine_for)
        monkeypatch.setattr(tensorrt, "Surroundings", lambda: made.surroundings)
        yield made


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_the_config_of_the_page(lab: Lab, task: str) -> None:
    given = yaml.safe_load(block("docs/models.md", "gpu"))["model"]
    yolo_model(lab.folder / given["path"], SIZE, task, **({"masks": 32} if task == "segment" else {}))
    frames = [Frame.from_bgr(meta(320, 240), scene(320, 240, seed)) for seed in range(7)]
    found = {}
    for name, spec in (("page", given), ("processor", {"path": given["path"], "backend": "onnxruntime"})):
        predictor, _ = open_predictor(ModelSpec.from_mapping({**spec, "confidence": 0.3}), 4, at_once=4)
        assert predictor.max_batch == 4
        found[name] = [predictor.predict(frames[:count]) for count in (1, 4, 3, 4)]
        predictor.close()
    assert lab.gpu.most_busy > 0
    for batch, expected in zip(found["page"], found["processor"], strict=True):
        for one, other in zip(batch, expected, strict=True):
            assert len(one) == len(other) > 0
            np.testing.assert_allclose(one.xyxy, other.xyxy, atol=1e-3)
            assert one.class_name == other.class_name


def test_a_program_has_several_pictures_inferred_at_once(lab: Lab, plain_kernels: PlainKernels) -> None:
    path = yolo_model(lab.folder / "m.onnx", SIZE, "detect")
    model = get_model(str(path), backend="tensorrt", confidence=0.3)
    try:
        before = len(plain_kernels.launched)
        assert len(model.infer([np.zeros((64, 96, 3), np.uint8)] * 5)) == 5
        made = [grid[2] for name, grid in plain_kernels.launched[before:] if name.startswith("preprocess")]
        assert made == [5]
    finally:
        model.close()
