"""Folders of pictures as sources: which pictures, in which order, and what becomes of those that are none."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.media import picture
from support.reading import Reading, drain

from mpipeline.errors import Reason, SourceError
from mpipeline.sources.images import ImagesOptions, ImagesSource


def source_of(uri: Path | str, **options: Any) -> ImagesSource:
    return ImagesSource("shots", ImagesOptions(uri=str(uri), **options))


def save(path: Path, number: int = 0, width: int = 160, height: int = 96) -> Path:
    """A picture whose number can be read back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture(number, width, height))
    return path


def numbered(folder: Path, *numbers: int, ending: str = "png") -> Path:
    for number in numbers:
        save(folder / f"shot{number}.{ending}", number)
    return folder


def read(uri: Path | str, **options: Any) -> Reading:
    return drain(source_of(uri, **options))


def test_two_comes_before_ten_and_other_files_are_left_out(tmp_path: Path) -> None:
    numbered(tmp_path, 1, 2, 10, 9, 100)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._shot3.png").write_text("what another system keeps beside a picture")
    save(tmp_path / "deeper" / "shot4.png", 4)
    reading = read(tmp_path)
    assert reading.error is None
    assert reading.numbers == [1, 2, 9, 10, 100]
    assert reading.info is not None
    assert (reading.info.live, reading.info.frame_count, reading.info.rate) == (False, 5, 1.0)


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "png", "bmp", "webp", "tif", "pgm"])
def test_kinds_of_pictures(tmp_path: Path, ending: str) -> None:
    assert read(numbered(tmp_path, 3, ending=ending)).numbers == [3]


def test_patterns(tmp_path: Path) -> None:
    for path, number in (("a/shot1.png", 1), ("a/b/shot2.png", 2), ("a/b/shot3.jpg", 3), ("shot4.png", 4)):
        save(tmp_path / path, number)
    assert read(tmp_path / "*.png").numbers == [4]
    assert read(tmp_path / "**" / "*.png").numbers == [2, 1, 4]
    assert read(tmp_path / "a" / "b" / "shot[23].*").numbers == [2, 3]


def test_a_single_picture_even_if_its_name_looks_like_a_pattern(tmp_path: Path) -> None:
    assert read(save(tmp_path / "shot[1].png", 5)).numbers == [5]


def test_the_rate_spaces_the_times(tmp_path: Path) -> None:
    reading = read(numbered(tmp_path, 1, 2, 3), rate=4)
    assert reading.pts == [0.0, 0.25, 0.5]


def test_sizes_may_differ(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1, 160, 96)
    save(tmp_path / "2.png", 2, 320, 181)
    formats = [frame.format for frame in read(tmp_path).frames]
    assert [(one.width, one.height) for one in formats] == [(160, 96), (320, 181)]


def test_pictures_stand_upright_and_have_three_channels_of_eight_bits(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "1.png"), np.full((96, 160), 40_000, np.uint16))
    assert cv2.imwrite(str(tmp_path / "2.png"), np.full((96, 160, 4), 200, np.uint8))
    jpeg = cv2.imencode(".jpg", picture(3, 160, 96))[1].tobytes()
    turned = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # 90 degrees
    (tmp_path / "3.jpg").write_bytes(jpeg[:2] + turned + jpeg[2:])
    formats = [frame.format for frame in read(tmp_path).frames]
    assert [(one.width, one.height) for one in formats] == [(160, 96), (160, 96), (96, 160)]


def test_one_that_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    numbered(tmp_path, 1, 2, 6)
    (tmp_path / "shot3.png").write_bytes((tmp_path / "shot1.png").read_bytes()[:200])
    (tmp_path / "shot4.png").write_bytes(b"")
    (tmp_path / "shot5.png").symlink_to(tmp_path / "gone.png")
    with caplog.at_level(logging.ERROR, "mpipeline.source"):
        reading = read(tmp_path)
    assert reading.numbers == [1, 2, 6]
    assert reading.pts == [0.0, 1.0, 5.0]  # the gap is seen
    assert reading.decode_errors == 3
    assert [os.path.basename(record.file) for record in caplog.records] == ["shot3.png", "shot4.png", "shot5.png"]  # type: ignore[attr-defined]
    assert reading.error is not None
    assert "3 of 6 pictures could not be read: shot3.png, shot4.png, shot5.png" in str(reading.error)
    assert (reading.error.reason, reading.error.retryable) == (Reason.CORRUPT_DATA, False)


def test_the_first_may_be_unreadable_too(tmp_path: Path) -> None:
    numbered(tmp_path, 2, 3)
    (tmp_path / "shot1.png").write_bytes(b"no picture")
    reading = read(tmp_path)
    assert reading.numbers == [2, 3]
    assert reading.error is not None


@pytest.mark.parametrize("made", [(), ("notes.txt",), ("1.png",)])
def test_without_a_picture_that_can_be_read_there_is_nothing_to_open(tmp_path: Path, made: tuple[str, ...]) -> None:
    for name in made:
        (tmp_path / name).write_text("no picture")
    with pytest.raises(SourceError, match="holds no picture" if made != ("1.png",) else "1 of 1 pictures") as caught:
        source_of(tmp_path).open()
    assert not caught.value.retryable


def test_what_is_not_there(tmp_path: Path) -> None:
    for uri in (tmp_path / "none", tmp_path / "none" / "*.png"):
        with pytest.raises(SourceError, match="no such file") as caught:
            source_of(uri).open()
        assert caught.value.reason is Reason.NOT_FOUND


def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(SourceError, match="1 of 1 pictures"):
        source_of(tmp_path / "1.png").open()


class TestSeek:
    def test_it_goes_on_behind_a_frame_without_reading_those_before(self, tmp_path: Path) -> None:
        source = source_of(numbered(tmp_path, *range(6)))
        source.open()
        assert source.seek(4, 3.0)
        (tmp_path / "shot2.png").unlink()
        assert drained(source) == [4, 5]

    def test_not_where_places_and_ids_differ(self, tmp_path: Path) -> None:
        (numbered(tmp_path, 1, 2, 3) / "shot1.png").write_bytes(b"no picture")
        source = source_of(tmp_path)
        source.open()
        assert not source.seek(1, 1.0)


def drained(source: ImagesSource) -> list[float | None]:
    found = []
    while (grabbed := source.grab()) is not None:
        found.append(grabbed.pts)
    return found
