"""Paints a synthetic scene into the planes of a frame, in any pixel format, the same bytes for the same frame number.

The background is painted once; a frame is a copy of it with the shapes blended over their own rectangles. YUV is BT.601
with limited range (ITU-R BT.601-7, section 2.5); grey is full range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpipeline.frame import FrameFormat, PixelFormat, Pixels
from mpipeline.sources.synthetic_scene import Pose, SyntheticScene

_Floats = npt.NDArray[np.float32]
_Rgb = tuple[float, float, float]

# Colours that differ in hue and stand out from every backdrop, and backdrops that are pairs of dark or muted colours.
_SHAPE_COLOURS: tuple[_Rgb, ...] = (
    (239, 83, 80),
    (255, 167, 38),
    (255, 224, 92),
    (120, 200, 90),
    (38, 186, 170),
    (66, 165, 245),
    (150, 117, 225),
    (240, 110, 170),
)
_BACKDROPS: tuple[tuple[_Rgb, _Rgb], ...] = (
    ((24, 32, 54), (70, 84, 120)),
    ((28, 48, 44), (84, 116, 100)),
    ((52, 30, 46), (120, 84, 100)),
    ((44, 42, 40), (128, 118, 104)),
    ((20, 44, 58), (96, 130, 140)),
)
_EDGE: _Rgb = (248, 248, 244)
_EDGE_WIDTH = 0.1  # of the radius
_SHADE = 22.0  # how much lighter a shape is at its top than in its middle


@dataclass(frozen=True, slots=True)
class _Channel:
    """One component of a pixel: offset + weights · RGB (0..255), stored once for `step` by `step` pixels."""

    offset: float
    weights: _Rgb
    step: int = 1

    def of(self, colour: _Rgb) -> float:
        return self.offset + sum(weight * part for weight, part in zip(self.weights, colour, strict=True))


_LUMA = _Channel(16, (65.481 / 255, 128.553 / 255, 24.966 / 255))
_CB = _Channel(128, (-37.797 / 255, -74.203 / 255, 112 / 255), step=2)
_CR = _Channel(128, (112 / 255, -93.786 / 255, -18.214 / 255), step=2)
_CHANNELS: dict[PixelFormat, tuple[_Channel, ...]] = {
    PixelFormat.I420: (_LUMA, _CB, _CR),
    PixelFormat.NV12: (_LUMA, _CB, _CR),
    PixelFormat.BGR24: (_Channel(0, (0, 0, 1)), _Channel(0, (0, 1, 0)), _Channel(0, (1, 0, 0))),
    PixelFormat.GRAY8: (_Channel(0, (0.299, 0.587, 0.114)),),
}


def _channel_views(pixel_format: PixelFormat, planes: tuple[Pixels, ...]) -> tuple[Pixels, ...]:
    """A writable 2-D view for each channel of the format, in the order of `_CHANNELS`."""
    if pixel_format is PixelFormat.NV12:
        return planes[0], planes[1][:, 0::2], planes[1][:, 1::2]
    if pixel_format is PixelFormat.BGR24:
        return planes[0][:, 0::3], planes[0][:, 1::3], planes[0][:, 2::3]
    return planes


class SyntheticPainter:
    """Paints the frames of one scene in one format."""

    def __init__(self, scene: SyntheticScene, format: FrameFormat) -> None:
        random = np.random.default_rng([scene.seed, 2])
        order = random.permutation(len(_SHAPE_COLOURS))
        self._scene = scene
        self._pixel_format = format.pixel_format
        self._channels = _CHANNELS[format.pixel_format]
        self._colours = [_SHAPE_COLOURS[order[index % len(order)]] for index in range(scene.shapes)]
        self._background = _background(format, self._channels, random)

    def paint(self, n: int, planes: tuple[Pixels, ...]) -> None:
        """Writes frame `n` (from 0) into `planes`, laid out as `FrameFormat.planes()` says."""
        for plane, background in zip(planes, self._background, strict=True):
            plane[:] = background
        views = _channel_views(self._pixel_format, planes)
        for pose, colour in zip(self._scene.poses(n), self._colours, strict=True):
            self._blend(pose, colour, views)

    def _blend(self, pose: Pose, colour: _Rgb, views: tuple[Pixels, ...]) -> None:
        """Draws one shape, antialiased, over what is there."""
        left, top, right, bottom = _even_rectangle(pose, self._scene.width, self._scene.height)
        if right <= left or bottom <= top:
            return
        dx = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - pose.x)
        dy = np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - pose.y)
        depth = _depth(pose, dx, dy)
        whole = np.clip(depth + 0.5, 0, 1)
        inner = np.clip(depth + (0.5 - max(1.5, _EDGE_WIDTH * pose.radius)), 0, 1)
        for channel, view in zip(self._channels, views, strict=True):
            step = channel.step
            area = view[top // step : bottom // step, left // step : right // step]
            rows, columns = area.shape  # less than the rectangle where an odd frame ends
            over = _averaged(whole, step)[:rows, :columns]
            fill_over = _averaged(inner, step)[:rows, :columns]
            edge, fill = np.float32(channel.of(_EDGE)), np.float32(channel.of(colour))
            shade = np.float32(_SHADE / pose.radius) * dy[:rows, None] if step == 1 else np.float32(0)
            painted = edge - area  # area + over * (edge - area) + fill_over * (fill - shade - edge)
            painted *= over
            painted += area
            painted += fill_over * (fill - edge - shade)
            np.clip(painted, 0, 255, out=painted)
            area[:] = np.rint(painted, out=painted)


def _even_rectangle(pose: Pose, width: int, height: int) -> tuple[int, int, int, int]:
    """The pixels that a shape may touch, on even coordinates so that chroma is covered whole."""
    left, top, right, bottom = pose.box()
    return (
        max(0, int(left - 1) // 2 * 2),
        max(0, int(top - 1) // 2 * 2),
        min(width + width % 2, int(right + 3) // 2 * 2),
        min(height + height % 2, int(bottom + 3) // 2 * 2),
    )


def _depth(pose: Pose, dx: _Floats, dy: _Floats) -> _Floats:
    """How far inside the shape each pixel's centre is, in pixels; negative outside. Shape (len(dy), len(dx))."""
    if not pose.half_planes():
        distance: _Floats = np.sqrt(np.add.outer(dy * dy, dx * dx))
        np.subtract(np.float32(pose.inradius()), distance, out=distance)
        return distance
    depth = np.full((len(dy), len(dx)), np.inf, np.float32)
    for nx, ny, d in pose.half_planes():
        np.minimum(depth, np.subtract.outer(np.float32(d) - np.float32(ny) * dy, np.float32(nx) * dx), out=depth)
    return depth


