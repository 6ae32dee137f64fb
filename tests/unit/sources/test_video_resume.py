"""Going on behind a frame: equal to a reading from the start in every container, or refused with nothing changed."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support import media
from support.media import VideoSpec

from mpipeline.errors import Reason, SourceError
from mpipeline.frame import plane_views
from mpipeline.sources.video import VideoSource
from mpipeline.sources.video_open import VideoOptions

Read = list[tuple[object, ...]]

SEEKABLE = {
    "h264": VideoSpec(),
    "b-frames": VideoSpec(b_frames=3, options=(("preset", "fast"),)),
    "open groups": VideoSpec(b_frames=3, options=(("preset", "fast"), ("x264-params", "open-gop=1:bframes=3"))),
    "matroska": VideoSpec(suffix=".mkv", b_frames=2, options=(("preset", "fast"),)),
    "ts": VideoSpec(suffix=".ts", sound=True),
    "h265": VideoSpec(codec="libx265"),
    "h265 open groups": VideoSpec(
        codec="libx265",
        options=(("preset", "fast"), ("x265-params", "log-level=none:scenecut=0:open-gop=1:bframes=3")),
    ),
    "vp9": VideoSpec(suffix=".webm", codec="libvpx-vp9"),
    "av1": VideoSpec(codec="libsvtav1"),
    "mjpeg": VideoSpec(suffix=".avi", codec="mjpeg", pix_fmt="yuvj420p"),
    "mpeg4": VideoSpec(suffix=".avi", codec="mpeg4"),
    "variable rate": VideoSpec(variable_rate=True),
    "sideways, with sound": VideoSpec(rotation=90, sound=True),
    "fragments": VideoSpec(container_options=(("movflags", "frag_keyframe+empty_moov"),)),
}
REFUSED = {
    "one key frame": VideoSpec(gop=1000),
    "gradual refresh": VideoSpec(options=(("preset", "fast"), ("x264-params", "intra-refresh=1:keyint=10"))),
}


def source(path: Path, seek_from: int = 1, **options: object) -> VideoSource:
    # Several threads conceal damage as their timing has it, so that no two readings of a damaged file are equal.
    return VideoSource("gate", VideoOptions(uri=str(path), threads=1, **options), seek_from=seek_from)  # type: ignore[arg-type]


def rest_of(opened: VideoSource) -> Read:
    """All that is known of the frames that are left, and the reason that ends them."""
    frames: Read = []
    try:
        while (grabbed := opened.grab()) is not None:
            payload = np.zeros(grabbed.format.payload_bytes(), np.uint8)
            opened.retrieve(plane_views(grabbed.format, payload))
            frames.append((grabbed.pts, grabbed.corrupt, grabbed.key_frame, grabbed.format, zlib.crc32(payload)))
    except SourceError as error:
        frames.append((error.reason,))
    opened.close()
    return frames


@cache
def undisturbed(path: Path) -> Read:
    opened = source(path)
    opened.open()
    return rest_of(opened)


def pts_of(path: Path, frame_id: int) -> float:
    pts = undisturbed(path)[frame_id - 1][0]
    assert isinstance(pts, float)
    return pts


def unconcealed(frames: Read) -> Read:
    """Without the pixels of frames in which a decoder concealed damage, and of those that build upon them.

    What it puts there depends on what lay in its memory before, so that it cannot be promised.
    """
    kept, is_damaged = [], False
    for frame in frames:
        if len(frame) > 1:
            is_damaged = bool(frame[1]) or (is_damaged and not frame[2])
        kept.append(frame[:-1] if is_damaged else frame)
    return kept


def check(path: Path, frame_id: int) -> bool:
    """Seeks and compares; whether the seek was made."""
    opened = source(path)
    opened.open()
    sought = opened.seek(frame_id, pts_of(path, frame_id))
    errors = opened.decode_errors
    assert unconcealed(rest_of(opened)) == unconcealed(undisturbed(path))[frame_id if sought else 0 :]
    assert opened.decode_errors >= errors
    return sought


@pytest.mark.parametrize("name", SEEKABLE)
class TestEqualToAReadingFromTheStart:
    @pytest.mark.parametrize("frame_id", [20, 21, 25, 29, 30])
    def test_behind_the_second_key_frame(self, name: str, frame_id: int) -> None:
        path = media.video(SEEKABLE[name])
        assert len(undisturbed(path)) == 30
        sought = check(path, frame_id)
        assert sought or frame_id == 20  # the third key frame may be the one after

    def test_near_the_start_nothing_is_won(self, name: str) -> None:
        spec = SEEKABLE[name]
        sought = check(media.video(spec), 5)
        assert not sought or spec.codec == "mjpeg"  # where each frame is a key frame


@pytest.mark.parametrize("name", REFUSED)
def test_refused_where_it_cannot_be_promised(name: str) -> None:
    path = media.video(REFUSED[name])
    assert not check(path, 25)


def test_refused_below_the_number_of_frames_from_which_it_pays() -> None:
    path = media.video(VideoSpec(frames=60))
    for seek_from, frame_id, sought in ((30, 40, False), (30, 55, True), (100, 55, False)):
        opened = source(path, seek_from)
        opened.open()
        assert opened.seek(frame_id, pts_of(path, frame_id)) is sought
        opened.close()


def test_refused_for_another_pts_or_another_frame_id() -> None:
    path = media.video()
    for frame_id, pts in ((25, pts_of(path, 24)), (25, pts_of(path, 25) + 0.01), (24, pts_of(path, 25)), (31, 99.0)):
        opened = source(path)
        opened.open()
        assert not opened.seek(frame_id, pts)
        assert rest_of(opened) == undisturbed(path)


def test_refused_for_raw_streams_which_have_no_times() -> None:
    path = media.video(VideoSpec(suffix=".h264"))
    opened = source(path)
    opened.open()
    assert not opened.seek(25, 1.6)
    assert rest_of(opened) == undisturbed(path)


@pytest.mark.parametrize("options", [{"loop": True}, {"start": 0.2}])
def test_refused_where_frame_ids_do_not_begin_at_the_start(options: dict[str, object]) -> None:
    path = media.video()
    opened = source(path, **options)
    opened.open()
    assert not opened.seek(25, pts_of(path, 25))
    opened.close()


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(suffix: str, seed: int) -> None:
    path = media.damaged(media.video(VideoSpec(suffix=suffix, frames=60)), flips=6, seed=seed)
    for frame_id in range(15, len(undisturbed(path)) - 1, 7):
        check(path, frame_id)


def test_a_cut_file_ends_with_the_same_error() -> None:
    path = media.cut(media.video(VideoSpec(container_options=(("movflags", "faststart"),))), 0.9)
    assert undisturbed(path)[-1] == (Reason.TRUNCATED,)
    assert check(path, 21)


def test_frames_hidden_by_an_edit_list() -> None:
    path = media.shortened_by_edit_list(media.video(), 0.8)
    assert len(undisturbed(path)) < 30
    assert check(path, 23)


def test_timestamps_that_jump_back_are_refused_where_they_could_mislead() -> None:
    one, two = media.video(VideoSpec(suffix=".ts")), media.video(VideoSpec(suffix=".ts", first=30))
    path = media.derived(one, "twice", one.read_bytes() + two.read_bytes())
    assert len(undisturbed(path)) == 60
    assert check(path, 25)
    assert not check(path, 55)


def test_a_change_of_resolution() -> None:
    one, two = media.video(VideoSpec(suffix=".ts")), media.video(VideoSpec(suffix=".ts", width=640, height=360))
    path = media.derived(one, "grown", one.read_bytes() + two.read_bytes())
    for frame_id in (25, 45, 55):
        check(path, frame_id)


def test_an_errorless_seek_counts_no_errors() -> None:
    path = media.video()
    opened = source(path)
    opened.open()
    assert opened.seek(25, pts_of(path, 25))
    rest_of(opened)
    assert opened.decode_errors == 0
