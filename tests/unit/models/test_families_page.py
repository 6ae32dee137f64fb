"""The configs on the page about models, taken from its text, load models of the families that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import onnx_detectors as models
from support.pages import block, marked
from support.photos import framed
from support.pictures import scene

from mpipeline.config.schema import ModelSpec
from mpipeline.prediction import Detections, Embedding
from mpipeline.workers.loading import load_model

PAGE = "docs/models.md"
NAMES = ["helmet", "vest", "person"]

# Family → its model, and the classes that may be found, none of an embedding.
MODELS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "yunet": (lambda path: models.faces(path, (640, 384)), ["face"]),
    "detr": (lambda path: models.queries(path, (800, 608), 4, mask=True), NAMES),
    "rtdetr": (lambda path: models.finished_queries(path, (160, 128)), NAMES),
    "end_to_end": (lambda path: models.yolo_nas(path, (160, 128), takes=models.FLOAT), ["background", *NAMES]),
    "nanodet": (lambda path: models.nanodet(path, (320, 320)), NAMES),
    "semantic_segmentation": (lambda path: models.segmenter(path, (160, 128)), ["road", "pavement", "grass"]),
    "embedding": (lambda path: models.embedder(path, (64, 64)), []),
}


def test_every_family_of_the_page_is_tried() -> None:
    assert set(marked(PAGE, "family")) == set(MODELS)


@pytest.mark.parametrize("family", MODELS)
def test_the_config_of_the_page(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, names = MODELS[family]
    given = yaml.safe_load(block(PAGE, f"family: {family}"))["model"]
    make(tmp_path / given["path"])
    (tmp_path / "ssd.yaml").write_text(block(PAGE, "sidecar: ssd.yaml"))
    loaded = load_model(ModelSpec.from_mapping({**given, "backend": "onnxruntime", "threads": 1}))
    assert any(note.startswith(f"The family is {family}") for note in loaded.notes)
    predictor = loaded.predictor(loaded.family_with(confidence=0.3), 2)
    pictures = [scene(320, 240), scene(641, 361, 2)]
    found = predictor.predict([framed(picture) for picture in pictures])
    predictor.close()
    if not names:
        assert all(isinstance(one, Embedding) for one in found)
        return
    seen = set()
    for one, picture in zip(found, pictures, strict=True):
        assert isinstance(one, Detections)
        assert (one.xyxy[:, 2:] <= np.array(picture.shape[1::-1])).all()
        seen |= set(one.class_name)
    assert seen
    assert seen <= set(names)
