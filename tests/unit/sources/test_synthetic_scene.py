"""Synthetic scenes: a pure function of the frame number, always inside the limits that make their truth fair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.sources.synthetic_scene import CLASS_NAMES, Pose, SyntheticScene

scenes = st.builds(
    SyntheticScene,
    st.integers(16, 2000),
    st.integers(16, 2000),
    st.integers(0, 2**63 - 1),
    st.integers(0, 24),
)
frame_numbers = st.integers(0, 10_000_000)


@given(scenes, frame_numbers)
def test_truth_depends_on_nothing_but_the_frame_number(scene: SyntheticScene, n: int) -> None:
    again = SyntheticScene(scene.width, scene.height, scene.seed, scene.shapes)
    again.truth(n + 1)
    for one, other in zip(scene.truth(n), again.truth(n), strict=True):
        assert np.array_equal(one, other)


@given(scenes, frame_numbers)
def test_truth_holds_every_shape_inside_the_frame(scene: SyntheticScene, n: int) -> None:
    boxes, class_id = scene.truth(n)
    assert boxes.shape == (scene.shapes, 4)
    assert boxes.dtype == np.float32
    assert class_id.shape == (scene.shapes,)
    assert class_id.dtype == np.int32
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [scene.width, scene.height]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert np.isin(class_id, range(len(CLASS_NAMES))).all()


@settings(max_examples=300)
@given(scenes, frame_numbers)
def test_no_shape_is_more_than_half_covered(scene: SyntheticScene, n: int) -> None:
    boxes = np.array([pose.box() for pose in scene.poses(n)]).reshape(-1, 4)
    for i, box in enumerate(boxes):
        above = boxes[i + 1 :]
        sides = np.minimum(box[2:], above[:, 2:]) - np.maximum(box[:2], above[:, :2])
        assert np.clip(sides, 0, None).prod(1).sum() <= 0.5 * (box[2:] - box[:2]).prod()


@given(scenes, frame_numbers)
def test_at_least_half_of_each_box_is_inside_the_frame(scene: SyntheticScene, n: int) -> None:
    whole = np.array([pose.box() for pose in scene.poses(n)]).reshape(-1, 4)
    seen, _ = scene.truth(n)
    assert ((seen[:, 2:] - seen[:, :2]).prod(1) >= 0.5 * (whole[:, 2:] - whole[:, :2]).prod(1)).all()


@given(scenes, frame_numbers)
def test_shapes_move_smoothly(scene: SyntheticScene, n: int) -> None:
    for here, there in zip(scene.poses(n), scene.poses(n + 1), strict=True):
        assert np.hypot(there.x - here.x, there.y - here.y) <= 0.2 * here.radius


def test_all_classes_appear() -> None:
    assert set(SyntheticScene(640, 480, 1, 3).truth(0)[1]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("class_id", "angle", "box"),
    [
        (0, 0.3, (-8, -8, 8, 8)),
        (1, 0.0, (-7.071, -7.071, 7.071, 7.071)),
        (1, np.pi / 4, (-10, -10, 10, 10)),
        (2, 0.0, (-8.660, -10, 8.660, 5)),
    ],
)
def test_boxes_are_tight(class_id: int, angle: float, box: tuple[float, ...]) -> None:
    pose = Pose(class_id, 100, 50, 10, angle)
    assert np.array(pose.box()) - [100, 50, 100, 50] == pytest.approx(np.array(box), abs=1e-3)


@given(st.sampled_from([1, 2]), st.floats(-10, 10))
def test_half_planes_describe_the_polygon_in_the_box(class_id: int, angle: float) -> None:
    pose = Pose(class_id, 0, 0, 10, angle)
    axis = np.linspace(-10, 10, 201)
    x, y = np.meshgrid(axis, axis)
    inside = np.all([nx * x + ny * y <= d for nx, ny, d in pose.half_planes()], axis=0)
    found = x[inside].min(), y[inside].min(), x[inside].max(), y[inside].max()
    assert found == pytest.approx(pose.box(), abs=0.3)
