"""Pipelines with an end: every frame once and as FFmpeg decodes it, in each format; and those that cannot work."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import gstreamer, media
from support.media import VideoSpec
from support.reading import drain, luma, pixels
from support.reading import read as read_video

from mpipeline.errors import ConfigError, Reason, SourceError, SourceHangs
from mpipeline.frame import PixelFormat
from mpipeline.sources import gstreamer_library, gstreamer_pipeline
from mpipeline.sources.video import VideoOptions, VideoSource

PLAIN = VideoSpec()
ODD = VideoSpec(width=326, height=182, frames=6)  # rows that are padded, here as well as in a ring


def failure(pipeline: str, **options: float) -> SourceError:
    error = drain(gstreamer.source(pipeline, **options)).error
    assert error is not None
    return error


def test_every_frame_of_a_file_once_and_as_the_other_kind_decodes_it() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    ours = gstreamer.source(gstreamer.of_file(media.video(PLAIN)))
    theirs = VideoSource("test", VideoOptions(uri=str(media.video(PLAIN))))
    try:
        info, _ = ours.open(), theirs.open()
        assert (info.live, info.width, info.height, info.rate, info.frame_count) == (False, 320, 180, 15.0, 30)
        assert "H.264" in info.codec
        assert ours.decoder == "avdec_h264 on the processor"
        for number in range(PLAIN.frames):
            frame, expected = ours.grab(), theirs.grab()
            assert frame is not None
            assert expected is not None
            assert frame.pts == pytest.approx(expected.pts)
            assert frame.format.pixel_format is PixelFormat.I420
            planes = pixels(ours, frame.format)
            assert media.frame_number(luma(frame.format, planes)) == number
            for plane, other in zip(planes, pixels(theirs, expected.format), strict=True):
                assert (plane == other).all()
        assert ours.grab() is None
        assert ours.decode_errors == 0
    finally:
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ("I420", PixelFormat.I420),
        ("NV12", PixelFormat.NV12),
        ("BGR", PixelFormat.BGR24),
        ("GRAY8", PixelFormat.GRAY8),
    ],
)
def test_each_format_with_padded_rows(caps: str, expected: PixelFormat) -> None:
    gstreamer.needs(*gstreamer.DECODING)
    rest = f"videoconvert ! video/x-raw,format={caps} ! appsink"
    reading = drain(gstreamer.source(gstreamer.of_file(media.video(ODD), rest)))

    assert reading.error is None
    assert reading.numbers == list(range(ODD.frames))
    assert {frame.format.pixel_format for frame in reading.frames} == {expected}


def test_the_colours_are_in_their_places() -> None:
    gstreamer.needs("videotestsrc")
    caps = "video/x-raw,format=BGR,width=33,height=17,framerate=15/1"
    source = gstreamer.source(
        f"videotestsrc num-buffers=1 pattern=solid-color foreground-color=0xff3264c8 ! {caps} ! appsink"
    )
    source.open()
    grabbed = source.grab()
    assert grabbed is not None
    (plane,) = pixels(source, grabbed.format)
    source.close()

    assert np.ptp(plane.reshape(17, 33, 3), axis=(0, 1)).max() == 0
    assert plane[0, :3].tolist() == pytest.approx([0xC8, 0x64, 0x32], abs=3)


def test_without_an_appsink_one_is_put_at_its_end() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    reading = drain(gstreamer.source(f"filesrc location={media.video(PLAIN)} ! decodebin"))

    assert reading.error is None
    assert reading.numbers == list(range(PLAIN.frames))


def test_an_appsink_that_would_drop_loses_no_frame_of_a_file() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    rest = "appsink drop=true max-buffers=1 sync=true"
    source = gstreamer.source(gstreamer.of_file(media.video(PLAIN), rest))
    assert len(drain(source).frames) == PLAIN.frames


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("nosuchsource ! appsink", "gst-inspect-1.0 nosuchsource"),
        ("filesrc location=a.mp4 ! nvv4l2decoder ! appsink", "nvidia-l4t-gstreamer"),
        ("videotestsrc colour=red ! appsink", "colour"),
        ("videotestsrc ! ! appsink", "cannot work"),
        ("audiotestsrc ! videoconvert ! appsink", "videoconvert"),
        ("appsink", "expected elements with '!' between them"),
        ("videotestsrc ! appsink videotestsrc ! appsink", "got 2 appsinks"),
        ("videotestsrc ! video/x-raw,format=RGBA ! appsink caps=video/x-raw", "put `videoconvert` before the appsink"),
        ("!", "cannot work"),
        ("rm -rf / ; ! é \U0001f600", "cannot work"),
    ],
)
def test_what_can_never_work_is_told_once_and_for_all(pipeline: str, told: str) -> None:
    gstreamer.needs("videotestsrc", "audiotestsrc", "videoconvert")
    error = failure(pipeline)

    assert not error.retryable
    assert error.reason is Reason.FAILED
    assert told in str(error)
    assert "'test'" in str(error)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    gstreamer.needs(*gstreamer.DECODING)
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    cases = {
        gstreamer.of_file(tmp_path / "none.mp4"): (Reason.NOT_FOUND,),
        f"filesrc location={text} ! decodebin": (Reason.NOT_A_VIDEO,),
        gstreamer.of_file(media.cut(media.video(PLAIN), 0.5)): (Reason.CORRUPT_DATA, Reason.NOT_A_VIDEO),
        f"filesrc location={media.sound_only()} ! qtdemux ! avdec_h264 ! appsink": (Reason.FAILED, Reason.NO_VIDEO),
        "videotestsrc num-buffers=0 ! appsink": (Reason.NO_VIDEO,),
    }
    for pipeline, reasons in cases.items():
        error = failure(pipeline)
        assert error.reason in reasons, error
        assert not error.retryable, error


def test_damage_is_counted_and_read_over() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    damaged = media.damaged(media.video(VideoSpec(frames=60)), flips=40)
    reading = drain(gstreamer.source(gstreamer.of_file(damaged)))
    other = read_video(damaged)

    assert reading.error is None
    assert len(reading.frames) >= 0.8 * len(other.frames)
    assert reading.decode_errors >= sum(frame.corrupt for frame in reading.frames)


def test_without_the_library_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'gi'")

    monkeypatch.setattr(gstreamer_library, "_pygobject", missing)
    error = failure(gstreamer.pattern(3))
    assert not error.retryable
    for word in ("No module named 'gi'", "apt-get install", "python3-gi", "pip install 'mpipeline[gstreamer]'"):
        assert word in str(error)
    with pytest.raises(ConfigError):
        gstreamer_library.load()


def test_an_element_that_hangs_is_left_behind_and_nothing_new_begins_beside_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gstreamer.needs("videotestsrc", "identity")
    monkeypatch.setattr(gstreamer_pipeline, "_STOP_S", 0.1)
    hanging = gstreamer.source(f"videotestsrc ! identity sleep-time={1_500_000} ! appsink", connect_timeout=0.3)
    with pytest.raises(SourceError) as caught:
        hanging.open()
    assert caught.value.reason is Reason.TIMEOUT
    with caplog.at_level(logging.WARNING, "mpipeline.source"):
        hanging.close()
    assert [record.event for record in caplog.records] == ["pipeline_hangs"]  # type: ignore[attr-defined]

    def opens(patience: float = 30.0) -> bool:
        following = gstreamer.source(gstreamer.pattern(1), connect_timeout=patience)
        try:
            following.open()
        except SourceHangs:
            return False
        finally:
            following.close()
        return True

    assert not opens(0.2)
    assert opens(), "what hung has ended meanwhile"


def test_exceptions_of_libraries_that_are_loaded_later_are_unwound_by_the_compilers_own_functions() -> None:
    gstreamer.needs()
    program = (
        "import ctypes; from mpipeline.sources.gstreamer_library import load; load(); "
        "names = (None, 'libgcc_s.so.1'); "
        "places = [ctypes.cast(ctypes.CDLL(name)._Unwind_Resume, ctypes.c_void_p).value for name in names]; "
        "assert places[0] == places[1], places"
    )
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_what_came_before_an_error_is_given_first() -> None:
    gstreamer.needs("videotestsrc", "identity")
    reading = drain(gstreamer.source(gstreamer.pattern(20).replace("! appsink", "! identity error-after=6 ! appsink")))
    assert reading.error is not None
    assert len(reading.frames) == 5
