"""Detectors for `model: {target: "support.detectors:Name"}`: quick, and the same for the same pixels."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpipeline.frame import Frame


class Fingerprint:
    """One box whose numbers are a checksum of the frame's planes: equal pixels, equal prediction."""

    names = ("frame",)

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        return [[self.box(frame)] for frame in frames]

    @staticmethod
    def box(frame: Frame) -> dict[str, Any]:
        """The box of one frame."""
        checksum = 0
        for plane in frame.planes:
            checksum = zlib.crc32(plane.tobytes(), checksum)
        x, y = 16 + checksum % 997 / 64, 16 + checksum // 997 % 997 / 64
        return {"x": x, "y": y, "width": 16, "height": 16, "confidence": 0.5, "class_id": 0}


class Leisurely(Fingerprint):
    """A fingerprint that takes its time, so that a test can strike while frames flow."""

    pause_s = 0.004

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        time.sleep(self.pause_s * len(frames))
        return super().infer(frames)


class Held(Fingerprint):
    """A fingerprint that takes much time for each frame until there is a file named `go`."""

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        for _ in frames:
            if not Path("go").exists():
                time.sleep(0.03)
        return super().infer(frames)


class Overloaded(Leisurely):
    """So slow that a live source must drop frames."""

    pause_s = 0.2


class Poisoned(Fingerprint):
    """Fails on a batch that has a frame with a number divisible by seven."""

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        if any(frame.meta.frame_id % 7 == 0 for frame in frames):
            raise ValueError("seven is poison")
        return super().infer(frames)


class Broken:
    """Cannot be opened."""

    def open(self) -> None:
        raise OSError("the accelerator is missing")

    def infer(self, frames: Sequence[Frame]) -> list[Any]:
        return [[] for _ in frames]


class Dying(Fingerprint):
    """Takes its process with it at the first frame, as a driver's fault would."""

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        os.abort()


class Stuck(Fingerprint):
    """Makes a file named `stuck` at its first frame and never returns."""

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        Path("stuck").touch()
        while True:
            time.sleep(1.0)


class Other(Fingerprint):
    """A second model: the same checksum, of another class."""

    names = ("other",)


class Unhurried(Other):
    """Another model that takes its time."""

    pause_s = 0.004

    def infer(self, frames: Sequence[Frame]) -> list[list[dict[str, Any]]]:
        time.sleep(self.pause_s * len(frames))
        return super().infer(frames)


class Sluggish(Unhurried):
    """Another model that is so slow that a live source must drop frames."""

    pause_s = 0.2


class Reluctant(Other):
    """Is not open as long as there is a file named `closed`."""

    def open(self) -> None:
        while Path("closed").exists():
            time.sleep(0.02)
