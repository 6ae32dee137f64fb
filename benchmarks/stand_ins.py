"""Stand-ins for models and sinks, to measure what lies around them: idle, taking notes, or slow.

They are named in configs as "stand_ins:Nothing" and so on, with this folder on the path.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from support import media

from mpipeline.frame import Frame, Pixels
from mpipeline.prediction import Prediction

STRIP = 48  # rows at the upper edge of a picture, of which the upper third bears the bar code of `support.media`
NOTES, PER_FRAME_S = "BENCHMARK_MODEL_NOTES", "BENCHMARK_MODEL_SECONDS"  # in the environment, of `Noted`


def number_of(luma: Pixels) -> int:
    """The number that is painted into a picture, given its luma, shape (height, width); -1 if there is none."""
    number = media.frame_number(luma[:STRIP])
    return -1 if number is None else number


class Nothing:
    """Looks at no pixel, finds nothing."""

    names = ()

    def infer(self, frames: Sequence[Frame]) -> list[list[Any]]:
        """Nothing for each frame."""
        return [[] for _ in frames]


class SlowSink:
    """A `python` sink that looks at the pixels and takes its time."""

    wants_frames = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Takes its time."""
        if frame is not None:
            frame.bgr()
        time.sleep(self._seconds)


class Call(NamedTuple):
    """One frame's call of `Noted`. `number` is the one painted into the picture, -1 if it cannot be read."""

    source: str
    frame_id: int
    number: int
    begun_ns: int
    ended_ns: int


class Noted(Nothing):
    """Reads the number that is painted into each picture, and notes it with the times of the call.

    It sleeps for as long as the environment says, for each frame: a model that computes elsewhere.
    """

    def __init__(self) -> None:
        self._file = open(os.environ[NOTES], "a", encoding="ascii")  # noqa: SIM115  (closed with the process)
        self._pause_s = float(os.environ.get(PER_FRAME_S, "0"))

    def infer(self, frames: Sequence[Frame]) -> list[list[Any]]:
        """Nothing for each frame."""
        begun = time.monotonic_ns()
        numbers = [number_of(frame.planes[0]) for frame in frames]
        time.sleep(self._pause_s * len(frames))
        ended = time.monotonic_ns()
        for frame, number in zip(frames, numbers, strict=True):
            self._file.write(f"{frame.meta.source} {frame.meta.frame_id} {number} {begun} {ended}\n")
        self._file.flush()
        return super().infer(frames)


def calls(path: Path) -> list[Call]:
    """What `Noted` has noted."""
    if not path.exists():
        return []
    whole = path.read_bytes()
    rows = (line.split() for line in whole[: whole.rfind(b"\n") + 1].decode("ascii").splitlines())
    return [Call(source, *map(int, numbers)) for source, *numbers in rows]
