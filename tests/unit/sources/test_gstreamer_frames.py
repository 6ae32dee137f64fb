"""What is read of a sample: where its planes lie, its colours and times, and what of it cannot be taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import gstreamer

from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.gstreamer_frames import SampleReader
from mpipeline.sources.gstreamer_library import Library, load

WIDTH, HEIGHT = 18, 10
CAPS = f"video/x-raw,width={WIDTH},height={HEIGHT},framerate=25/2"


@pytest.fixture
def library() -> Library:
    gstreamer.needs()
    return load()


def sample_of(library: Library, caps: str, data: bytes = bytes(4096), *, buffer: Any = None, start_ns: int = 0) -> Any:
    gst = library.gst
    segment = gst.Segment()
    segment.init(gst.Format.TIME)
    segment.start = start_ns
    filled = buffer if buffer is not None else gst.Buffer.new_wrapped(data)
    return gst.Sample.new(filled, gst.Caps.from_string(caps), segment, None)


def planes_of(format: FrameFormat) -> tuple[Pixels, ...]:
    return plane_views(format, np.zeros(format.payload_bytes(), np.uint8))


def test_planes_may_lie_anywhere_in_a_buffer(library: Library) -> None:
    offsets, strides = [64, 2048, 3072], [96, 40, 48]
    data = np.random.default_rng(1).integers(0, 255, 4096, np.uint8)
    buffer = library.gst.Buffer.new_wrapped(data.tobytes())
    form = library.video.VideoFormat.I420
    flags = library.video.VideoFrameFlags.NONE
    meta = library.video.buffer_add_video_meta_full(buffer, flags, form, WIDTH, HEIGHT, 3, [*offsets, 0], [*strides, 0])
    assert meta is not None
    reader = SampleReader(library)
    picture = reader.picture(sample_of(library, f"{CAPS},format=I420", buffer=buffer))
    assert picture is not None
    assert picture.places == tuple(zip(offsets, strides, strict=True))
    planes = planes_of(picture.format)
    reader.copy(picture, planes)
    for plane, offset, stride in zip(planes, offsets, strides, strict=True):
        rows, width = plane.shape
        expected = [data[offset + stride * row : offset + stride * row + width] for row in range(rows)]
        assert (plane == np.array(expected)).all()


def test_a_buffer_that_is_too_small_gives_no_picture(library: Library) -> None:
    reader = SampleReader(library)
    enough = library.video.VideoInfo.new_from_caps(library.gst.Caps.from_string(f"{CAPS},format=NV12")).size
    assert reader.picture(sample_of(library, f"{CAPS},format=NV12", bytes(enough))) is not None
    assert reader.picture(sample_of(library, f"{CAPS},format=NV12", bytes(enough - 20))) is None
    assert reader.picture(sample_of(library, f"{CAPS},format=NV12", buffer=library.gst.Buffer.new())) is None


@pytest.mark.parametrize(
    ("caps", "matrix", "full"),
    [
        ("format=I420,colorimetry=bt601", ColorMatrix.BT601, False),
        ("format=I420,colorimetry=bt709", ColorMatrix.BT709, False),
        ("format=NV12,colorimetry=bt2020", ColorMatrix.BT2020, False),
        ("format=NV12,colorimetry=1:4:7:1", ColorMatrix.BT601, True),
        ("format=I420", ColorMatrix.BT601, False),
        ("format=BGR", ColorMatrix.BT601, True),
        ("format=GRAY8", ColorMatrix.BT601, True),
    ],
)
def test_colours_are_those_of_the_caps(library: Library, caps: str, matrix: ColorMatrix, full: bool) -> None:
    reader = SampleReader(library)
    picture = reader.picture(sample_of(library, f"{CAPS},{caps}"))
    assert picture is not None
    assert (picture.format.matrix, picture.format.full_range) == (matrix, full)
    assert (picture.format.width, picture.format.height, reader.rate) == (WIDTH, HEIGHT, 12.5)


def test_a_new_format_is_noticed(library: Library) -> None:
    reader, found = SampleReader(library), []
    for name in ("I420", "I420", "GRAY8", "I420"):
        picture = reader.picture(sample_of(library, f"{CAPS},format={name}"))
        assert picture is not None
        found.append(picture.format.pixel_format)
    assert found == [PixelFormat.I420, PixelFormat.I420, PixelFormat.GRAY8, PixelFormat.I420]


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        ("video/x-raw(memory:NVMM),width=18,height=10,format=NV12", "nvvidconv"),
        (f"{CAPS},format=RGBA", "RGBA: put `videoconvert`"),
        ("image/jpeg,width=18,height=10", "videoconvert"),
    ],
)
def test_what_no_ring_can_hold_is_told_with_its_remedy(library: Library, caps: str, told: str) -> None:
    with pytest.raises(ValueError, match="before the appsink") as caught:
        SampleReader(library).picture(sample_of(library, caps))
    assert told in str(caught.value)


def test_times_flags_and_what_has_none(library: Library) -> None:
    reader = SampleReader(library)
    caps, start_ns = f"{CAPS},format=GRAY8", 2_000_000_000
    picture = reader.picture(sample_of(library, caps, start_ns=start_ns))
    assert picture is not None
    assert (picture.running_ns, picture.stream_s, picture.is_corrupt) == (None, None, False)

    buffer = library.gst.Buffer.new_wrapped(bytes(4096))
    buffer.pts = 2_500_000_000
    buffer.set_flags(library.gst.BufferFlags.CORRUPTED)
    picture = reader.picture(sample_of(library, caps, buffer=buffer, start_ns=start_ns))
    assert picture is not None
    assert (picture.running_ns, picture.stream_s, picture.is_corrupt) == (500_000_000, 0.5, True)
