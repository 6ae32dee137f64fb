"""Damaged files: what can be decoded is delivered, errors are counted, and a missing part is told."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

import pytest
from support import media
from support.media import VideoSpec
from support.reading import read

from mpipeline.errors import Reason


def _in_order(numbers: list[int | None]) -> bool:
    known = [number for number in numbers if number is not None]
    return known == sorted(set(known))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.NOT_A_VIDEO),
        (b"this is a text, not a video\n" * 40, Reason.NOT_A_VIDEO),
        (bytes(4096), Reason.NOT_A_VIDEO),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41", Reason.NOT_A_VIDEO),
    ],
    ids=["empty", "text", "zeros", "header_only"],
)
def test_what_is_no_video_fails_at_open_and_names_the_file(tmp_path: Path, content: bytes, reason: Reason) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)

    error = read(path).error

    assert error is not None
    assert error.reason is reason
    assert not error.retryable
    assert str(path) in str(error)


def test_an_index_that_is_missing_fails_at_open() -> None:
    error = read(media.cut(media.video(), 0.5)).error  # the index of a plain MP4 is at its end

    assert error is not None
    assert error.reason is Reason.NOT_A_VIDEO
    assert "moov" in str(error)


def test_sound_only() -> None:
    error = read(media.sound_only()).error

    assert error is not None
    assert error.reason is Reason.NO_VIDEO
    assert not error.retryable
    assert "sound_only.mp4" in str(error)
    assert "audio" in str(error)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    folder, missing = read(tmp_path).error, read(tmp_path / "none.mp4").error

    assert folder is not None
    assert (folder.reason, folder.retryable) == (Reason.NOT_A_VIDEO, False)
    assert missing is not None
    assert (missing.reason, missing.retryable) == (Reason.NOT_FOUND, False)


FASTSTART = (("movflags", "faststart"),)


@pytest.mark.parametrize(
    "spec",
    [
        VideoSpec(frames=90, gop=15, container_options=FASTSTART),
        VideoSpec(frames=90, gop=15, container_options=FASTSTART, sound=True),
        VideoSpec(suffix=".mkv", frames=90, gop=15),
        VideoSpec(suffix=".webm", codec="libvpx-vp9", frames=90, gop=15),
        VideoSpec(suffix=".flv", frames=90, gop=15),
        VideoSpec(suffix=".avi", codec="mpeg4", frames=90, gop=15),
    ],
    ids=["mp4", "mp4_with_sound", "matroska", "webm", "flv", "avi"],
)
def test_a_file_cut_short_gives_its_frames_and_then_says_so(spec: VideoSpec) -> None:
    reading = read(media.cut(media.video(spec), 0.6))

    assert reading.error is not None
    assert reading.error.reason is Reason.TRUNCATED
    assert not reading.error.retryable
    assert 30 < len(reading.frames) < 80
    whole = reading.numbers[:-1]  # the last picture may lack its lower part
    assert whole == list(range(len(whole)))


def test_a_cut_file_that_starts_late_is_still_told() -> None:
    spec = VideoSpec(frames=90, gop=15, container_options=FASTSTART)

    reading = read(media.cut(media.video(spec), 0.6), start=2.0)

    assert reading.numbers[0] == 30
    assert reading.error is not None
    assert reading.error.reason is Reason.TRUNCATED


@pytest.mark.parametrize("suffix", [".ts", ".h264"])
def test_containers_that_promise_nothing_end_well_wherever_they_are_cut(suffix: str) -> None:
    reading = read(media.cut(media.video(VideoSpec(suffix=suffix, frames=60)), 0.5))

    assert reading.error is None
    assert 15 < len(reading.frames) < 50


@pytest.mark.parametrize(
    "spec",
    [
        VideoSpec(frames=90),
        VideoSpec(frames=90, suffix=".h264"),
        VideoSpec(frames=90, suffix=".ts"),
        VideoSpec(frames=90, suffix=".mkv"),
        VideoSpec(frames=90, codec="libx265"),
        VideoSpec(frames=90, suffix=".avi", codec="mjpeg", pix_fmt="yuvj420p"),
        VideoSpec(frames=90, suffix=".avi", codec="mpeg4"),
        VideoSpec(frames=90, suffix=".webm", codec="libvpx-vp9"),
    ],
    ids=["mp4", "raw", "ts", "mkv", "h265", "mjpeg", "mpeg4", "vp9"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_damage_costs_few_frames(spec: VideoSpec, seed: int) -> None:
    reading = read(media.damaged(media.video(spec), flips=20, seed=seed))

    assert len(reading.frames) >= 70
    assert len(reading.frames) <= 90
    if spec.codec in ("libx264", "mjpeg", "mpeg4"):  # the arithmetic coders of H.265 and VP9 seldom notice
        assert reading.decode_errors > 0 or any(frame.corrupt for frame in reading.frames)
    assert reading.error is None or reading.error.reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    "spec",
    [
        VideoSpec(suffix=".h264", frames=60, gop=20),
        VideoSpec(suffix=".ts", frames=60, gop=20),
        VideoSpec(suffix=".h265", codec="libx265", frames=60, gop=20),
        VideoSpec(suffix=".m4v", codec="mpeg4", frames=60, gop=20),
    ],
    ids=["h264", "ts", "h265", "mpeg4"],
)
def test_nothing_is_shown_before_the_first_key_frame(spec: VideoSpec) -> None:
    reading = read(media.without_head(media.video(spec), 0.2))

    assert reading.frames[0].key_frame
    assert reading.numbers[0] in (20, 40)
    assert reading.numbers == list(range(reading.numbers[0], 60))


def test_a_stream_of_nothing_but_damage_ends_with_an_error(tmp_path: Path) -> None:
    import random

    path = media.video(VideoSpec(suffix=".ts"))
    data = bytearray(path.read_bytes())
    rng = random.Random(1)
    for place in range(188 * 3, len(data)):
        if place % 188 > 20:
            data[place] = rng.randrange(256)
    broken = tmp_path / "noise.ts"
    broken.write_bytes(bytes(data))

    reading = read(broken)

    assert reading.frames == []
    assert reading.error is not None
    assert reading.error.reason in (Reason.CORRUPT_DATA, Reason.NOT_A_VIDEO, Reason.NO_VIDEO)


def test_ffmpeg_says_nothing_on_the_terminal_nor_in_the_programs_log(capfd: pytest.CaptureFixture[str]) -> None:
    path = media.damaged(media.video(VideoSpec(frames=90)), flips=20)
    heard = logging.handlers.BufferingHandler(1000)
    logging.getLogger().addHandler(heard)
    capfd.readouterr()

    try:
        reading = read(path)
    finally:
        logging.getLogger().removeHandler(heard)

    assert reading.decode_errors > 0
    assert capfd.readouterr() == ("", "")
    assert heard.buffer == []
