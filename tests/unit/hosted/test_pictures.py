"""Pictures from programs: arrays and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mpipeline.errors import ConfigError
from mpipeline.hosted.pictures import as_list, frame_of


def picture(width: int = 6, height: int = 4) -> Any:
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)


def test_an_array() -> None:
    frame = frame_of(picture(), "model", 7)
    assert (frame.meta.width, frame.meta.height, frame.meta.frame_id, frame.meta.source) == (6, 4, 7, "model")
    assert np.array_equal(frame.bgr(), picture())


def test_an_array_that_is_a_part_of_another() -> None:
    part = picture(20, 20)[3:9, 2:12]
    assert np.array_equal(frame_of(part, "m", 1).bgr(), part)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "ein Bild ü.png"
    path.write_bytes(cv2.imencode(".png", picture())[1].tobytes())
    assert np.array_equal(frame_of(kind(path), "m", 1).bgr(), picture())


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        b"bytes",
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="is no picture; expected an array"):
        frame_of(wrong, "m", 1)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.jpg: "):
        frame_of(path, "m", 1)


def test_one_or_several() -> None:
    assert len(as_list(picture())) == 1
    assert len(as_list("a.png")) == 1
    assert as_list(("a.png", "b.png")) == ["a.png", "b.png"]
    assert as_list([]) == []
