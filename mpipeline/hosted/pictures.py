"""Pictures that a program gives a model: arrays, or files that are read upright."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mpipeline.clock import SystemClock
from mpipeline.errors import ConfigError
from mpipeline.frame import Frame, FrameMeta, Pixels

Picture = Pixels | str | Path


def as_list(pictures: Any) -> list[Picture]:
    """One picture, or several, as a list."""
    return list(pictures) if isinstance(pictures, (list, tuple)) else [pictures]


def frame_of(picture: Picture, source: str, number: int) -> Frame:
    """The frame of a picture. Raises ConfigError for what is none."""
    clock = SystemClock()
    pixels = _read(Path(picture)) if isinstance(picture, (str, Path)) else _checked(picture)
    height, width = pixels.shape[:2]
    meta = FrameMeta(source, number, None, clock.monotonic_ns(), clock.wall_ns(), width, height)
    return Frame.from_bgr(meta, pixels)


def _checked(picture: Any) -> Pixels:
    expected = "expected an array (height, width, 3) of uint8 in BGR order, or the path of a picture"
    if not isinstance(picture, np.ndarray):
        raise ConfigError(f"{type(picture).__name__} is no picture; {expected}")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise ConfigError(f"an array {picture.shape} of {picture.dtype} is no picture; {expected}")
    return picture


def _read(path: Path) -> Pixels:
    import cv2

    if not path.is_file():
        raise ConfigError(f"{path}: there is no such picture")
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ConfigError(f"{path}: the picture cannot be read: {error.strerror}") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        raise ConfigError(f"{path}: is no picture, or is cut off")
    return np.asarray(pixels, np.uint8)
