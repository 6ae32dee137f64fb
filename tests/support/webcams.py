"""Webcams that are not there: a preloaded library shows them to OpenCV, which reads them as it reads real ones.

What they show are frames with a white bar that moves to the right; see webcams.c for the faults.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

_FILES = [Path(__file__).with_name(name) for name in ("webcams.c", "webcams_calls.c")]
_PICTURES = 12

Mode = tuple[str, int, int, int]  # fourcc, width, height, rate
SMALL: Mode = ("YUYV", 160, 96, 15)
SMALL_JPEG: Mode = ("MJPG", 160, 96, 15)
LARGE_JPEG: Mode = ("MJPG", 320, 180, 15)
HD_JPEG: Mode = ("MJPG", 1280, 720, 15)


def are_here() -> bool:
    """Whether this process sees the cameras of a `Webcams`."""
    return "MPIPELINE_TEST_WEBCAMS" in os.environ


class Webcams:
    """Cameras of a folder. `environment` makes a command and all its children see them."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("there is no C compiler to build the stand-in for webcams")
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "webcams.so"
        arguments = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-o", library, *_FILES, "-ldl", "-lpthread"]
        subprocess.run([compiler, *arguments], check=True)
        self.folder = folder
        self.environment = {"LD_PRELOAD": str(library), "MPIPELINE_TEST_WEBCAMS": str(folder)}

    def add(self, number: int, *modes: Mode) -> None:
        """Makes /dev/videoNUMBER a camera that offers these modes; it begins in the first."""
        lines = [
            f"{fourcc} {width} {height} {rate} {self._pictures(fourcc, width, height)}\n"
            for fourcc, width, height, rate in modes or (SMALL,)
        ]
        (self.folder / f"{number}.camera").write_text("".join(lines))

    def begin(self, number: int, fault: str) -> None:
        """From now on the camera has this fault."""
        (self.folder / f"{number}.{fault}").touch()

    def end(self, number: int, fault: str) -> None:
        """It has it no more."""
        (self.folder / f"{number}.{fault}").unlink()

    def was_opened(self, number: int) -> bool:
        """Whether anybody has opened it so far."""
        return (self.folder / f"{number}.opened").exists()

    def _pictures(self, fourcc: str, width: int, height: int) -> Path:
        path = self.folder / f"{fourcc}-{width}x{height}"
        if not path.exists():
            images = (_picture(number, width, height) for number in range(_PICTURES))
            encoded = [_encoded(fourcc, image) for image in images]
            path.write_bytes(b"".join(struct.pack("<I", len(one)) + one for one in encoded))
        return path


def _picture(number: int, width: int, height: int) -> np.ndarray:
    image = np.full((height, width, 3), 40, np.uint8)
    step = width // _PICTURES
    image[:, number * step : (number + 1) * step] = 255
    return image


def _encoded(fourcc: str, image: np.ndarray) -> bytes:
    if fourcc == "MJPG":
        return bytes(cv2.imencode(".jpg", image)[1])
    return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_YUY2).tobytes()
