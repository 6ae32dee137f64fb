"""A user's sink class for the `python` sink's tests."""

from __future__ import annotations

from pathlib import Path

from support.detectors import Fingerprint

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


class Matching:
    """Adds a line for each prediction of a fingerprint: whose it is, and whether the pixels are those it is of."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        self._add(prediction.frame.source, prediction.model, prediction.frame.frame_id, self._judged(prediction, frame))

    def end(self, source: str) -> None:
        self._add(source, "-", 0, "end")

    def _add(self, *words: object) -> None:
        with self.path.open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    @staticmethod
    def _judged(prediction: Prediction, frame: Frame | None) -> str:
        if frame is None:
            return "none"
        box, (found,) = Fingerprint.box(frame), prediction.records()
        same = all(abs(box[key] - found[key]) < 0.002 for key in ("x", "y"))
        return (
            "right" if same and found["class"] == {"people": "frame", "faces": "other"}[prediction.model] else "wrong"
        )
