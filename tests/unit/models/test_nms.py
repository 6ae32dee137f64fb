"""Candidates and suppression against the clearest numpy there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.blocks import FEW, blocks_kept

from mpipeline.models.family import ModelOptions
from mpipeline.models.nms import Selection, non_maximum_suppression, select_candidates
from mpipeline.tensor import Geometry

IDENTITY = Geometry(1.0, 1.0, 0.0, 0.0, 1000, 1000)


def numpy_suppression(xyxy, score, class_id, threshold, most) -> list[int]:
    """Greedy: the best box that is left stays, and those of its class that it covers go."""
    left = list(np.argsort(-score, kind="stable"))
    kept: list[int] = []
    while left and len(kept) < most:
        best = left.pop(0)
        kept.append(int(best))
        left = [i for i in left if class_id[i] != class_id[best] or not covers(xyxy[best], xyxy[i], threshold)]
    return kept


def covers(a, b, threshold) -> bool:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    shared = width * height
    return shared > threshold * ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


# Whole coordinates and thresholds of halves, quarters, … make both computations exact, so that ties agree as well.
corners = hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(4)), elements=st.integers(0, 12).map(float))


@settings(max_examples=200, deadline=None)
@given(
    corners,
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.booleans(),
    st.integers(0, 30),
    st.integers(0, 2**32 - 1),
)
def test_suppression_equals_numpy(raw, threshold, agnostic, most, seed) -> None:
    rng = np.random.default_rng(seed)
    xyxy = np.concatenate([np.minimum(raw[:, :2], raw[:, 2:]), np.maximum(raw[:, :2], raw[:, 2:])], axis=1)
    score = rng.choice([0.1, 0.5, 0.9, 0.95], len(xyxy)).astype(np.float32)
    class_id = rng.integers(0, 3, len(xyxy), dtype=np.int32)
    found = non_maximum_suppression(xyxy, score, None if agnostic else class_id, threshold, most)
    ids = np.zeros_like(class_id) if agnostic else class_id
    assert found.tolist() == numpy_suppression(xyxy, score, ids, threshold, most)


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 60), st.integers(1, 9)), elements=st.floats(0, 1, width=32)),
    st.floats(0, 1, width=32),
    st.sampled_from(["rows", "columns", "inner", "backwards"]),
    st.booleans(),
)
def test_candidates_equal_numpy(scores, threshold, memory, with_objectness) -> None:
    views = {
        "rows": scores,
        "columns": np.asfortranarray(scores),
        "inner": np.pad(scores, ((0, 0), (2, 3)))[:, 2:-3],
        "backwards": scores[:, ::-1].copy()[:, ::-1],
    }
    objectness = np.linspace(0, 1, 2 * len(scores), dtype=np.float32)[::2] if with_objectness else None
    anchor, class_id, score = select_candidates(views[memory], threshold, objectness)
    best = scores.max(axis=1) * (1 if objectness is None else objectness)
    expected = np.flatnonzero(best > np.float32(threshold))
    assert anchor.tolist() == expected.tolist()
    assert class_id.tolist() == scores.argmax(axis=1)[expected].tolist()
    assert score.tolist() == best[expected].tolist()


def test_numbers_that_are_none_never_win() -> None:
    scores = np.array([[np.nan, 0.7], [np.nan, np.nan], [np.inf, 0.1]], np.float32)
    anchor, class_id, _ = select_candidates(scores, 0.5)
    assert anchor.tolist() == [0, 2]
    assert class_id.tolist() == [1, 0]
    boxes = np.array([[0, 0, 4, 4]] * 2 + [[np.nan] * 4], np.float32)
    score = np.array([np.nan, 0.5, 0.4], np.float32)
    assert non_maximum_suppression(boxes, score, None, 0.5, 10).tolist() == [1, 2]


def test_lengths_must_fit() -> None:
    boxes = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="differ in length"):
        non_maximum_suppression(boxes, np.zeros(2, np.float32), None, 0.5, 10)
    with pytest.raises(ValueError, match="differ in length"):
        select_candidates(boxes, 0.5, np.zeros(2, np.float32))


def test_selection_filters_before_it_suppresses() -> None:
    """A box of an unwanted class hides nothing, also when suppression does not look at classes."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60]], np.float32)
    score, ids = np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 1, 7], np.int32)
    options = ModelOptions(class_agnostic_nms=True, iou_threshold=0.5)
    everything = Selection(options, ("cat", "dog"), None).suppress(boxes, score, ids, IDENTITY)
    assert everything.class_name == ("cat", "7")
    dogs = Selection(options, ("cat", "dog"), frozenset({1})).suppress(boxes, score, ids, IDENTITY)
    assert dogs.class_name == ("dog",)
    assert dogs.xyxy.tolist() == [[0, 0, 10, 11]]


def test_boxes_in_the_padding_and_boxes_of_no_numbers_go() -> None:
    geometry = Geometry(0.5, 0.5, 0.0, 20.0, 100, 50)
    boxes = np.array([[0, 0, 50, 19], [0, 30, 25, 45], [np.nan, 0, 1, 40]], np.float32)
    found = Selection(ModelOptions(), (), None).suppress(
        boxes, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32), geometry
    )
    assert found.xyxy.tolist() == [[0, 20, 50, 50]]
    assert found.xyxy.dtype == np.float32
    assert found.class_id.dtype == np.int32


def test_names_are_given_again_and_again_and_nothing_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]], np.float32)
    score, ids = np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int32)
    selection = Selection(ModelOptions(), ("cat",), None)
    assert blocks_kept(lambda: selection.suppress(boxes, score, ids, IDENTITY)) < FEW
