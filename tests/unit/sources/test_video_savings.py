"""What a video source leaves out: which frames come, how large, and that nothing else changes."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import media
from support.media import VideoSpec
from support.reading import drain, pixels, read

from mpipeline.clock import SystemClock
from mpipeline.frame import plane_views
from mpipeline.sources.video import VideoOptions, VideoSource
from mpipeline.sources.video_decode import FrameDecoder
from mpipeline.sources.video_log import FFmpegLog
from mpipeline.sources.video_savings import halvings, scaled

PLAIN = VideoSpec(frames=31)  # a key frame every ten
REORDERED = VideoSpec(frames=31, b_frames=2)
INTRA = VideoSpec(frames=31, codec="mjpeg", pix_fmt="yuvj420p", suffix=".avi")
ALL = [PLAIN, REORDERED, INTRA, VideoSpec(frames=31, suffix=".ts"), VideoSpec(frames=31, codec="libx265")]


def name_of(spec: VideoSpec) -> str:
    return f"{spec.codec}{spec.suffix}-{spec.b_frames}"


@pytest.mark.parametrize("spec", ALL, ids=name_of)
def test_every_n_th_frame_with_its_own_time(spec: VideoSpec) -> None:
    everything = read(media.video(spec))
    some = read(media.video(spec), decode={"every": 4})
    assert some.error is None
    assert some.numbers == list(range(0, 31, 4))
    assert some.pts == everything.pts[::4]
    assert some.info is not None
    assert some.info.rate == pytest.approx(15 / 4)


@pytest.mark.parametrize("spec", ALL, ids=name_of)
def test_key_frames_only(spec: VideoSpec) -> None:
    some = read(media.video(spec), decode={"keyframes_only": True})
    assert some.error is None
    assert some.numbers == (list(range(31)) if spec is INTRA else [0, 10, 20, 30])
    assert all(frame.key_frame for frame in some.frames)
    assert some.decode_errors == 0


def test_a_key_frame_of_a_live_stream_comes_out_when_it_is_fed() -> None:
    import av

    with av.open(str(media.video(REORDERED))) as container:
        decoder = FrameDecoder(container.streams.video[0], SystemClock(), FFmpegLog(), live=True, at_once=True)
        keys = [packet for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
        for packet in keys:
            decoder.feed(packet)
            decoded = decoder.pop()
            assert decoded is not None
            assert decoded.frame.pts == packet.pts
        assert decoder.errors == 0
        decoder.rest()


def test_every_second_key_frame() -> None:
    assert read(media.video(PLAIN), decode={"keyframes_only": True, "every": 2}).numbers == [0, 20]


@pytest.mark.parametrize("spec", [PLAIN, INTRA], ids=name_of)
def test_from_a_start_within_the_file(spec: VideoSpec) -> None:
    video = media.video(spec)
    assert read(video, start=1.0, decode={"every": 5}).numbers == [15, 20, 25, 30]
    expected = list(range(15, 31)) if spec is INTRA else [20, 30]
    assert read(video, start=1.0, decode={"keyframes_only": True}).numbers == expected


def test_a_loop_begins_again_with_the_first_frame() -> None:
    reading = read(media.video(PLAIN), loop=True, limit=10, decode={"every": 10})
    assert reading.numbers == [0, 10, 20, 30, 0, 10, 20, 30, 0, 10]
    times = [pts for pts in reading.pts if pts is not None]
    assert all(before < after for before, after in itertools.pairwise(times))
    assert reading.info is not None
    assert reading.info.frame_count == 0  # it has no end


@pytest.mark.parametrize("spec", [*ALL, VideoSpec(frames=31, rotation=90)], ids=name_of)
@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_smaller_frames_show_the_same(spec: VideoSpec, scale: float) -> None:
    reading = read(media.video(spec), decode={"scale": scale})
    assert reading.error is None
    assert reading.numbers == list(range(31))
    assert reading.info is not None
    width, height = scaled(spec.width, spec.height, scale)
    expected = (height, width) if spec.rotation else (width, height)
    assert (reading.info.width, reading.info.height) == expected
    assert {(frame.format.width, frame.format.height) for frame in reading.frames} == {expected}


def test_range_and_matrix_stay_as_they_are() -> None:
    spec = VideoSpec(pix_fmt="yuvj420p", color_range=2, colorspace=1, frames=1)
    first, second = (grabbed(spec, scale) for scale in (1.0, 0.5))
    assert (second[0].matrix, second[0].full_range) == (first[0].matrix, first[0].full_range)
    assert abs(float(first[1].mean()) - float(second[1].mean())) < 2


def grabbed(spec: VideoSpec, scale: float) -> tuple[Any, np.ndarray[Any, Any]]:
    source = VideoSource("test", VideoOptions(uri=str(media.video(spec)), decode={"scale": scale}))
    source.open()
    frame = source.grab()
    assert frame is not None
    planes = pixels(source, frame.format)
    source.close()
    return frame.format, planes[0]


def test_a_seek_is_left_alone_where_frames_are_left_out() -> None:
    source = VideoSource("test", VideoOptions(uri=str(media.video(PLAIN)), decode={"every": 2}), seek_from=1)
    source.open()
    assert not source.seek(5, 8 / 15)
    grabbed = source.grab()
    assert grabbed is not None
    assert grabbed.pts == 0.0
    source.close()


def test_a_seek_gives_the_same_smaller_frames() -> None:
    options = VideoOptions(uri=str(media.video(PLAIN)), decode={"scale": 0.5})
    source = VideoSource("test", options, seek_from=1)
    source.open()
    assert source.seek(25, 24 / 15)
    grabbed = source.grab()
    assert grabbed is not None
    sought = plane_views(grabbed.format, np.zeros(grabbed.format.payload_bytes(), np.uint8))
    source.retrieve(sought)
    source.close()
    reading = VideoSource("test", options)
    reading.open()
    for _ in range(26):
        grabbed = reading.grab()
        assert grabbed is not None
    for one, other in zip(sought, pixels(reading, grabbed.format), strict=True):
        assert np.array_equal(one, other)
    reading.close()


def test_which_decoders_give_smaller_pictures_themselves() -> None:
    assert [halvings(scale, "mjpeg") for scale in (1.0, 0.6, 0.5, 0.3, 0.25, 0.1)] == [0, 0, 1, 1, 2, 3]
    assert halvings(0.25, "h264") == 0


@pytest.mark.parametrize("decode", [{"every": 0}, {"scale": 0}, {"scale": 1.5}, {"skip": 2}, {"every": 1.5}])
def test_options_that_make_no_sense(decode: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VideoOptions(uri="a.mp4", decode=decode)


class TestHardware:
    """No device here: what is left is to decode all the same and to say so once."""

    @pytest.mark.parametrize("kind", ["auto", "cuda", "vaapi", "videotoolbox"])
    def test_without_a_device_the_processor_decodes_and_it_is_told_once(
        self, kind: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        plain = read(media.video(PLAIN))
        with caplog.at_level(logging.INFO, "mpipeline.source"):
            reading = read(media.video(PLAIN), hardware=kind, loop=True, limit=60)
        told = [record.getMessage() for record in caplog.records if record.name == "mpipeline.source"]
        assert len(told) == 1
        if "in hardware" in told[0]:
            pytest.skip(f"there is a device: {told[0]}")
        assert "decodes in software: " in told[0]
        assert kind == "auto" or kind in told[0]
        assert reading.numbers == [*plain.numbers, *plain.numbers][:60]
        assert reading.decode_errors == 0
        assert capfd.readouterr() == ("", "")

    def test_nobody_is_told_who_has_not_asked(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "mpipeline.source"):
            drain(VideoSource("test", VideoOptions(uri=str(media.video(PLAIN)))))
        assert not caplog.records
