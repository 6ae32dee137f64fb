"""Pictures of synthetic scenes as the demo's detector sees them, with their boxes in its input's pixels.

The frames are painted as I420 and turned into RGB again, so that a detector that is trained on them knows what colour
subsampling does. Letterboxing is that of Ultralytics: scaled evenly, centred, the rest grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpipeline.demo.network import INPUT_HEIGHT, INPUT_WIDTH
from mpipeline.frame import FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.synthetic_painter import SyntheticPainter
from mpipeline.sources.synthetic_scene import SyntheticScene

PAD_VALUE = 114
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Picture:
    """One model input, `rgb` (3, H, W) uint8, and its truth: `boxes` (M, 4) xyxy in its pixels, `class_id` (M,)."""

    rgb: Pixels
    boxes: _Floats
    class_id: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame lies in the input: input = frame * scale + pad."""

    scale: float
    pad_x: int
    pad_y: int
    width: int
    height: int

    @staticmethod
    def of(width: int, height: int) -> Letterbox:
        """The placement of a frame of `width` by `height` pixels."""
        scale = min(INPUT_WIDTH / width, INPUT_HEIGHT / height)
        inner_width, inner_height = round(width * scale), round(height * scale)
        pad_x, pad_y = (INPUT_WIDTH - inner_width) / 2, (INPUT_HEIGHT - inner_height) / 2
        return Letterbox(scale, round(pad_x - 0.1), round(pad_y - 0.1), inner_width, inner_height)

    def to_input(self, boxes: _Floats) -> _Floats:
        """Boxes (M, 4) from frame to input pixels."""
        pads = np.array([self.pad_x, self.pad_y] * 2, np.float32)
        placed: _Floats = boxes * np.float32(self.scale) + pads
        return placed


def pictures(scene: SyntheticScene, numbers: list[int]) -> Iterator[Picture]:
    """The frames of `scene` with these numbers."""
    format = FrameFormat(PixelFormat.I420, scene.width, scene.height)
    painter = SyntheticPainter(scene, format)
    planes = plane_views(format, np.zeros(format.payload_bytes(), np.uint8))
    place = Letterbox.of(scene.width, scene.height)
    for n in numbers:
        painter.paint(n, planes)
        boxes, class_id = scene.truth(n)
        yield Picture(_letterboxed(planes, place), place.to_input(boxes), class_id)


def _letterboxed(planes: tuple[Pixels, ...], place: Letterbox) -> Pixels:
    """The I420 planes (BT.601, limited range) as (3, H, W) RGB in the model's input."""
    y, cb, cr = (_resized(plane, place.width, place.height) for plane in planes)
    luma, cb, cr = (
        (y - 16) * np.float32(255 / 219),
        (cb - 128) * np.float32(255 / 224),
        (cr - 128) * np.float32(255 / 224),
    )
    rgb = np.stack([luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb])
    picture = np.full((3, INPUT_HEIGHT, INPUT_WIDTH), PAD_VALUE, np.uint8)
    rows, columns = slice(place.pad_y, place.pad_y + place.height), slice(place.pad_x, place.pad_x + place.width)
    picture[:, rows, columns] = np.rint(np.clip(rgb, 0, 255))
    return picture


def _resized(plane: Pixels, width: int, height: int) -> _Floats:
    """Bilinear, pixel centres at half numbers, no smoothing when it gets smaller: as preprocessing does it."""
    y0, y1, fy = _taps(plane.shape[0], height)
    x0, x1, fx = _taps(plane.shape[1], width)
    upper, lower = plane[y0].astype(np.float32), plane[y1].astype(np.float32)
    rows = upper + (lower - upper) * fy[:, None]
    resized: _Floats = rows[:, x0] + (rows[:, x1] - rows[:, x0]) * fx
    return resized


def _taps(size: int, wanted: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], _Floats]:
    """For each wanted pixel its two neighbours and the weight of the second."""
    at = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    first = np.floor(at).astype(np.intp)
    return first, np.minimum(first + 1, size - 1), (at - first).astype(np.float32)
