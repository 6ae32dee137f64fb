"""Semantic segmentation: against an argmax of enlarged numbers, in each form of output, and files that are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import reference_detectors as reference
from support.onnx_detectors import segmenter
from support.photos import DATA, framed, photos
from support.pictures import scene

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions, Normalisation
from mpipeline.models.selection import choose_family
from mpipeline.models.semantic_segmentation import SemanticSegmentation
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

F32, I64 = np.dtype(np.float32), np.dtype(np.int64)
SIZE = (160, 128)  # width, height
WHOLE = Geometry(0.5, 0.5, 0.0, 0.0, 128, 128)  # of an input of 64 x 64
SCENES = [scene(320, 240), scene(97, 201, 1), scene(641, 361, 2), scene(160, 128, 3)]

with_photos = pytest.param(
    12,
    marks=[
        pytest.mark.needs_data,
        pytest.mark.skipif(not DATA.is_dir(), reason=f"needs real pictures, MPIPELINE_TEST_DATA: no {DATA}"),
    ],
)


def info(*shape: int | None, dtype: Any = F32, name: str = "logits", **metadata: str) -> ModelInfo:
    image = TensorSpec("images", (None, 3, 64, 64), F32)
    return ModelInfo((image,), (TensorSpec(name, (None, *shape), np.dtype(dtype)),), metadata)


def seen(path: Path, pictures: Sequence[Any]) -> list[tuple[Detections, np.ndarray]]:
    """What the product says of each picture, and the output that it has read for that."""
    backend = OnnxRuntimeBackend(BackendOptions(str(path), threads=1))
    model = backend.open()
    family_class, why = choose_family(model, None)
    assert why.startswith("The family is semantic_segmentation: its output ")
    family = family_class(model, ModelOptions(confidence=0.0))
    rows = np.empty((len(pictures), *family.input_shape), family.input_dtype)
    geometries = [family.preprocess(framed(picture), row) for picture, row in zip(pictures, rows, strict=True)]
    outputs = backend.run({family.input_name: rows})
    found = family.postprocess(outputs, geometries)
    backend.close()
    (output,) = outputs.values()
    return list(zip(found, output, strict=True))


@pytest.mark.parametrize("count", [0, with_photos])
def test_each_pixel_is_of_the_class_of_the_reference(count: int, tmp_path: Path) -> None:
    pictures = list(photos(count)) if count else SCENES
    classes = set()
    for (found, numbers), picture in zip(seen(segmenter(tmp_path / "m.onnx", SIZE), pictures), pictures, strict=True):
        size = picture.shape[1], picture.shape[0]
        expected = reference.classes_of_pixels(numbers, size)
        assert found.masks is not None
        covered = np.zeros(size[::-1], int)
        for i, class_id in enumerate(found.class_id.tolist()):
            mask = found.masks.picture(i)
            covered += mask
            assert (expected[mask] == class_id).mean() > 0.9999
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert found.xyxy[i].tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            won = numbers.argmax(axis=0) == class_id
            likely = np.exp(numbers.astype(float)) / np.exp(numbers.astype(float)).sum(axis=0)
            assert found.score[i] == pytest.approx(likely[class_id][won].mean(), abs=1e-5)
        assert covered.max() == 1
        assert covered.mean() > 0.98  # where three classes meet, a pixel may be of none
        classes |= set(found.class_id.tolist())
    assert len(classes) > 2


def test_class_ids_as_large_as_the_input(tmp_path: Path) -> None:
    for (found, ids), picture in zip(seen(segmenter(tmp_path / "m.onnx", SIZE, ids=True), SCENES), SCENES, strict=True):
        height, width = picture.shape[:2]
        rows = (np.arange(height) + 0.5) * SIZE[1] // height
        columns = (np.arange(width) + 0.5) * SIZE[0] // width
        expected = ids[rows.astype(int)[:, None], columns.astype(int)]
        assert sorted(found.class_id.tolist()) == np.unique(expected).tolist()
        assert found.score.tolist() == [1.0] * len(found)
        assert found.masks is not None
        for i, class_id in enumerate(found.class_id.tolist()):
            assert (found.masks.picture(i) == (expected == class_id)).all()


def of_one(numbers: np.ndarray, options: ModelOptions | None = None, **more: Any) -> Detections:
    family = SemanticSegmentation(info(*numbers.shape, dtype=numbers.dtype, **more), options or ModelOptions())
    (found,) = family.postprocess({"logits": numbers[None]}, [WHOLE])
    return found


@pytest.mark.parametrize("numbers", [np.array([-3.0, 3.0]), np.array([0.1, 0.9])], ids=["logits", "probabilities"])
def test_a_single_class_is_there_where_it_is_likely(numbers: np.ndarray) -> None:
    grid = np.zeros((1, 16, 16), np.float32) + numbers[0]
    grid[0, 4:8, 8:12] = numbers[1]
    found = of_one(grid.astype(np.float32), ModelOptions(names=("road",)))
    assert found.class_name == ("road",)
    assert found.score.tolist() == pytest.approx([0.953 if numbers[1] > 1 else 0.9], abs=1e-3)
    assert found.masks is not None
    assert found.masks.window.tolist() == [[64, 32, 32, 32]]
    assert len(of_one(np.full((1, 16, 16), numbers[0], np.float32))) == 0


def test_background_and_filtered_classes_are_not_told() -> None:
    numbers = np.zeros((3, 8, 8), np.float32)
    numbers[0], numbers[1, :, 4:], numbers[2, :2] = 1, 4, 9
    names = ("Background", "cat", "dog")
    assert of_one(numbers, ModelOptions(names=names)).class_name == ("dog", "cat")
    assert of_one(numbers, ModelOptions(names=names, classes=("cat",))).class_name == ("cat",)
    assert of_one(numbers, ModelOptions(names=names, confidence=0.98)).class_name == ("dog",)
    assert of_one(numbers, ModelOptions(), names="['a', 'b', 'c']").class_name == ("c", "b", "a")


def test_ids_in_one_channel_and_below_nothing() -> None:
    ids = np.full((1, 64, 64), -1, np.int32)
    ids[0, :32] = 7
    found = of_one(ids)
    assert (found.class_name, found.xyxy.tolist()) == (("7",), [[0, 0, 128, 64]])


def test_padding_is_no_part_of_the_frame() -> None:
    """Of a letterboxed picture, if the sidecar file says so."""
    options = ModelOptions(normalisation=Normalisation(resize="letterbox"))
    family = SemanticSegmentation(info(2, 16, 16), options)
    numbers = np.zeros((1, 2, 16, 16), np.float32)
    numbers[0, 0], numbers[0, 1, :4], numbers[0, 1, 4:8] = 1, 9, 5
    (found,) = family.postprocess({"logits": numbers}, [Geometry(0.5, 0.5, 0.0, 16.0, 128, 64)])
    assert found.masks is not None
    assert found.class_name == ("1", "0")
    assert found.masks.window.tolist()[0][1] == 0
    assert sum(found.masks.area(i) for i in range(2)) == 128 * 64


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (info(19, 16, 16), "semantic_segmentation"),
        (info(64, 64, dtype=I64, name="classes"), "semantic_segmentation"),
        (info(1, 64, 64, dtype=np.int32, name="classes"), "semantic_segmentation"),
        (info(19, 16, 16, name="heatmaps"), None),
        (info(16, 16, dtype=I64, name="classes"), None),
    ],
)
def test_which_files_show_themselves(model: ModelInfo, family: str | None) -> None:
    if family is None:
        with pytest.raises(ModelError, match="does not show of which family it is"):
            choose_family(model, None)
    else:
        assert choose_family(model, None)[0] is SemanticSegmentation


def test_files_and_outputs_that_are_none() -> None:
    two = ModelInfo(info().inputs, (*info(3, 8, 8).outputs, *info(3, 8, 8, name="aux").outputs))
    for wrong in (two, info(3549, 85), info(64, 64), info(3, 64, 64, dtype=I64), info(64)):
        with pytest.raises(ModelError, match="a segmentation model has one output"):
            SemanticSegmentation(wrong, ModelOptions())
    main = ModelInfo(info().inputs, (*info(3, 8, 8, name="out").outputs, *info(3, 8, 8, name="aux").outputs))
    assert len(SemanticSegmentation(main, ModelOptions()).names) == 3
    family = SemanticSegmentation(info(3, 8, 8), ModelOptions())
    with pytest.raises(ModelError, match=r"logits of shape \(1, 8, 8\); expected \(batch, classes, height, width\)"):
        family.postprocess({"logits": np.zeros((1, 8, 8), np.float32)}, [WHOLE])
