"""Class names, the class filter, and the metadata they may come from."""

from __future__ import annotations

import pytest

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_NAMES
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata


def test_coco_has_eighty_classes() -> None:
    assert len(COCO_NAMES) == len(set(COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[9], COCO_NAMES[10], COCO_NAMES[79]) == (
        "person",
        "traffic light",
        "fire hydrant",
        "toothbrush",
    )


@pytest.mark.parametrize(
    ("given", "in_file", "count", "names", "sentence"),
    [
        (["a", "b"], ["c", "d"], 2, ("a", "b"), "given by the config"),
        ([], ["c", "d"], 2, ("c", "d"), "in the model file"),
        ([], [], 80, COCO_NAMES, "COCO are assumed"),
        ([], [], 3, ("0", "1", "2"), "called by their number"),
        ([], [], None, (), "called by their number"),
        (["a"], [], None, ("a",), "The only class name is given by the config"),
        ([], [], 1, ("0",), "No class names are known: the only class is called by its number"),
    ],
)
def test_where_names_come_from(given, in_file, count, names, sentence) -> None:
    found, why = choose_names(given, in_file, count)
    assert found == names
    assert sentence in why


def test_the_number_of_names_must_fit() -> None:
    with pytest.raises(ModelError, match="2 class names are in the model file, but the model's output has 3 classes"):
        choose_names([], ["a", "b"], 3)
    with pytest.raises(ModelError, match=r"1 class name is given by .*, but the model's output has 3 classes"):
        choose_names(["a"], [], 3)


def test_a_filter_of_names_and_numbers() -> None:
    assert resolve_classes(None, COCO_NAMES) is None
    assert resolve_classes(["person", "Traffic Light", 79], COCO_NAMES) == {0, 9, 79}
    assert resolve_classes(["a"], ["a", "b", "a"]) == {0, 2}
    assert resolve_classes([4], []) == {4}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["persn"], "has no class 'persn'; did you mean 'person'"),
        ([80], "no class 80; the model has classes 0 to 79"),
        ([-1], "no class -1"),
    ],
)
def test_unknown_classes(wanted, message) -> None:
    with pytest.raises(ModelError, match=message):
        resolve_classes(wanted, COCO_NAMES)


def test_a_name_needs_known_names() -> None:
    with pytest.raises(ModelError, match="set names"):
        resolve_classes(["person"], [])


def test_metadata_of_ultralytics() -> None:
    found = read_metadata(
        {
            "description": "Ultralytics YOLO11n model trained on coco.yaml",
            "author": "Ultralytics",
            "task": "detect",
            "stride": "32",
            "batch": "1",
            "imgsz": "[480, 640]",
            "names": "{0: 'person', 2: \"dog's bed\"}",
            "args": "{'nms': True, 'half': False}",
        }
    )
    assert found.names == ("person", "1", "dog's bed")
    assert (found.task, found.stride, found.size) == ("detect", 32, (640, 480))
    assert found.from_ultralytics
    assert found.end_to_end


def test_metadata_of_key_points() -> None:
    found = read_metadata({"kpt_shape": "[3, 2]", "kpt_names": "{0: ['a', 'b', 'c'], 1: ['d', 'e', 'f']}"})
    assert (found.keypoints, found.keypoint_names) == ((3, 2), ("a", "b", "c"))
    assert read_metadata({"kpt_names": "['a', 'b']"}).keypoint_names == ("a", "b")
    assert read_metadata({}).keypoints is None


def test_metadata_of_yolov5_and_none() -> None:
    found = read_metadata({"stride": "32", "names": "['a', 'b']"})
    assert found.from_ultralytics
    assert found.names == ("a", "b")
    assert not found.end_to_end
    assert not read_metadata({}).from_ultralytics
    assert read_metadata({"imgsz": "320"}).size == (320, 320)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("names", "__import__('os').system('true')"),
        ("names", "{'person': 0}"),
        ("names", "{0: 'person'"),
        ("names", "(" * 100_000),
        ("stride", "'many'"),
        ("imgsz", "[1, 2, 3]"),
        ("args", "open('x')"),
        ("kpt_shape", "[17]"),
        ("kpt_shape", "[0, 3]"),
        ("kpt_shape", "[17, 4]"),
        ("kpt_shape", "[1e9, 3]"),
        ("kpt_shape", "17"),
        ("kpt_names", "'nose'"),
    ],
)
def test_metadata_is_never_executed(key: str, value: str) -> None:
    with pytest.raises(ModelError, match=f"{key!r} that cannot be read"):
        read_metadata({key: value})
