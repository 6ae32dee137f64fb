"""Playlists as sources: one numbering and one time through all files, and what becomes of those that are missing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support import media
from support.media import VideoSpec
from support.reading import Reading, drain

from mpipeline.errors import Reason, SourceError
from mpipeline.sources.playlist import PlaylistSource
from mpipeline.sources.playlist_files import PlaylistOptions

FIRST = VideoSpec(frames=20, b_frames=2)
SECOND = VideoSpec(frames=15, first=20, suffix=".mkv", width=160, height=96)
THIRD = VideoSpec(frames=10, first=35, suffix=".ts")  # its times begin at 1.4 seconds
ALL = [media.video(spec) for spec in (FIRST, SECOND, THIRD)]


def source_of(*files: Path | str, **options: Any) -> PlaylistSource:
    return PlaylistSource("list", PlaylistOptions(uris=tuple(map(str, files)), **options), seek_from=3)


def read(*files: Path | str, **options: Any) -> Reading:
    return drain(source_of(*files, **options))


def test_numbers_and_times_go_on_from_file_to_file() -> None:
    reading = read(*ALL)
    assert reading.error is None
    assert reading.numbers == list(range(45))
    assert reading.pts == pytest.approx([number / 15 for number in range(45)], abs=0.002)
    assert reading.info is not None
    assert not reading.info.live
    assert {(frame.format.width, frame.format.height) for frame in reading.frames} == {(320, 180), (160, 96)}


def test_a_list_names_files_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "one.mp4").symlink_to(ALL[0])
    path = tmp_path / "shop.m3u"
    path.write_text(f"\ufeff#EXTM3U\n#EXTINF:2,one\ndeeper/one.mp4\n\n{ALL[1]}\r\nfile://{ALL[2]}\n", encoding="utf-8")
    reading = drain(PlaylistSource("list", PlaylistOptions(uri=str(path))))
    assert reading.numbers == list(range(45))


@pytest.mark.parametrize("frame_id", [1, 5, 19, 20, 21, 30, 35, 36, 44, 45])
def test_a_seek_across_files_changes_nothing_in_what_follows(frame_id: int) -> None:
    everything = read(*ALL)
    source = source_of(*ALL)
    source.open()
    pts = everything.pts[frame_id - 1]
    assert pts is not None
    assert source.seek(frame_id, pts)
    rest = []
    while (grabbed := source.grab()) is not None:
        rest.append((grabbed.pts, grabbed.key_frame))
    source.close()
    assert rest == [(frame.pts, frame.key_frame) for frame in everything.frames[frame_id:]]
    assert source.decode_errors == 0


def test_a_file_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.m3u").write_text("gone.mp4\nlost.mp4\n")
    for source in (
        source_of(ALL[0], tmp_path / "gone.mp4", tmp_path / "lost.mp4"),
        PlaylistSource("list", PlaylistOptions(uri=str(tmp_path / "list.m3u"))),
    ):
        with pytest.raises(SourceError, match=r"gone\.mp4, .*lost\.mp4") as caught:
            source.open()
        assert (caught.value.reason, caught.value.retryable) == (Reason.NOT_FOUND, False)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_is_damaged_is_told_and_the_rest_goes_on(place: int, caplog: pytest.LogCaptureFixture) -> None:
    files = list(ALL)
    files[place] = media.derived(ALL[place], "rubbish", b"no video" * 1000)
    with caplog.at_level(logging.ERROR, "mpipeline.source"):
        reading = read(*files)
    lengths = [20, 15, 10]
    assert len(reading.frames) == 45 - lengths[place]
    told = [record for record in caplog.records if record.name == "mpipeline.source"]
    assert [record.reason for record in told] == ["not_a_video"]  # type: ignore[attr-defined]
    assert reading.error is not None
    assert "1 of 3 files could not be read to their end" in str(reading.error)
    assert files[place].name in str(reading.error)
    assert (reading.error.reason, reading.error.retryable) == (Reason.NOT_A_VIDEO, False)


def test_one_that_is_cut_off_gives_what_it_has() -> None:
    cut = media.cut(media.video(VideoSpec(frames=40, suffix=".mkv")), 0.7)
    reading = read(ALL[0], cut, ALL[2])
    assert 20 + 10 < len(reading.frames) < 20 + 40 + 10
    assert reading.numbers[-10:] == list(range(35, 45))
    times = [pts for pts in reading.pts if pts is not None]
    assert times == sorted(times)
    assert reading.error is not None
    assert reading.error.reason is Reason.TRUNCATED


def test_nothing_that_can_be_read_is_an_error_of_opening(tmp_path: Path) -> None:
    rubbish = media.derived(ALL[0], "rubbish", b"no video" * 1000)
    with pytest.raises(SourceError, match="2 of 2 files"):
        source_of(rubbish, rubbish).open()
    (tmp_path / "empty.m3u").write_text("#EXTM3U\n")
    with pytest.raises(SourceError, match="lists no file"):
        PlaylistSource("list", PlaylistOptions(uri=str(tmp_path / "empty.m3u"))).open()
    with pytest.raises(SourceError, match="cannot open") as caught:
        PlaylistSource("list", PlaylistOptions(uri=str(tmp_path / "none.m3u"))).open()
    assert caught.value.reason is Reason.NOT_FOUND


def test_what_lists_an_address_of_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "list.m3u").write_text("gopher://host/a.mp4\n")
    with pytest.raises(SourceError, match=r"lists what cannot be read.*gopher"):
        PlaylistSource("list", PlaylistOptions(uri=str(tmp_path / "list.m3u"))).open()


def test_a_look_before_the_start_is_for_files_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u"
    for text, expected in (("a.mp4\nfile:///b.mp4\n", True), ("a.mp4\nhttp://host/b.mp4\n", False)):
        path.write_text(text)
        assert PlaylistOptions(uri=str(path)).is_on_disk is expected
        assert PlaylistOptions(uris=tuple(text.split())).is_on_disk is expected
    assert PlaylistOptions(uri=str(tmp_path / "none.m3u")).is_on_disk


def test_every_file_is_decoded_as_the_options_say() -> None:
    reading = read(*ALL, decode={"keyframes_only": True})
    assert reading.numbers == [0, 10, 20, 30, 35]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either uri"),
        ({"uri": "a.m3u", "uris": ["a.mp4"]}, "either uri"),
        ({"uris": ["a.mp4", "rtsp://host/b"]}, "live stream"),
        ({"uris": ["a.mp4", "gopher://host/b"]}, "unknown scheme"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PlaylistOptions(**options)
