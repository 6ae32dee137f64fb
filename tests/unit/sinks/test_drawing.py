"""Drawing: inside the picture at any size, stable colours, the input untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.blocks import FEW, blocks_kept
from support.findings import embedding, multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, found, meta, prediction

from mpipeline.frame import Pixels
from mpipeline.prediction import Classification, Detections, Prediction
from mpipeline.sinks.drawing import annotate, class_color, fit


def grey(width: int, height: int, level: int = 90) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (641, 361), (1920, 1080), (1080, 1920), (3840, 2160)])
def test_boxes_anywhere_leave_the_input_alone(size: tuple[int, int]) -> None:
    width, height = size
    image = grey(width, height)
    boxes = [(0, 0, width, height), (-50, -50, 5, 5), (width - 3, height - 3, width + 90, height + 90), (4, 4, 4, 4)]
    drawn = annotate(image, prediction(meta(size=size), *boxes))
    assert drawn.shape == image.shape
    assert (image == 90).all()
    assert (drawn != 90).any()


def test_nothing_found_draws_nothing() -> None:
    assert (annotate(grey(64, 48), prediction(meta())) == 90).all()


def test_box_lies_where_the_detection_is() -> None:
    drawn = annotate(grey(400, 400), prediction(meta(), (100, 200, 300, 350)), labels=False)
    rows, columns = np.nonzero((drawn != 90).any(axis=2))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (100, 300, 200, 350)
    assert tuple(drawn[200, 150]) == class_color(2)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (380.0, 0.0), (0.0, 390.0), (390.0, 399.0)])
def test_label_is_fully_visible_in_every_corner(corner: tuple[float, float]) -> None:
    """The label's background has the same size wherever the box is."""
    x, y = corner
    background = np.array(class_color(2), np.uint8)
    amounts = []
    for left, top in ((x, y), (100.0, 100.0)):
        drawn = annotate(grey(400, 400), prediction(meta(), (left, top, left + 1, top + 1)))
        amounts.append(int((drawn == background).all(axis=2).sum()))
    assert amounts[0] == pytest.approx(amounts[1], abs=40)  # less the box itself


def test_the_number_of_a_track_stands_before_the_class() -> None:
    def width_of_label(track: int | None) -> int:
        boxes = found((5.0, 100.0, 6.0, 101.0))
        tracked = boxes if track is None else replace(boxes, tracker_id=np.array([track]))
        drawn = annotate(grey(400, 200), Prediction.of(meta(), tracked))
        return int(np.nonzero((drawn[:99] != 90).any(axis=(0, 2)))[0].max())

    assert width_of_label(None) == width_of_label(-1) < width_of_label(7) < width_of_label(1234)


def test_label_grows_with_the_picture() -> None:
    small, big = (annotate(grey(w, h), prediction(meta(), (50, 200, 52, 202))) for w, h in ((640, 360), (3840, 2160)))
    assert (big != 90).any(axis=2).sum() > 6 * (small != 90).any(axis=2).sum()


def test_masks_are_tinted_where_they_cover() -> None:
    detections = with_masks(400, 300)
    assert detections.masks is not None
    drawn = annotate(grey(400, 300), Prediction.of(meta(size=(400, 300)), detections), labels=False)
    tinted = tuple(np.rint(90 * 0.55 + np.array(class_color(2)) * 0.45).astype(int))
    assert tuple(drawn[150, 100]) == tinted
    assert tuple(drawn[150, 280]) == (90, 90, 90)  # the hole of the ring
    assert tuple(drawn[80, 280]) == tinted
    small = annotate(grey(200, 100), Prediction.of(meta(size=(400, 300)), detections))  # as after a change of size
    assert small.shape == (100, 200, 3)


