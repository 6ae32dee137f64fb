"""Masks as runs: they come back as they were, their outline is OpenCV's, and what does not add up is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.findings import disc
from support.reference_tasks import outline

from mpipeline.coco_masks import coco_runs
from mpipeline.masks import Masks

pictures = hnp.arrays(np.bool_, st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(1, 12)))


@given(pictures)
def test_pictures_come_back_as_they_were(given_pictures: np.ndarray) -> None:
    masks = Masks.from_pictures(given_pictures)
    masks.check()
    assert len(masks) == len(given_pictures)
    for i, picture in enumerate(given_pictures):
        assert np.array_equal(masks.picture(i), picture)
        assert masks.area(i) == picture.sum()
        _, _, width, height = masks.window[i]
        assert masks.cover(i).shape == (height, width)
        assert masks.cover(i)[[0, -1]].any(axis=1).all() if width else not picture.any()


@settings(deadline=None)
@given(pictures)
def test_outlines_are_those_of_the_whole_picture(given_pictures: np.ndarray) -> None:
    masks = Masks.from_pictures(given_pictures)
    for i, picture in enumerate(given_pictures):
        assert [(float(x), float(y)) for x, y in masks.outline(i)] == outline(picture)


def test_runs_longer_than_16_bits() -> None:
    whole = np.ones((1, 300, 500), bool)
    masks = Masks.from_pictures(np.concatenate([whole, ~whole, whole]))
    masks.check()
    assert masks.picture(0).all()
    assert masks.area(2) == 150_000
    assert masks.window.tolist() == [[0, 0, 500, 300], [0, 0, 0, 0], [0, 0, 500, 300]]
    holed = whole[0].copy()
    holed[0, 0] = holed[-1, -1] = False
    assert np.array_equal(Masks.from_pictures(holed[None]).picture(0), holed)


def test_parts_lie_where_they_are_said_to_lie() -> None:
    masks = Masks.of(20, 10, [(15, 8, np.ones((2, 5), bool)), (0, 0, np.zeros((0, 0), bool))])
    masks.check()
    assert masks.picture(0)[8:, 15:].all()
    assert masks.picture(0).sum() == 10
    assert masks.outline(1).shape == (0, 2)


def test_select_takes_rows_in_any_order() -> None:
    given_pictures = np.array([disc(40, 30, x, 15, 5) for x in (5, 20, 35)])
    chosen = Masks.from_pictures(given_pictures).select([2, 0, 2])
    chosen.check()
    for i, row in enumerate((2, 0, 2)):
        assert np.array_equal(chosen.picture(i), given_pictures[row])
    assert len(chosen.select([])) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": np.zeros(0, np.uint16)}, "more or fewer runs"),
        ({"width": 10}, "outside the frame"),
        ({"height": 3}, "outside the frame"),
        ({"window": np.array([[-1, 0, 11, 11]], np.int32)}, "outside the frame"),
        ({"window": np.array([[0, 0, 5, 5]], np.int32)}, "not its window"),
        ({"window": np.zeros((2, 4), np.int32)}, "differ in number"),
        ({"first": np.array([0, -1], np.int64)}, "differ in number"),
        ({"first": np.array([1, 3], np.int64)}, "more or fewer runs"),
    ],
)
def test_what_does_not_add_up_is_refused(change: dict[str, object], message: str) -> None:
    masks = Masks.from_pictures(disc(40, 30, 15, 15, 5)[None])
    with pytest.raises(ValueError, match=message):
        replace(masks, **change).check()


def decoded(runs: dict) -> np.ndarray:
    """COCO's run lengths, read letter by letter."""
    height, width = runs["size"]
    counts: list[int] = []
    value = shift = 0
    for letter in runs["counts"]:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(width, height).T


@given(pictures)
def test_the_form_of_coco(given_pictures: np.ndarray) -> None:
    masks = Masks.from_pictures(given_pictures)
    for i, picture in enumerate(given_pictures):
        assert np.array_equal(decoded(coco_runs(masks, i)), picture)


def test_the_form_of_coco_of_large_pictures() -> None:
    picture = disc(1920, 1080, 1700, 900, 500) & ~disc(1920, 1080, 1700, 900, 100)
    assert np.array_equal(decoded(coco_runs(Masks.from_pictures(picture[None]), 0)), picture)
