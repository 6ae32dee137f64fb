"""The config of docs/models.md for a GPU, from the text itself, on a simulated one: frames in, the same boxes out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.onnx_engines import make_engines
from support.onnx_tasks import yolo_model
from support.pages import block
from support.pictures import meta, scene
from support.plain_kernels import PlainKernels
from support.tensorrt_engines import Lab, lab_in

from mpipeline.config.schema import ModelSpec
from mpipeline.frame import Frame
from mpipeline.hosted.model import get_model
from mpipeline.workers.loading import open_predictor

SIZE = (96, 64)


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    with lab_in(tmp_path, plain_kernels.by_name, monkeypatch) as made:
        make_engines(made, monkeypatch)
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
