"""Cameras as users write them, for sources of the kind `python`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from support import media


class Clip:
    """Numbered pictures, `count` of them, as a file gives them."""

    def __init__(self, count: int = 30, channels: int = 3, rate: float = 15.0) -> None:
        self.count, self.channels, self.rate = count, channels, rate
        self.number = 0
        self.closed = 0

    def open(self) -> Mapping[str, Any] | None:
        return {"live": False, "rate": self.rate, "frame_count": self.count}

    def grab(self) -> Any:
        if self.number == self.count:
            return False
        self.number += 1
        return True

    def retrieve(self) -> Any:
        luma: npt.NDArray[np.uint8] = media.picture(self.number - 1, 160, 96)
        return luma if self.channels == 1 else np.repeat(luma[:, :, None], 3, axis=2)

    def close(self) -> None:
        self.closed += 1


class Hanging(Clip):
    """A live one that gives seven frames at its own pace, and never an eighth."""

    def open(self) -> Mapping[str, Any] | None:
        return {"rate": self.rate}

    def grab(self) -> Any:
        threading.Event().wait(0.3 if self.number < 7 else None)
        return super().grab()


class Failing(Clip):
    """A live one whose cable is loose: each connection gives three frames."""

    def open(self) -> Mapping[str, Any] | None:
        return None

    def grab(self) -> Any:
        if self.number == 3:
            raise ConnectionError("the cable is loose")
        return super().grab()
