"""Pictures in every pixel format, with an independent conversion to BGR in plain numpy, and frames around them."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from mpipeline.frame import ColorMatrix, Frame, FrameFormat, FrameMeta, PixelFormat

Pixels = npt.NDArray[np.uint8]

_LUMA = {ColorMatrix.BT601: (0.299, 0.114), ColorMatrix.BT709: (0.2126, 0.0722), ColorMatrix.BT2020: (0.2627, 0.0593)}


def meta(width: int, height: int) -> FrameMeta:
    return FrameMeta("camera", 1, 0.0, 0, 0, width, height)


@functools.cache
def scene(width: int, height: int, seed: int = 0) -> Pixels:
    """A BGR picture of soft colours with sharp edges and a little noise, away from the ends of the scale."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    waves = [np.sin(x / (5 + 9 * c) + c) * np.cos(y / (7 + 5 * c)) for c in range(3)]
    picture = 128 + 60 * np.stack(waves, axis=2) + rng.normal(0, 3, (height, width, 3))
    picture[(x // 13 + y // 11) % 3 == 0] += (25, -20, 15)
    return np.clip(picture, 30, 225).astype(np.uint8)


def planes_of(form: FrameFormat, bgr: Pixels, spare: int = 0) -> tuple[Pixels, ...]:
    """The planes of a BGR picture in the format; `spare` bytes of garbage lie between the rows."""
    if form.pixel_format is PixelFormat.BGR24:
        return (_strided(bgr.reshape(form.height, -1), spare),)
    y, u, v = _to_yuv(form, bgr)
    if form.pixel_format is PixelFormat.GRAY8:
        return (_strided(np.rint(bgr.mean(axis=2)).astype(np.uint8), spare),)
    if form.pixel_format is PixelFormat.I420:
        return _strided(y, spare), _strided(u, spare), _strided(v, spare)
    return _strided(y, spare), _strided(np.stack([u, v], axis=2).reshape(u.shape[0], -1), spare)


def frame_of(form: FrameFormat, planes: tuple[Pixels, ...]) -> Frame:
    return Frame(meta(form.width, form.height), form, planes)


def exact_bgr(form: FrameFormat, planes: tuple[Pixels, ...]) -> npt.NDArray[np.float64]:
    """The picture as float levels 0..255, (height, width, 3), by ITU-T H.273; each chroma sample is repeated."""
    height, width = form.height, form.width
    if form.pixel_format is PixelFormat.BGR24:
        return planes[0].reshape(height, width, 3).astype(np.float64)
    if form.pixel_format is PixelFormat.GRAY8:
        return np.repeat(planes[0][:, :, None], 3, axis=2).astype(np.float64)
    if form.pixel_format is PixelFormat.NV12:
        u, v = planes[1][:, 0::2], planes[1][:, 1::2]
    else:
        u, v = planes[1], planes[2]
    u, v = (c.repeat(2, 0).repeat(2, 1)[:height, :width].astype(np.float64) - 128 for c in (u, v))
    kr, kb = _LUMA[form.matrix]
    offset, luma, chroma = (0, 1.0, 1.0) if form.full_range else (16, 255 / 219, 255 / 224)
    y = (planes[0].astype(np.float64) - offset) * luma
    red, blue = y + 2 * (1 - kr) * chroma * v, y + 2 * (1 - kb) * chroma * u
    green = y - (2 * (1 - kr) * kr * v + 2 * (1 - kb) * kb * u) * chroma / (1 - kr - kb)
    return np.clip(np.stack([blue, green, red], axis=2), 0, 255)


def _to_yuv(form: FrameFormat, bgr: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    kr, kb = _LUMA[form.matrix]
    blue, green, red = (bgr[:, :, c].astype(np.float64) for c in range(3))
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    offset, luma, chroma = (0, 1.0, 1.0) if form.full_range else (16, 219 / 255, 224 / 255)
    halves = [_halved(c) * chroma + 128 for c in (u, v)]
    planes = [np.clip(np.rint(c), 0, 255).astype(np.uint8) for c in (y * luma + offset, *halves)]
    return planes[0], planes[1], planes[2]


def _halved(channel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    even = np.pad(channel, ((0, channel.shape[0] % 2), (0, channel.shape[1] % 2)), mode="edge")
    return (even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]) / 4


def _strided(rows: Pixels, spare: int) -> Pixels:
    wide = np.full((rows.shape[0], rows.shape[1] + spare), 255, np.uint8)
    wide[:, : rows.shape[1]] = rows
    wide.setflags(write=False)
    return wide[:, : rows.shape[1]]
