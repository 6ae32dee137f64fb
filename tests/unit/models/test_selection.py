"""The choice of a family, for every form of file that is known."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.errors import ModelError, UnknownKind
from mpipeline.models.selection import choose_family
from mpipeline.tensor import ModelInfo, TensorSpec

F32 = np.dtype(np.float32)
ULTRALYTICS = {"description": "Ultralytics YOLOv8n model", "stride": "32", "names": "{0: 'a'}", "task": "detect"}


def info(size: int | None, *shapes: tuple[int | None, ...], **metadata: str) -> ModelInfo:
    image = TensorSpec("images", (1, 3, size, size), F32)
    outputs = tuple(TensorSpec(f"output{i}", (1, *shape), F32) for i, shape in enumerate(shapes))
    return ModelInfo((image,), outputs, metadata)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (info(640, (300, 4), (300, 91)), "rfdetr"),
        (info(312, (200, 4), (200, 91), (200, 78, 78)), "rfdetr"),
        (info(640, (116, 8400), (32, 160, 160)), "yolosegmentation"),
        (info(640, (116, 8400), (32, 160, 160), **{**ULTRALYTICS, "task": "segment"}), "yolosegmentation"),
        (info(640, (56, 8400), **{**ULTRALYTICS, "task": "pose"}), "yolopose"),
        (info(224, (1000,), **{**ULTRALYTICS, "task": "classify"}), "yoloclassification"),
        (info(416, (3549, 85)), "yolox"),
        (info(640, (8400, 85)), "yolox"),
        (info(192, (756, 6)), "yolox"),
        (info(640, (84, 8400)), "yolo"),
        (info(640, (5, 8400)), "yolo"),
        (info(640, (6, 8400)), "yolo"),
        (info(640, (25200, 85)), "yolo"),
        (info(640, (25200, 6)), "yolo"),
        (info(640, (300, 6)), "yolo"),
        (info(None, (84, None), **ULTRALYTICS), "yolo"),
        (info(640, (8400, 6), **ULTRALYTICS), "yolo"),
        (info(None, (None, None), **ULTRALYTICS), "yolo"),
    ],
)
def test_the_family_is_recognised(model: ModelInfo, family: str) -> None:
    chosen, why = choose_family(model, None)
    assert chosen.__name__.lower() == family
    assert why.replace("_", "").startswith(f"The family is {family}: its ")


@pytest.mark.parametrize("model", [info(416, (3549, 85)), info(None, (None, 85))])
def test_the_family_asked_for_is_taken(model: ModelInfo) -> None:
    chosen, why = choose_family(model, "yolox")
    assert chosen.__name__ == "Yolox"
    assert why == "The family is yolox, as configured."


@pytest.mark.parametrize(
    ("model", "asked", "other"),
    [(info(640, (84, 8400)), "yolox", "yolo"), (info(192, (756, 6)), "yolo", "yolox")],
)
def test_that_a_file_looks_like_another_family_is_told(model: ModelInfo, asked: str, other: str) -> None:
    chosen, why = choose_family(model, asked)
    assert chosen.__name__.lower() == asked
    assert why.startswith(f"The family is {asked}, as configured; unasked it would be taken for {other}: its output ")


def test_unknown_and_unrecognised() -> None:
    with pytest.raises(UnknownKind, match="unknown model family 'yolix'; did you mean 'yolox'"):
        choose_family(info(640, (84, 8400)), "yolix")
    with pytest.raises(ModelError, match=r"set model.family to one of: .*yolo_pose.*, yunet \(inputs: images \[1, 3, "):
        choose_family(info(None, (None, 85)), None)
    with pytest.raises(ModelError, match="does not show of which family"):
        choose_family(info(640, (1000,)), None)