def _averaged(weights: _Floats, step: int) -> _Floats:
    """Means over `step` by `step` squares."""
    if step == 1:
        return weights
    # Sums of strided slices: a mean over two axes of a reshaped array takes ten times as long.
    rows = sum((weights[offset::step] for offset in range(1, step)), weights[::step])
    means: _Floats = sum((rows[:, offset::step] for offset in range(1, step)), rows[:, ::step])
    means *= np.float32(1 / step**2)
    return means


def _background(format: FrameFormat, channels: tuple[_Channel, ...], random: np.random.Generator) -> list[Pixels]:
    """The planes without shapes: a slanted gradient with soft clouds and a little grain."""
    dark, light = _BACKDROPS[int(random.integers(len(_BACKDROPS)))]
    # Painted on an even number of pixels, so that chroma averages whole squares, and cut afterwards.
    width, height = format.width + format.width % 2, format.height + format.height % 2
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)
    slant = np.float32(random.uniform(0.2, 0.8))
    blend = np.add.outer((1 - slant) * y, slant * x)
    for waves in (2, 3, 5, 9):
        turns, shifts = random.uniform(0.6, 1, 2) * waves * 2 * np.pi, random.uniform(0, 2 * np.pi, 2)
        blend += np.outer(np.sin(turns[0] * y + shifts[0]), np.sin(turns[1] * x + shifts[1])) * np.float32(0.22 / waves)
    np.clip(blend, 0, 1, out=blend)
    grain = random.normal(0, 2.5, (height, width)).astype(np.float32)
    planes = tuple(np.zeros((plane.rows, plane.row_bytes), np.uint8) for plane in format.planes())
    for channel, view in zip(channels, _channel_views(format.pixel_format, planes), strict=True):
        low, high = channel.of(dark), channel.of(light)
        values = low + blend * np.float32(high - low) + grain * np.float32(sum(channel.weights))
        view[:] = np.rint(np.clip(_averaged(values, channel.step), 0, 255))[: view.shape[0], : view.shape[1]]
    return list(planes)