@pytest.mark.parametrize("size", [(16, 16), (128, 96), (1920, 1080)])
def test_key_points_and_limbs(size: tuple[int, int]) -> None:
    width, height = size
    drawn = annotate(grey(width, height), Prediction.of(meta(size=size), with_keypoints()), labels=False)
    if height < 100:
        return
    changed = (drawn != 90).any(axis=2)
    assert changed[26:44, 50].any()  # between the shoulders
    assert changed[80, 59]  # between hip and knee
    assert not changed[103, 39]  # the ankle was not found


def test_key_points_of_other_things_are_dots() -> None:
    other = replace(with_keypoints(), keypoint_name=tuple(map(str, range(17))))
    drawn = annotate(grey(128, 128), Prediction.of(meta(size=(128, 128)), other), labels=False)
    assert (drawn[70, 58] != 90).any()
    assert (drawn[80, 59] == 90).all()


@pytest.mark.parametrize("far", [1e30, -1e30, 40_000.0])
def test_key_points_far_away_are_left_out(far: float) -> None:
    person = with_keypoints()
    assert person.keypoints is not None
    points = person.keypoints.copy()
    points[0, :, 0] = far
    drawn = annotate(grey(128, 96), Prediction.of(meta(size=(128, 96)), replace(person, keypoints=points)))
    assert (drawn[60, 40] == 90).all()


def test_classes_stand_at_the_top() -> None:
    one, none = single_label(), Classification(np.zeros(0, np.float32), np.zeros(0, np.int32), ())
    drawn = annotate(grey(400, 300), Prediction.of(meta(size=(400, 300)), one))
    assert tuple(drawn[1, 1]) == class_color(2)
    rows = np.flatnonzero((drawn != 90).any(axis=(1, 2)))
    assert rows[-1] < 100
    assert (drawn[rows[-1] - 1, 1] == class_color(5)).all()
    assert (annotate(grey(64, 48), Prediction.of(meta(), none)) == 90).all()
    assert (annotate(grey(64, 48), Prediction.of(meta(), embedding())) == 90).all()
    assert (annotate(grey(64, 48), Prediction.of(meta(), one), labels=False) == 90).all()
    drawn = annotate(grey(400, 300), Prediction.of(meta(size=(400, 300)), multi_label()))
    assert (drawn != np.array(class_color(1))).any(axis=2).all()  # "cold" is not there


def test_failed_frames_are_visibly_marked() -> None:
    drawn = annotate(grey(320, 240), failure(meta()))
    assert (drawn[0] != 90).any(axis=1).all()
    assert (drawn[120, 100] == 90).all()


def test_class_colors_are_stable_and_far_apart() -> None:
    assert class_color(7) == class_color(7)
    colors = [class_color(n) for n in range(12)]
    distances = [np.abs(np.subtract(a, b)).sum() for n, a in enumerate(colors) for b in colors[:n]]
    assert min(distances) > 40


def test_names_that_the_font_lacks_do_no_harm() -> None:
    odd = Detections(found((5, 5, 9, 9)).xyxy, np.ones(1, np.float32), np.zeros(1, np.int32), ("Tür 門",))
    annotate(grey(64, 48), type(prediction(meta()))(meta(), odd))


def test_fit_keeps_right_sizes_and_repeats_the_edge_of_odd_ones() -> None:
    image = grey(4, 2)
    assert fit(image, 4, 2) is image
    image = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    out = fit(image, 6, 4)
    assert out.shape == (4, 6, 3)
    assert (out[:3, :5] == image).all()
    assert (out[3, :5] == image[2]).all()
    assert (out[:3, 5] == image[:, 4]).all()


def test_fit_scales_another_resolution_with_its_proportions() -> None:
    out = fit(grey(1280, 720), 640, 480)
    assert out.shape == (480, 640, 3)
    assert (out[60:420] == 90).all()
    assert (out[:60] == 0).all()
    assert (out[420:] == 0).all()


def test_drawing_again_and_again_keeps_nothing() -> None:
    image, given = grey(64, 48), prediction(meta(), (0, 0, 8, 8), (9, 9, 20, 20))
    assert blocks_kept(lambda: annotate(image, given)) < FEW
