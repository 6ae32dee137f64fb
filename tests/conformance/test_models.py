"""The contract of a model family, for every kind that is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from support.pictures import frame_of, planes_of, scene

from mpipeline import registry
from mpipeline.errors import ModelError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.prediction import Classification, Detections, Embedding, Findings, Prediction
from mpipeline.tensor import ModelInfo, TensorSpec

CLASSES = 3
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input
QUERIES = 20
NAMED = {"names": "['0', '1', '2']"}


@dataclass(frozen=True)
class Sort:
    """A sort of file of a family, for inputs of 64 x 64 and three classes; shapes of outputs without the batch."""

    family: str
    outputs: Mapping[str, tuple[int, ...]]
    task: str = ""  # as its exporter writes it into the file
    masks: bool = False
    keypoints: int = 0
    classes: int = CLASSES
    does: str = ""  # its task, where neither that nor the fields above tell it
    told: Mapping[str, str] = field(default_factory=dict)  # further metadata
    beside: tuple[TensorSpec, ...] = ()  # further inputs


SORTS = {
    "yolo": Sort("yolo", {"out": (4 + CLASSES, ANCHORS)}),
    "yolox": Sort("yolox", {"out": (ANCHORS, 5 + CLASSES)}),
    "yolo_segmentation": Sort(
        "yolo_segmentation", {"out": (4 + CLASSES + 32, ANCHORS), "grids": (32, 16, 16)}, "segment", masks=True
    ),
    "yolo_pose": Sort("yolo_pose", {"out": (4 + CLASSES + 15, ANCHORS)}, "pose", keypoints=5),
    "yolo_classification": Sort("yolo_classification", {"out": (CLASSES,)}, "classify"),
    "rfdetr": Sort("rfdetr", {"dets": (QUERIES, 4), "labels": (QUERIES, CLASSES + 1)}),
    "rfdetr with masks": Sort(
        "rfdetr",
        {"dets": (QUERIES, 4), "labels": (QUERIES, CLASSES + 1), "masks": (QUERIES, 16, 16)},
        masks=True,
    ),
    "detr": Sort("detr", {"logits": (QUERIES, 92), "pred_boxes": (QUERIES, 4)}, classes=80),
    "detr with a mask": Sort(
        "detr",
        {"logits": (QUERIES, 91), "pred_boxes": (QUERIES, 4)},
        classes=80,
        beside=(TensorSpec("pixel_mask", (None, 64, 64), np.dtype(np.int64)),),
    ),
    "rtdetr": Sort("rtdetr", {"logits": (QUERIES, 80), "pred_boxes": (QUERIES, 4)}, classes=80),
    "rtdetr with finished boxes": Sort(
        "rtdetr",
        {"labels": (QUERIES,), "boxes": (QUERIES, 4), "scores": (QUERIES,)},
        told=NAMED,
        beside=(TensorSpec("orig_target_sizes", (None, 2), np.dtype(np.int64)),),
    ),
    "end_to_end": Sort("end_to_end", {"boxes": (QUERIES, 4), "scores": (QUERIES,), "classes": (QUERIES,)}, told=NAMED),
    "end_to_end with a count": Sort(
        "end_to_end",
        {"num_dets": (1,), "det_boxes": (QUERIES, 4), "det_scores": (QUERIES,), "det_classes": (QUERIES,)},
        told=NAMED,
    ),
    "end_to_end with scored boxes": Sort("end_to_end", {"dets": (QUERIES, 5), "labels": (QUERIES,)}, told=NAMED),
    "nanodet": Sort("nanodet", {"output": (ANCHORS + 1, CLASSES + 32)}),
    "yunet": Sort(
        "yunet",
        {
            f"{kind}_{stride}": ((64 // stride) ** 2, numbers)
            for kind, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
            for stride in (8, 16, 32)
        },
        keypoints=5,
        classes=1,
    ),
    "semantic_segmentation": Sort(
        "semantic_segmentation", {"logits": (CLASSES, 16, 16)}, masks=True, does="semantic-segmentation"
    ),
    "embedding": Sort("embedding", {"image_embeds": (16,)}, classes=0, does="embedding"),
}


def test_every_family_is_here() -> None:
    assert {sort.family for sort in SORTS.values()} == set(registry.kinds("models")), "give the files of the new family"


@pytest.fixture(params=SORTS)
def sort(request: pytest.FixtureRequest) -> Sort:
    return SORTS[request.param]


def info_of(sort: Sort, dtype: str = "float32", batch: int | None = None) -> ModelInfo:
    numbers = np.dtype(dtype)
    image = TensorSpec("in", (batch, 3, 64, 64), numbers)
    outputs = tuple(TensorSpec(name, (batch, *shape), numbers) for name, shape in sort.outputs.items())
    told = dict(sort.told)
    if sort.task:
        told |= {"description": "Ultralytics model", "stride": "32", "task": sort.task}
    if sort.task and sort.keypoints:
        told["kpt_shape"] = f"[{sort.keypoints}, 3]"
    return ModelInfo((image, *sort.beside), outputs, told)


def make(sort: Sort, options: ModelOptions | None = None, **file):
    return registry.load("models", sort.family)(info_of(sort, **file), options or ModelOptions())


def outputs_of(sort: Sort, count: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """High scores everywhere, and boxes that lie in the picture."""
    rng = np.random.default_rng(count)
    made = {name: rng.uniform(0.8, 1, (count, *shape)) for name, shape in sort.outputs.items()}
    if sort.family.startswith("yolo") and sort.family not in ("yolox", "yolo_classification"):
        made["out"][:, :4] *= 32
    for name in sort.outputs:
        if "boxes" in name or name == "dets":
            parts = "detr" in sort.family and name != "boxes"
            made[name][..., :4] *= 0.5 if parts else [10, 10, 50, 50]
        if sort.outputs[name] == (QUERIES,) and "scores" not in name:
            made[name] = np.tile(np.arange(QUERIES) % CLASSES, (count, 1))
        if name.startswith("num"):
            made[name][:] = QUERIES
        if name == "logits" and "pred_boxes" in made:  # one class is sure in each query
            chosen = np.arange(sort.outputs[name][1]) == np.arange(QUERIES)[:, None] % 4
            made[name] = np.where(chosen, 6 * made[name], -9)
    return {name: value.astype(dtype) for name, value in made.items()}


def test_it_recognises_its_own_files_and_no_other_does(sort: Sort) -> None:
    family, why = choose_family(info_of(sort), None)
    assert family is registry.load("models", sort.family)
    assert sort.family in why


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_what_it_says_of_itself(sort: Sort, dtype: str, batch: int | None) -> None:
    family = make(sort, dtype=dtype, batch=batch)
    assert (family.input_name, family.input_dtype, family.batch) == ("in", dtype, batch)
    assert family.input_shape == (3, 64, 64)
    assert len(family.names) == sort.classes
    assert family.notes
    assert all(note.endswith(".") for note in family.notes)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("size", [(1, 1), (77, 31), (31, 200), (64, 64)])
def test_preprocess_fills_the_row_and_no_other(sort: Sort, dtype: str, pixel_format: PixelFormat, size) -> None:
    family = make(sort, dtype=dtype)
    form = FrameFormat(pixel_format, *size)
    tensor = np.full((3, *family.input_shape), np.nan, family.input_dtype)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(*size))), tensor[1])
    assert np.isfinite(tensor[1]).all()
    assert np.isnan(tensor[[0, 2]]).all()
    assert (geometry.width, geometry.height) == size
    corners = np.array([[geometry.pad_x, geometry.pad_y, 1e6, 1e6]], np.float32)
    assert geometry.to_source(corners).tolist() == [[0, 0, *size]]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_postprocess_keeps_to_the_options(sort: Sort, dtype: str) -> None:
    names = make(sort).names
    wanted = (0, *names[2::2]) if names else None
    options = ModelOptions(confidence=0.5, iou_threshold=0.9, max_detections=7, classes=wanted)
    family = make(sort, options, dtype=dtype)
    form = FrameFormat(PixelFormat.GRAY8, 100, 50)
    row = np.empty(family.input_shape, dtype)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(100, 50))), row)
    found = family.postprocess(outputs_of(sort, 4, dtype), [geometry] * 3)
    assert len(found) == 3
    for each in found:
        if isinstance(each, Embedding):
            assert (each.vector.shape, each.vector.dtype) == ((16,), np.float32)
            assert each.is_finite
            continue
        assert 0 < len(each) <= 7
        assert (each.score.dtype, each.class_id.dtype) == (np.float32, np.int32)
        assert (np.diff(each.score) <= 0).all()
        assert not (each.class_id % 2).any()
        assert each.class_name == tuple(family.names[i] for i in each.class_id)
        assert each.is_finite
        check(each, sort)
        assert Prediction.of(frame_of(form, ()).meta, each).to_dict()["predictions"]


def test_findings_outlive_the_outputs_that_they_were_read_from(sort: Sort) -> None:
    """A backend may write the next batch into the same memory."""
    family = make(sort)
    form = FrameFormat(PixelFormat.GRAY8, 100, 50)
    row = np.empty(family.input_shape, np.float32)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(100, 50))), row)
    outputs = {name: value.copy() for name, value in outputs_of(sort, 1).items()}
    (found,) = family.postprocess(outputs, [geometry])
    assert len(found)
    meta = frame_of(form, ()).meta
    before = Prediction.of(meta, found).to_dict()
    for value in outputs.values():
        value.fill(0)
    after = Prediction.of(meta, found).to_dict()
    assert before == after


def test_its_task_is_that_of_the_file(sort: Sort) -> None:
    """In the words of model packages."""
    told = "classification" if sort.task == "classify" else "keypoint-detection" if sort.keypoints else ""
    other = sort.does or told
    assert make(sort).task == (other or ("instance-segmentation" if sort.masks else "object-detection"))


def check(found: Findings, sort: Sort) -> None:
    """That it has the columns of its task, and no others."""
    if sort.task == "classify":
        assert isinstance(found, Classification)
        return
    assert isinstance(found, Detections)
    assert (found.score > 0.5).all()
    assert found.xyxy.shape == (len(found), 4)
    assert found.xyxy.dtype == np.float32
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [100, 50, 100, 50]).all()
    assert (found.masks is not None) == sort.masks
    if found.masks is not None:
        found.masks.check()
        assert len(found.masks) == len(found)
        assert (found.masks.width, found.masks.height) == (100, 50)
        assert found.masks.area(0) > 0
    assert (found.keypoints is not None) == bool(sort.keypoints)
    assert len(found.keypoint_name) == sort.keypoints
    if found.keypoints is not None:
        assert found.keypoints.shape == (len(found), sort.keypoints, 3)
        assert found.keypoints.dtype == np.float32


def test_nothing_above_the_threshold(sort: Sort) -> None:
    family = make(sort, ModelOptions(confidence=0.6))
    row = np.empty(family.input_shape, np.float32)
    form = FrameFormat(PixelFormat.GRAY8, 8, 8)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(8, 8))), row)
    outputs = {name: np.zeros((1, *shape), np.float32) for name, shape in sort.outputs.items()}
    (found,) = family.postprocess(outputs, [geometry])
    if isinstance(found, Embedding):  # which has no threshold
        return
    assert len(found) == 0
    if isinstance(found, Detections):
        assert found.xyxy.shape == (0, 4)


def test_a_file_of_something_else_is_refused(sort: Sort) -> None:
    sound = TensorSpec("sound", (1, 16000), np.dtype(np.float32))
    classes = TensorSpec("classes", (1, 1000), np.dtype(np.float32))
    other = ModelInfo((sound,), (classes,))
    family = registry.load("models", sort.family)
    assert family.matches(other) is None
    with pytest.raises(ModelError):
        family(other, ModelOptions())
    with pytest.raises(ModelError):
        make(sort, ModelOptions(names=("one", "two")))
    with pytest.raises(ModelError):
        make(sort, ModelOptions(classes=(sort.classes,)))


def test_outputs_with_fewer_rows_than_frames_are_refused(sort: Sort) -> None:
    family = make(sort)
    row = np.empty(family.input_shape, np.float32)
    form = FrameFormat(PixelFormat.GRAY8, 8, 8)
    geometry = family.preprocess(frame_of(form, planes_of(form, scene(8, 8))), row)
    with pytest.raises(ModelError):
        family.postprocess(outputs_of(sort, 1), [geometry] * 2)
