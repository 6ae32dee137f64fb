"""Pictures for training: where the letterbox puts a frame, and its truth with it."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.demo.network import INPUT_HEIGHT, INPUT_WIDTH
from mpipeline.demo.scenery import PAD_VALUE, Letterbox, pictures
from mpipeline.sources.synthetic_scene import SyntheticScene


@pytest.mark.parametrize(
    ("size", "placed"),
    [
        ((640, 480), (0.4, 0, 0, 256, 192)),
        ((640, 360), (0.4, 0, 24, 256, 144)),
        ((480, 640), (0.3, 56, 0, 144, 192)),
        ((128, 96), (2.0, 0, 0, 256, 192)),
    ],
)
def test_frames_are_scaled_evenly_and_centred(size: tuple[int, int], placed: tuple[float, ...]) -> None:
    place = Letterbox.of(*size)
    assert (place.scale, place.pad_x, place.pad_y, place.width, place.height) == placed


def test_pictures_show_the_shapes_where_their_boxes_are() -> None:
    scene, empty = SyntheticScene(640, 360, 3, 1), SyntheticScene(640, 360, 3, 0)
    for n in (0, 100):
        [picture], [without] = pictures(scene, [n]), pictures(empty, [n])
        assert picture.rgb.shape == (3, INPUT_HEIGHT, INPUT_WIDTH)
        assert (picture.rgb[:, :24] == PAD_VALUE).all()
        rows, columns = np.nonzero((np.abs(picture.rgb.astype(int) - without.rgb) > 12).any(0))
        found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert found == pytest.approx(tuple(picture.boxes[0]), abs=2)
        assert picture.class_id.tolist() == scene.truth(n)[1].tolist()


def test_colours_survive_the_way_through_yuv() -> None:
    scene = SyntheticScene(256, 192, 8, 0)
    [picture] = pictures(scene, [0])
    assert picture.rgb.mean((1, 2)).max() < 140  # backdrops are dark or muted
    assert picture.rgb.std() < 60
