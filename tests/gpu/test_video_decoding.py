"""NVIDIA's decoder through PyAV: the same pictures as on the processor, and said to be what decodes."""

from __future__ import annotations

from typing import Any

import pytest
from support import media
from support.media import VideoSpec
from support.reading import pixels
from support.rtsp_server import RtspServer

from mpipeline.frame import PixelFormat
from mpipeline.sources.video import VideoOptions, VideoSource
from mpipeline.sources.video_hardware import known_devices, trial

SPECS = {
    "h264": VideoSpec(frames=40, options=(("preset", "veryfast"), ("bf", "2"))),
    "hevc": VideoSpec(codec="libx265", frames=40),
}


@pytest.fixture(autouse=True)
def device() -> None:
    """Skips where NVDEC does not decode, and says why."""
    reason = trial("cuda") if "cuda" in known_devices() else "this PyAV was built without CUDA"
    if reason:
        pytest.skip(f"no decoder of NVIDIA here: {reason}")


def opened(uri: str, **options: Any) -> VideoSource:
    source = VideoSource("test", VideoOptions(uri=uri, **options))
    source.open()
    return source


@pytest.mark.parametrize("codec", SPECS)
def test_every_frame_is_that_of_the_processor(codec: str) -> None:
    uri = str(media.video(SPECS[codec]))
    ours, theirs = opened(uri, hardware="cuda"), opened(uri)
    count = 0
    while (frame := ours.grab()) is not None:
        expected = theirs.grab()
        assert expected is not None
        assert frame.format.pixel_format is PixelFormat.NV12
        luma, chroma = pixels(ours, frame.format)
        other, *halves = pixels(theirs, expected.format)
        assert (luma == other).all()
        assert (chroma[:, ::2] == halves[0]).all()
        assert (chroma[:, 1::2] == halves[1]).all()
        assert (frame.pts, frame.corrupt) == (expected.pts, False)
        count += 1
    assert (count, theirs.grab()) == (40, None)
    assert ours.decoder == f"{codec} in hardware, by cuda"
    for source in (ours, theirs):
        source.close()


def test_a_stream_that_it_does_not_decode_goes_to_the_processor() -> None:
    source = opened(str(media.video(VideoSpec(codec="mpeg4", suffix=".avi"))), hardware="auto")
    assert source.grab() is not None
    assert source.decoder.startswith("mpeg4 ")
    source.close()


def test_a_camera() -> None:
    with RtspServer({"gate": [media.video(VideoSpec(frames=90, rate=30))]}) as server:
        source = opened(server.url("gate"), hardware="cuda")
        for _ in range(20):
            assert source.grab() is not None
        assert source.decoder == "h264 in hardware, by cuda"
        source.close()
