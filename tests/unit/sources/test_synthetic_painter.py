"""Painting synthetic scenes: the same bytes each time, shapes where the truth says, one picture in every format."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.frame import FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.synthetic_painter import SyntheticPainter
from mpipeline.sources.synthetic_scene import SyntheticScene


def painted(scene: SyntheticScene, n: int, pixel_format: PixelFormat = PixelFormat.I420) -> tuple[Pixels, ...]:
    format = FrameFormat(pixel_format, scene.width, scene.height)
    planes = plane_views(format, np.full(format.payload_bytes(), 3, np.uint8))
    SyntheticPainter(scene, format).paint(n, planes)
    return planes


def changed_box(before: Pixels, after: Pixels) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(before != after)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_a_frame_has_the_same_bytes_whatever_was_painted_before(pixel_format: PixelFormat) -> None:
    scene = SyntheticScene(160, 120, 3, 5)
    format = FrameFormat(pixel_format, 160, 120)
    painter = SyntheticPainter(scene, format)
    planes = plane_views(format, np.zeros(format.payload_bytes(), np.uint8))
    for n in (40, 7, 12):
        painter.paint(n, planes)
    assert all(np.array_equal(a, b) for a, b in zip(planes, painted(scene, 12, pixel_format), strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_a_shape_is_painted_exactly_where_its_box_is(seed: int) -> None:
    scene = SyntheticScene(321, 241, seed, 1)
    empty = SyntheticScene(321, 241, seed, 0)
    for n in (0, 50, 500):
        [box], _ = scene.truth(n)
        assert changed_box(painted(empty, n)[0], painted(scene, n)[0]) == pytest.approx(tuple(box), abs=1.5)


def test_chroma_lies_over_luma() -> None:
    scene, empty = SyntheticScene(320, 240, 5, 1), SyntheticScene(320, 240, 5, 0)
    with_shape, without = painted(scene, 10), painted(empty, 10)
    luma = changed_box(without[0], with_shape[0])
    for plane in (1, 2):
        assert 2 * np.array(changed_box(without[plane], with_shape[plane])) == pytest.approx(np.array(luma), abs=3)


def test_nv12_is_i420_with_interleaved_chroma() -> None:
    scene = SyntheticScene(63, 49, 2, 4)
    y, u, v = painted(scene, 9)
    luma, chroma = painted(scene, 9, PixelFormat.NV12)
    assert np.array_equal(luma, y)
    assert np.array_equal(chroma[:, 0::2], u)
    assert np.array_equal(chroma[:, 1::2], v)


def test_bgr_and_limited_range_luma_show_the_same_picture() -> None:
    scene = SyntheticScene(128, 96, 4, 4)
    bgr = painted(scene, 3, PixelFormat.BGR24)[0].reshape(96, 128, 3).astype(np.float64)
    luma = 16 + (24.966 * bgr[..., 0] + 128.553 * bgr[..., 1] + 65.481 * bgr[..., 2]) / 255
    assert np.abs(painted(scene, 3)[0] - luma).mean() < 2
    gray = painted(scene, 3, PixelFormat.GRAY8)[0]
    assert np.abs((gray * 219.0 / 255 + 16) - luma).mean() < 2


def test_luma_stays_in_limited_range() -> None:
    y, u, v = painted(SyntheticScene(200, 150, 6, 6), 0)
    assert y.min() >= 16
    assert y.max() <= 235
    assert min(u.min(), v.min()) >= 16
    assert max(u.max(), v.max()) <= 240


def test_shapes_stand_out_from_every_backdrop() -> None:
    for seed in range(12):
        scene, empty = SyntheticScene(160, 120, seed, 6), SyntheticScene(160, 120, seed, 0)
        difference = np.abs(painted(scene, 0)[0].astype(int) - painted(empty, 0)[0])
        boxes, _ = scene.truth(0)
        for x1, y1, x2, y2 in boxes.astype(int):
            assert np.quantile(difference[y1:y2, x1:x2], 0.95) > 40
