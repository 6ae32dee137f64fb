"""Resuming in the real videos of MPIPELINE_TEST_DATA: equal in every pixel to a reading from the start."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from support.data import DATA, needs_data

from mpipeline.errors import SourceError
from mpipeline.frame import plane_views
from mpipeline.sources.video import VideoSource
from mpipeline.sources.video_open import VideoOptions

pytestmark = needs_data

AHEAD = 30  # frames that are compared behind each resume point
# Whether a seek must be made somewhere: not in files with a single key frame, without times, or damaged before it.
# Of the damaged files those are left out whose concealed pixels differ from reading to reading without being marked.
VIDEOS = {
    "intel_one-by-one-person-detection.mp4": True,
    "intel_car-detection.mp4": True,
    "intel_person-bicycle-car-detection.mp4": True,
    "udacity_solidWhiteRight.mp4": True,
    "derived/coco_tiny80_slideshow_640.mp4": True,
    "derived/retail_360p15_h264.mp4": True,
    "derived/retail_360p15_h264.ts": True,
    "derived/retail_720p15_h265.mp4": True,
    "derived/retail_360p15_mjpeg.avi": True,
    "derived/retail_360p15_mpeg4.avi": True,
    "derived/retail_360p15_faststart.mp4": True,
    "derived/retail_reschange_640_to_1280.ts": True,
    "derived/retail_360p_bframes_h264.mp4": False,
    "derived/retail_360p15_h264.h264": False,
    "derived/retail_360p15_vp9.webm": False,
    "derived/retail_360p15_av1.mp4": False,
    "derived/retail_vfr.mp4": False,
    "broken/truncated_faststart.mp4": True,
    "broken/zero_hole.mp4": True,
    "broken/bitflip.h264": False,
}


def opened(name: str) -> VideoSource:
    # One thread: several conceal damage as their timing has it, so that no two readings of a damaged file are equal.
    threads = 1 if name.startswith("broken") else 0
    source = VideoSource("gate", VideoOptions(uri=str(DATA / "videos" / name), threads=threads), seek_from=1)
    source.open()
    return source


def frames(source: VideoSource, most: int = 1_000_000) -> list[tuple[object, ...]]:
    """Up to `most` frames, with a checksum of their pixels; closes."""
    found: list[tuple[object, ...]] = []
    try:
        while len(found) < most and (grabbed := source.grab()) is not None:
            payload = np.zeros(grabbed.format.payload_bytes(), np.uint8)
            source.retrieve(plane_views(grabbed.format, payload))
            found.append((grabbed.pts, grabbed.corrupt, grabbed.key_frame, grabbed.format, zlib.crc32(payload)))
    except SourceError as error:
        found.append((error.reason,))
    source.close()
    return found


@pytest.mark.parametrize("name", VIDEOS)
def test_equal_to_a_reading_from_the_start(name: str) -> None:
    everything = frames(opened(name))
    shown = [one for one in everything if len(one) > 1]
    sought = []
    for frame_id in sorted({len(shown) * share // 100 for share in (15, 50, 85, 99)}):
        pts = shown[frame_id - 1][0]
        source = opened(name)
        sought.append(isinstance(pts, float) and source.seek(frame_id, pts))
        begin = frame_id if sought[-1] else 0
        assert frames(source, AHEAD) == everything[begin : begin + AHEAD], frame_id
    assert any(sought) == VIDEOS[name]
