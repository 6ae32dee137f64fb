"""When the pictures of a camera were captured, and what becomes of those that are broken.

What OpenCV does with a camera is tested where its own code reads a stand-in: in acceptance/test_webcams.py and in the
conformance suite.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.frame import PixelFormat
from mpipeline.sources import device
from mpipeline.sources.device import DeviceSource
from mpipeline.sources.device_open import DeviceOptions

NOW_S = 1000
PICTURE = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
JPEG = cv2.imencode(".jpg", PICTURE)[1].reshape(1, -1)


class Capture:
    """An open VideoCapture that shows one picture, stamped by the driver."""

    def __init__(self, picture: Any, stamp_ms: float = 0.0, fourcc: str = "YUYV") -> None:
        self.picture = picture
        fourcc_number = cv2.VideoWriter.fourcc(*fourcc)
        self.values = {cv2.CAP_PROP_POS_MSEC: stamp_ms, cv2.CAP_PROP_FOURCC: fourcc_number, cv2.CAP_PROP_FPS: 15.0}

    def get(self, number: int) -> float:
        return float(self.values[number])

    def set(self, number: int, value: float) -> bool:
        self.values[number] = value
        return True

    def grab(self) -> bool:
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return self.picture is not None, self.picture

    def release(self) -> None:
        pass


def opened(monkeypatch: pytest.MonkeyPatch, capture: Capture, clock: ManualClock | None = None) -> DeviceSource:
    monkeypatch.setattr(device, "open_capture", lambda name, options: capture)
    source = DeviceSource("desk", DeviceOptions(uri=0), clock or ManualClock(NOW_S * NS_PER_S))
    source.open()
    return source


@pytest.mark.parametrize(
    ("stamp_s", "captured_s"),
    [
        (NOW_S - 0.25, NOW_S - 0.25),
        (0.0, NOW_S),  # the driver stamps nothing
        (1_700_000_000.0, NOW_S),  # or by the wall clock
        (NOW_S - 60.0, NOW_S),  # or by one that stood still while the machine slept
    ],
)
def test_the_stamp_of_the_driver_counts_if_it_is_of_the_monotonic_clock(
    monkeypatch: pytest.MonkeyPatch, stamp_s: float, captured_s: float
) -> None:
    grabbed = opened(monkeypatch, Capture(PICTURE, stamp_s * 1000)).grab()
    assert grabbed is not None
    assert grabbed.captured_ns == captured_s * NS_PER_S
    assert grabbed.pts == captured_s
    assert grabbed.format.pixel_format is PixelFormat.BGR24


def test_what_the_driver_has_kept_during_a_pause_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Capture(PICTURE, (NOW_S - 0.25) * 1000)
    clock = ManualClock(NOW_S * NS_PER_S)
    source = opened(monkeypatch, capture, clock)
    source.grab()
    clock.sleep(60)
    capture.values[cv2.CAP_PROP_POS_MSEC] = (NOW_S + 0.5) * 1000
    monkeypatch.setattr(source, "_waited", lambda deadline_ns: True)
    grabbed = source.grab()
    assert grabbed is not None
    assert grabbed.captured_ns == (NOW_S + 0.5) * NS_PER_S
    assert clock.wall_ns() - grabbed.wall_ns == 59.5 * NS_PER_S


@pytest.mark.parametrize(("data", "is_corrupt"), [(JPEG, False), (JPEG[:, :-2], True), (JPEG[:, :-900], True)])
def test_a_jpeg_that_is_cut_off_is_marked(monkeypatch: pytest.MonkeyPatch, data: Any, is_corrupt: bool) -> None:
    source = opened(monkeypatch, Capture(data, fourcc="MJPG"))
    grabbed = source.grab()
    assert grabbed is not None
    assert (grabbed.corrupt, grabbed.format.width, source.decode_errors) == (is_corrupt, 64, 0)


def test_grey_pictures_stay_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    grabbed = opened(monkeypatch, Capture(PICTURE[:, :, 0])).grab()
    assert grabbed is not None
    assert grabbed.format.pixel_format is PixelFormat.GRAY8
