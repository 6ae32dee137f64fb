"""When predictions come to a sink: the sink that notes it, and the reader of its notes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction


class Arrival(NamedTuple):
    """One prediction at the sink. Times are of the monotonic clock, in ns."""

    source: str
    frame_id: int
    captured_ns: int
    arrived_ns: int
    decode_us: int


class Notes:
    """A `python` sink that writes one line a prediction."""

    wants_frames = False

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, resume: bool) -> None:
        """Goes on behind what is there."""
        self._file = open(self._path, "a", buffering=1, encoding="ascii")  # noqa: SIM115  (closed by `close`)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Notes the moment."""
        meta = prediction.frame
        now_ns = time.monotonic_ns()
        self._file.write(f"{meta.source} {meta.frame_id} {meta.captured_ns} {now_ns} {meta.decode_us}\n")

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class Reader:
    """Reads the notes while they are written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def fresh(self) -> list[Arrival]:
        """What has come since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        rows = (line.split() for line in whole.decode("ascii").splitlines())
        return [Arrival(source, *map(int, numbers)) for source, *numbers in rows]
