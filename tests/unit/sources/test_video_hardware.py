"""Which device decodes, and what is told of it: of one that is not there, fails on a stream, or leaves it alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from support import media
from support.media import VideoSpec
from support.reading import Reading, drain

from mpipeline.doctor import media as doctor
from mpipeline.doctor.finding import Level
from mpipeline.errors import Reason, SourceError
from mpipeline.sources import video, video_hardware
from mpipeline.sources.video import VideoOptions, VideoSource
from mpipeline.sources.video_decode import DecodedFrame
from mpipeline.sources.video_hardware import Device, find_device, known_devices, trial
from mpipeline.sources.video_round import Round

PLAIN = VideoSpec(frames=12)


class StandIn:
    """A device that can be opened and then has nothing decoded in it."""

    kind = "cuda"
    accel = None

    def __init__(self, pixel_format: str = "cuda", lacking: str = "") -> None:
        self.pixel_format = pixel_format
        self._lacking = lacking

    def lacking(self) -> str:
        return self._lacking


class FailingRound(Round):
    """Of a device gives nothing but errors."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._has_device = arguments[4] is not None

    def next(self) -> DecodedFrame | None:
        if self._has_device:
            raise self.error(Reason.CORRUPT_DATA, "CUDA_ERROR_OUT_OF_MEMORY")
        return super().next()


@pytest.fixture
def with_device(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], tuple[Reading, VideoSource]]:
    """Reads a video of which that device is to decode what it can."""

    def read(device: Any, uri: str = "") -> tuple[Reading, VideoSource]:
        monkeypatch.setattr(video, "find_device", lambda wanted: (device, ""))
        source = VideoSource("test", VideoOptions(uri=uri or str(media.video(PLAIN)), hardware="auto"))
        return drain(source), source

    return read


def test_a_device_that_cannot_be_opened_any_more_is_done_without(with_device: Any) -> None:
    from av.codec.hwaccel import HWAccel

    device = Device("cuda", HWAccel("cuda"))
    if not device.lacking():
        pytest.skip("it is there")
    reading, source = with_device(device)
    assert reading.numbers == list(range(12))
    assert reading.error is None
    assert source.decoder.startswith("h264 on the processor (cuda: ")


def test_a_device_that_fails_on_a_stream_is_done_without(with_device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "Round", FailingRound)
    reading, source = with_device(StandIn())
    assert reading.numbers == list(range(12))
    assert (reading.info is not None and reading.info.frame_count) == 12
    assert source.decoder == "h264 on the processor (cuda fails on this stream)"


@pytest.mark.parametrize(
    ("device", "decoder", "told"),
    [
        (StandIn(), "h264 on the processor (cuda does not decode this h264)", "decodes in software: cuda does not"),
        (StandIn("yuv420p"), "h264 in hardware, by cuda", "decodes h264 in hardware, by cuda"),
    ],
)
def test_what_is_told_is_what_has_decoded(
    with_device: Any, caplog: pytest.LogCaptureFixture, device: Any, decoder: str, told: str
) -> None:
    with caplog.at_level(logging.INFO, "mpipeline.source"):
        reading, source = with_device(device)
    assert reading.numbers == list(range(12))
    assert source.decoder == decoder
    (record,) = [one for one in caplog.records if one.name == "mpipeline.source"]
    assert told in record.getMessage()


def test_what_is_wrong_with_the_file_is_not_the_devices_fault(with_device: Any) -> None:
    reading, _ = with_device(StandIn(), "/nowhere/a.mp4")
    assert isinstance(reading.error, SourceError)
    assert reading.error.reason is Reason.NOT_FOUND


def test_a_picture_is_decoded_in_each_kind_or_it_is_told_why_not() -> None:
    for kind in known_devices():
        reason = trial(kind)
        device, told = find_device(kind)  # type: ignore[arg-type]
        if device is None:
            assert reason
            assert reason in told
    assert find_device("none") == (None, "")


def test_a_device_that_opens_and_does_not_decode_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_hardware.Device, "lacking", lambda device: "")
    if trial("vaapi"):  # not built in, so that FFmpeg knows no configuration of it for H.264
        assert trial("vaapi") == "it opens, and leaves the decoding to the processor"


@pytest.mark.parametrize(
    ("tried", "level", "words"),
    [
        ([], Level.MISSING, "built without hardware"),
        (
            [("cuda", "Cannot load libcuda.so.1")],
            Level.MISSING,
            "the processor decodes; cuda: Cannot load libcuda.so.1",
        ),
        ([("cuda", "Cannot load libnvcuvid.so.1")], Level.WARNING, "libnvcuvid"),
        ([("cuda", ""), ("vaapi", "no")], Level.OK, "decodes with `hardware: auto`: cuda"),
    ],
)
def test_the_doctor_tells_which_and_why(tried: list[tuple[str, str]], level: Level, words: str) -> None:
    found = doctor._hardware("video", tried)
    assert found.level is level
    assert words in found.text
    assert bool(found.remedy) is (level is not Level.OK)
