"""Decoded frames as planes: formats, colour, depth and direction, against FFmpeg's own conversion."""

from __future__ import annotations

import av
import numpy as np
import pytest

from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.video_planes import PlaneCopier

LUMA, BLUE, RED = 120, 100, 160


def filled(pix_fmt: str, width: int = 66, height: int = 35, *values: int) -> av.VideoFrame:
    """A frame of one colour per plane."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane, value in zip(frame.planes, values or (LUMA, BLUE, RED), strict=False):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def copied(frame: av.VideoFrame) -> tuple[FrameFormat, tuple[Pixels, ...]]:
    copier = PlaneCopier()
    format = copier.format_of(frame)
    planes = plane_views(format, np.zeros(format.payload_bytes(), np.uint8))
    copier.copy(frame, planes)
    return format, planes


@pytest.mark.parametrize(("width", "height"), [(64, 48), (66, 35), (67, 35), (2, 2), (1, 1), (641, 361)])
def test_planes_are_copied_as_they_are(width: int, height: int) -> None:
    rng = np.random.default_rng(1)
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())

    format, planes = copied(frame)

    assert (format.pixel_format, format.width, format.height) == (PixelFormat.I420, width, height)
    for source, target in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)
        assert (target == rows[: target.shape[0], : target.shape[1]]).all()


@pytest.mark.parametrize(
    ("pix_fmt", "expected"),
    [
        ("yuv420p", (PixelFormat.I420, False)),
        ("yuvj420p", (PixelFormat.I420, True)),
        ("yuv422p", (PixelFormat.I420, False)),
        ("yuvj422p", (PixelFormat.I420, True)),
        ("yuv444p", (PixelFormat.I420, False)),
        ("yuv420p10le", (PixelFormat.I420, False)),
        ("yuva420p", (PixelFormat.I420, False)),
        ("nv12", (PixelFormat.NV12, False)),
        ("nv21", (PixelFormat.I420, False)),
        ("gray", (PixelFormat.GRAY8, True)),
        ("gray10le", (PixelFormat.GRAY8, True)),
        ("gray16le", (PixelFormat.GRAY8, True)),
        ("bgr24", (PixelFormat.BGR24, True)),
        ("rgb24", (PixelFormat.BGR24, True)),
        ("gbrp", (PixelFormat.BGR24, True)),
        ("rgba", (PixelFormat.BGR24, True)),
        ("pal8", (PixelFormat.BGR24, True)),
    ],
)
def test_which_format_holds_what(pix_fmt: str, expected: tuple[PixelFormat, bool]) -> None:
    format = PlaneCopier().format_of(av.VideoFrame(64, 48, pix_fmt))

    assert (format.pixel_format, format.full_range) == expected


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuva420p"])
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_conversion_to_420_changes_no_value(pix_fmt: str, color_range: int) -> None:
    frame = filled(pix_fmt)
    frame.color_range = color_range

    format, planes = copied(frame)

    assert format.full_range is (pix_fmt.startswith("yuvj") or color_range == 2)
    for plane, value in zip(planes, (LUMA, BLUE, RED), strict=True):
        assert np.abs(plane.astype(int) - value).max() <= 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv420p12le"])
@pytest.mark.parametrize("color_range", [1, 2])
def test_deeper_pixels_come_down_to_8_bits(pix_fmt: str, color_range: int) -> None:
    frame = av.VideoFrame(66, 35, pix_fmt)
    depth = int(pix_fmt[-4:-2])
    for plane, value in zip(frame.planes, (LUMA, BLUE, RED), strict=True):
        plane.update(np.full(plane.buffer_size // 2, value << (depth - 8), "<u2").tobytes())
    frame.color_range = color_range

    _, planes = copied(frame)

    for plane, value in zip(planes, (LUMA, BLUE, RED), strict=True):
        assert np.abs(plane.astype(int) - value).max() <= 2


def test_deeper_grey_comes_down_to_8_bits() -> None:
    frame = av.VideoFrame(66, 35, "gray16le")
    frame.planes[0].update(np.full(frame.planes[0].buffer_size // 2, 77 << 8, "<u2").tobytes())

    _, planes = copied(frame)

    assert np.abs(planes[0].astype(int) - 77).max() <= 1


def test_rgb_becomes_bgr() -> None:
    image = np.zeros((35, 66, 3), np.uint8)
    image[:] = (10, 20, 30)

    _, planes = copied(av.VideoFrame.from_ndarray(image, format="rgb24"))

    assert (planes[0].reshape(35, 66, 3) == (30, 20, 10)).all()


def test_rows_that_run_upwards_are_turned() -> None:
    """Some decoders give pictures bottom up, with a negative line size; the flip filter does the same."""
    graph = av.filter.Graph()
    frame = av.VideoFrame(64, 48, "gray")
    rows = np.repeat(np.arange(48, dtype=np.uint8)[:, None], frame.planes[0].line_size, 1)
    frame.planes[0].update(rows.tobytes())
    frame.pts = 0
    source = graph.add_buffer(width=64, height=48, format=frame.format, time_base=av.time_base and "1/25")
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    source.push(frame)
    flipped = sink.pull()

    assert flipped.planes[0].line_size < 0
    _, planes = copied(flipped)

    assert (planes[0][:, 0] == np.arange(47, -1, -1)).all()


@pytest.mark.parametrize(
    ("colorspace", "matrix"),
    [
        (0, ColorMatrix.BT601),
        (1, ColorMatrix.BT709),
        (2, ColorMatrix.BT601),  # unspecified
        (5, ColorMatrix.BT601),
        (6, ColorMatrix.BT601),
        (7, ColorMatrix.BT709),
        (9, ColorMatrix.BT2020),
    ],
)
@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
def test_matrix_and_range_are_those_of_ffmpegs_own_conversion(
    colorspace: int, matrix: ColorMatrix, color_range: int, size: tuple[int, int]
) -> None:
    frame = filled("yuv420p", *size)
    frame.colorspace, frame.color_range = colorspace, color_range

    format, _ = copied(frame)

    assert format.matrix is matrix
    expected = frame.to_ndarray(format="bgr24")[0, 0].astype(int)
    assert np.abs(_to_bgr(format) - expected).max() <= 3


def _to_bgr(format: FrameFormat) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """ITU-T H.273 equations 8.3: the test colour as BGR."""
    red_share, blue_share = {
        ColorMatrix.BT601: (0.299, 0.114),
        ColorMatrix.BT709: (0.2126, 0.0722),
        ColorMatrix.BT2020: (0.2627, 0.0593),
    }[format.matrix]
    if format.full_range:
        y, cb, cr = LUMA / 255, (BLUE - 128) / 255, (RED - 128) / 255
    else:
        y, cb, cr = (LUMA - 16) / 219, (BLUE - 128) / 224, (RED - 128) / 224
    red = y + 2 * (1 - red_share) * cr
    blue = y + 2 * (1 - blue_share) * cb
    green = (y - red_share * red - blue_share * blue) / (1 - red_share - blue_share)
    return np.array([blue, green, red]) * 255


def test_one_converter_serves_frames_of_different_sizes() -> None:
    copier = PlaneCopier()
    for width, height in ((64, 48), (128, 96), (64, 48)):
        frame = filled("yuv444p", width, height)
        format = copier.format_of(frame)
        planes = plane_views(format, np.zeros(format.payload_bytes(), np.uint8))
        copier.copy(frame, planes)
        assert np.abs(planes[0].astype(int) - LUMA).max() <= 1
