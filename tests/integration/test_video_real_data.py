"""The real videos of MPIPELINE_TEST_DATA: exact frame counts, and acceptable ends of the broken ones."""

from __future__ import annotations

import pytest
from support.data import DATA, needs_data
from support.reading import read

from mpipeline.errors import Reason

pytestmark = needs_data

FRAMES = {
    "nvidia_Retail02_short.mp4": 603,
    "udacity_test_video_720p.mp4": 38,
    "udacity_solidWhiteRight.mp4": 221,
    "intel_one-by-one-person-detection.mp4": 1394,
    "intel_car-detection.mp4": 377,
    "intel_person-bicycle-car-detection.mp4": 459,
    "derived/retail_1080p30_h264.mp4": 300,
    "derived/retail_720p15_h264.mp4": 302,
    "derived/retail_360p15_h264.mp4": 302,
    "derived/retail_720p15_h265.mp4": 150,
    "derived/retail_360p15_h264.h264": 75,
    "derived/retail_360p15_h264.ts": 75,
    "derived/retail_360p15_mjpeg.avi": 75,
    "derived/retail_360p15_mpeg4.avi": 75,
    "derived/retail_360p15_vp9.webm": 45,
    "derived/retail_360p15_av1.mp4": 45,
    "derived/retail_360p_bframes_h264.mp4": 75,
    "derived/retail_360p15_faststart.mp4": 302,
    "derived/retail_641x361_444.mp4": 30,
    "derived/retail_gray.mp4": 30,
    "derived/retail_odd_642x362_h264.mp4": 30,
    "derived/retail_10bit_h265.mp4": 30,
    "derived/retail_vfr.mp4": 60,
    "derived/retail_1frame.mp4": 1,
    "derived/retail_reschange_640_to_1280.ts": 90,
    "derived/coco_tiny80_slideshow_640.mp4": 480,
}
# fewest and most frames, whether errors must have been counted
DAMAGED = {
    "bitflip_light.mp4": (302, 302, True),
    "bitflip_heavy.mp4": (299, 302, True),
    "bitflip_mjpeg.avi": (71, 75, True),
    "zero_hole.mp4": (285, 302, True),
    "bitflip.h264": (75, 75, True),
    "bitflip.ts": (75, 75, True),
    "ts_loss_5pct.ts": (73, 75, True),
    "starts_mid_gop.h264": (40, 60, False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_exact_frame_counts(name: str) -> None:
    reading = read(DATA / "videos" / name)

    assert reading.error is None
    assert len(reading.frames) == FRAMES[name]
    assert reading.decode_errors == 0
    times = [time for time in reading.pts if time is not None]
    assert times == sorted(set(times))


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_give_nearly_all_frames(name: str) -> None:
    fewest, most, are_counted = DAMAGED[name]

    reading = read(DATA / "videos/broken" / name)

    assert reading.error is None
    assert fewest <= len(reading.frames) <= most
    assert reading.frames[0].key_frame
    assert (reading.decode_errors > 0) or not are_counted


@pytest.mark.parametrize("name", ["empty.mp4", "header_only.mp4", "moov_missing.mp4", "text.mp4"])
def test_what_is_no_video(name: str) -> None:
    error = read(DATA / "videos/broken" / name).error

    assert error is not None
    assert (error.reason, error.retryable) == (Reason.NOT_A_VIDEO, False)
    assert name in str(error)


def test_a_file_that_was_cut_off() -> None:
    reading = read(DATA / "videos/broken/truncated_faststart.mp4")

    assert len(reading.frames) == 150
    assert reading.error is not None
    assert reading.error.reason is Reason.TRUNCATED


def test_sound_only() -> None:
    error = read(DATA / "videos/derived/audio_only.mp4").error

    assert error is not None
    assert error.reason is Reason.NO_VIDEO


def test_the_change_of_resolution() -> None:
    frames = read(DATA / "videos/derived/retail_reschange_640_to_1280.ts").frames

    assert [frame.format.width for frame in frames] == [640] * 30 + [1280] * 30 + [640] * 30
