"""A user's sink class for the `python` sink's tests."""

from __future__ import annotations

from pathlib import Path

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction


class Appending:
    """Adds a line to a file for each prediction."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("a").close()

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        with self.path.open("a") as file:
            file.write(f"{prediction.frame.source} {prediction.frame.frame_id} {frame is not None}\n")
