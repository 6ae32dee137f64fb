"""A user's sink with a fault that only a kill shows: it says that a frame is done before it is on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction

_AT_ONCE = 100


class Forgetful:
    """Keeps lines in memory until there are a hundred of them."""

    wants_frames = False

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.waiting: list[dict[str, Any]] = []

    def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("a").close()

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        self.waiting.append({"source": prediction.frame.source, "frame_id": prediction.frame.frame_id})
        if len(self.waiting) >= _AT_ONCE:
            self.close()

    def close(self) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.waiting)
        self.waiting.clear()
