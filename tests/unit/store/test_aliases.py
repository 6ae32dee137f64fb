"""Names of well-known models and the ids they stand for."""

from __future__ import annotations

import pytest

from mpipeline.errors import ModelUnavailable, Reason
from mpipeline.store.aliases import aliases, canonical_id


def test_the_table_is_complete() -> None:
    known = aliases()
    assert len(known) == 153
    assert known["yolov8n-640"] == "coco/3"
    assert known["rfdetr-keypoint-preview"] == "microsoft/coco-pose-detection-17-rfdetr-keypoint-preview-t1"
    assert known["yolov26x-depth-768"] == "yolo26-pretrains/yolo26x-depth"
    assert all(canonical_id(model_id) == model_id for model_id in known.values())


@pytest.mark.parametrize("long", ["yolov11n-640", "yolov11x-seg-640", "yolov26m-pose-640"])
def test_some_have_a_second_name_without_a_v(long: str) -> None:
    assert canonical_id(long.replace("yolov", "yolo")) == canonical_id(long)


@pytest.mark.parametrize("model_id", ["coco/3", "my-project_2/17", "a.b/c.d"])
def test_an_id_stands_for_itself(model_id: str) -> None:
    assert canonical_id(model_id) == model_id


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "../x", "a/../b", "a/b/c", "a b/1", "a/1\n", "-a/1", "x" * 300 + "/1", "ä/1"]
)
def test_what_is_no_id(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="no model id") as caught:
        canonical_id(name)
    assert caught.value.reason is Reason.NOT_FOUND


def test_the_nearest_alias_is_told() -> None:
    with pytest.raises(ModelUnavailable, match="did you mean 'yolov8n-640'"):
        canonical_id("yolov8n")
    with pytest.raises(ModelUnavailable, match="models list --aliases"):
        canonical_id("zzz")
