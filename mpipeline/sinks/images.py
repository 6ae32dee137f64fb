"""The `images` sink: pictures of what was found, the boxes cut out or the whole frames."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.errors import PredictionRejected
from mpipeline.frame import Frame, Pixels
from mpipeline.prediction import Detections, Prediction, origin
from mpipeline.sinks.paths import OutputPaths, checked_template, file_error, make_folder, remove, safe_name

_UNFINISHED = ".unfinished"
_NAME = re.compile(
    r"(?P<source>.+)-(?P<frame_id>\d{8,})-(?P<number>\d+)of(?P<count>\d+)-[^-]+(?:-(?P<model>.+))?"
    r"\.(?:jpg|png)(?P<cut>\.unfinished)?"
)
_LONGEST_CLASS = 60  # characters of a file name
_USUAL_RATE = 25.0  # Hz, for a stream that does not tell its own

Found = tuple[str, Pixels]  # class and picture


class ImagesOptions(BaseModel):
    """`path`: the folder; with `{source}` in it each source has a folder of its own.

    `what`: `crops`, a picture of each detection, or `frames`, one of each frame in which something was found.
    `max_fps`: pictures are taken of so many frames of a source in a second at most, at its nominal rate, of each model.
    `format`, and the `quality` of `jpg`, 1 to 100.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    what: Literal["crops", "frames"] = "crops"
    max_fps: float = Field(default=1.0, gt=0, le=1000)
    format: Literal["jpg", "png"] = "jpg"
    quality: int = Field(default=90, ge=1, le=100)

    @field_validator("path")
    @classmethod
    def _checked_path(cls, path: str) -> str:
        return checked_template(path.rstrip("/") or path)


class ImagesSink:
    """Saves pictures named `SOURCE-FRAMEID-1of3-CLASS.jpg`, where 1of3 counts those of this frame, or
    `SOURCE-FRAMEID-1of3-CLASS-MODEL.jpg`, where it counts those of this model.

    Each is written beside its place and renamed: a picture is whole or not there, and after a crash the names tell what
    was written. Frames in which nothing was found, that failed, or whose pixels had to be given up leave no picture.
    """

    Options = ImagesOptions
    wants_frames = True
    several_models = True

    def __init__(self, name: str, options: ImagesOptions) -> None:
        self.name = name
        self._options = options
        self._paths = OutputPaths(options.path)
        self._last: dict[str, int] = {}  # origin → frame id of its last pictures

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; reads what a predecessor saved, or removes the pictures of an earlier run."""
        self._paths.prepare()
        if not self._paths.per_source:
            make_folder(self._paths.path(""))
        written: dict[str, int] = {}
        for path in OutputPaths(f"{self._options.path}/{{source}}").existing():
            found = _NAME.fullmatch(path.name)
            if found is None or self._paths.path(found["source"]) != path.parent:
                continue  # a stranger
            if found["cut"] or not resume:
                remove(path)
                continue
            whose, frame_id = origin(found["source"], found["model"] or ""), int(found["frame_id"])
            if frame_id > self._last.get(whose, 0):
                self._last[whose], written[whose] = frame_id, frame_id - 1
            if frame_id == self._last[whose] and found["number"] == found["count"]:
                written[whose] = frame_id
        return {whose: last for whose, last in written.items() if last > 0}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Saves the pictures of a frame, unless the last ones of its origin are too near.

        After a failure all of them are saved again, in the same places.
        """
        meta, whose = prediction.frame, prediction.origin
        last, pause = self._last.get(whose, 0), (meta.rate or _USUAL_RATE) / self._options.max_fps
        if frame is None or (last and last < meta.frame_id < last + pause):
            return
        pictures = list(_pictures(prediction, frame, crops=self._options.what == "crops"))
        if not pictures:
            return
        folder = self._paths.claim(meta.source) if self._paths.per_source else self._paths.path(meta.source)
        make_folder(folder)
        start = f"{safe_name(meta.source)}-{meta.frame_id:08}"
        ending = f"-{prediction.model}.{self._options.format}" if prediction.model else f".{self._options.format}"
        for number, (name, pixels) in enumerate(pictures, 1):
            class_name = safe_name(name).replace("-", "_")[:_LONGEST_CLASS]
            self._save(folder / f"{start}-{number}of{len(pictures)}-{class_name}{ending}", pixels)
        self._last[whose] = meta.frame_id

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Nothing is kept open."""

    def _save(self, path: Path, pixels: Pixels) -> None:
        import cv2

        try:
            done, data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, self._options.quality])
        except cv2.error as error:
            raise PredictionRejected(f"{path.name} cannot be encoded: {error}") from error
        if not done:
            raise PredictionRejected(f"{path.name} cannot be encoded: a picture of {pixels.shape[1]}x{pixels.shape[0]}")
        made = path.with_name(path.name + _UNFINISHED)
        try:
            made.write_bytes(data.tobytes())
            made.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                made.unlink()
            raise file_error("write", path, error) from error


def _pictures(prediction: Prediction, frame: Frame, *, crops: bool) -> Iterator[Found]:
    """The pictures of a frame; of a classification always the whole frame."""
    names = prediction.class_names()
    if crops and prediction.detections is not None:
        if names:
            yield from _crops(prediction.detections, frame.bgr())
    elif names:
        yield "+".join(dict.fromkeys(names)), frame.bgr()


def _crops(found: Detections, picture: Pixels) -> Iterator[Found]:
    """What lies in each box, as far as that lies in the picture."""
    height, width = picture.shape[:2]
    for name, (x1, y1, x2, y2) in zip(found.class_name, found.xyxy.tolist(), strict=True):
        left, right = max(0, math.floor(x1)), min(width, math.ceil(x2))
        top, bottom = max(0, math.floor(y1)), min(height, math.ceil(y2))
        if left < right and top < bottom:
            yield name, picture[top:bottom, left:right]
