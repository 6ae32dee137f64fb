"""Copies decoded frames into planes: as they are where a PixelFormat fits, otherwise through one held converter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat, Pixels
from mpipeline.sources.video_savings import scaled

if TYPE_CHECKING:
    import av

# AVColorSpace (ITU-T H.273 matrix coefficients). What a frame leaves open is BT.601, whatever its size: that is what
# FFmpeg's own conversion to RGB assumes. SMPTE 240M is the near relative of BT.709.
_MATRICES = {1: ColorMatrix.BT709, 7: ColorMatrix.BT709, 9: ColorMatrix.BT2020, 10: ColorMatrix.BT2020}
_RANGE_LIMITED, _RANGE_FULL = 1, 2  # AVColorRange
_AREA = "AREA"  # each pixel is the mean of those that it stands for

_DIRECT = {
    "yuv420p": PixelFormat.I420,
    "yuvj420p": PixelFormat.I420,
    "nv12": PixelFormat.NV12,
    "gray": PixelFormat.GRAY8,
    "bgr24": PixelFormat.BGR24,
}
_TARGETS = {
    PixelFormat.I420: "yuv420p",
    PixelFormat.NV12: "nv12",
    PixelFormat.GRAY8: "gray",
    PixelFormat.BGR24: "bgr24",
}
_PIXEL_BYTES = {  # bytes that stay together when a plane is turned, per plane
    PixelFormat.I420: (1, 1, 1),
    PixelFormat.NV12: (1, 2),
    PixelFormat.GRAY8: (1,),
    PixelFormat.BGR24: (3,),
}


class PlaneCopier:
    """What a source needs of a frame's pixels: their format as shown, and a copy of them.

    Frames whose container says that they lie on their side come out upright, with width and height as shown. One
    converter serves all frames: a converter made per frame costs megabytes each time. `scale` is what their sides are
    multiplied with.
    """

    def __init__(self) -> None:
        self.scale = 1.0
        self._reformatter: Any = None

    def format_of(self, frame: av.VideoFrame) -> FrameFormat:
        """The format of what `copy` writes for `frame`."""
        pixel_format = _pixel_format(frame)
        width, height = frame.width, frame.height
        if self.scale != 1:
            width, height = scaled(width, height, self.scale)
        if quarter_turns(frame) % 2:
            width, height = height, width
        if pixel_format in (PixelFormat.BGR24, PixelFormat.GRAY8):
            return FrameFormat(pixel_format, width, height, full_range=True)
        matrix = _MATRICES.get(frame.colorspace, ColorMatrix.BT601)
        return FrameFormat(pixel_format, width, height, matrix, _color_range(frame) == _RANGE_FULL)

    def copy(self, frame: av.VideoFrame, planes: tuple[Pixels, ...]) -> None:
        """Copies `frame` into `planes`, views of shape (rows, row_bytes) laid out by `format_of(frame)`."""
        pixel_format, turns = _pixel_format(frame), quarter_turns(frame)
        is_direct = self.scale == 1 and frame.format.name in _DIRECT
        shown = frame if is_direct else self._converted(frame, _TARGETS[pixel_format])
        for plane, target, pixel_bytes in zip(shown.planes, planes, _PIXEL_BYTES[pixel_format], strict=True):
            _copy_plane(plane, target, pixel_bytes, turns)

    def _converted(self, frame: av.VideoFrame, target: str) -> av.VideoFrame:
        import av.video.reformatter

        if self._reformatter is None:
            self._reformatter = av.video.reformatter.VideoReformatter()
        width, height = scaled(frame.width, frame.height, self.scale)
        how = {"width": width, "height": height, "format": target, "interpolation": None if self.scale == 1 else _AREA}
        if target not in ("yuv420p", "nv12"):
            converted: av.VideoFrame = self._reformatter.reformat(frame, **how)
            return converted
        # The range stays as it is (named on both sides, or full would be squeezed into limited); so does the matrix.
        color_range = _color_range(frame)
        converted = self._reformatter.reformat(frame, **how, src_color_range=color_range, dst_color_range=color_range)
        return converted


def quarter_turns(frame: av.VideoFrame) -> int:
    """How many quarter turns counter-clockwise bring the frame upright, 0 to 3; odd angles are left alone."""
    angle = frame.rotation
    return angle // 90 % 4 if angle % 90 == 0 else 0


def _pixel_format(frame: av.VideoFrame) -> PixelFormat:
    name = frame.format.name
    if name in _DIRECT:
        return _DIRECT[name]
    if name.startswith(("gray", "ya", "mono")):
        return PixelFormat.GRAY8
    # Palettes count as RGB too. GBR planes of H.264 and VP9 carry the RGB flag as well.
    return PixelFormat.BGR24 if frame.format.is_rgb or name == "pal8" else PixelFormat.I420


def _color_range(frame: av.VideoFrame) -> int:
    full = frame.format.name.startswith("yuvj") or frame.color_range == _RANGE_FULL
    return _RANGE_FULL if full else _RANGE_LIMITED


def _copy_plane(plane: av.video.plane.VideoPlane, target: Pixels, pixel_bytes: int, turns: int) -> None:
    stride = abs(plane.line_size)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, stride)
    if plane.line_size < 0:
        rows = rows[::-1]
    if not turns:
        np.copyto(target, rows[: target.shape[0], : target.shape[1]])
        return
    turned = target.reshape(target.shape[0], -1, pixel_bytes)  # splits the last axis only: still a view
    height, width = (turned.shape[1], turned.shape[0]) if turns % 2 else turned.shape[:2]
    pixels = rows[:height, : width * pixel_bytes].reshape(height, width, pixel_bytes)
    np.copyto(turned, np.rot90(pixels, turns))
