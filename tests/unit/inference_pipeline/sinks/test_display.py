"""§5.1: `display_image`, with windows, without a display, and with an OpenCV that has no windows."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

import cv2
import pytest
from support.video_frames import box, detections, frame, grey

from mpipeline.inference_pipeline.sinks import display, display_image, render_boxes


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What is asked or said once in a process is asked and said again."""
    forget()
    yield
    forget()


def forget() -> None:
    display._obstacle.cache_clear()
    display._tell_how_to_see_pictures.cache_clear()


class Windows:
    """An OpenCV that shows windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[tuple[str, Any]] = []
        self.waits: list[int] = []
        monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
        monkeypatch.setattr(cv2, "imshow", lambda title, image: self.shown.append((title, image.shape[1::-1])))
        monkeypatch.setattr(cv2, "waitKey", self.waits.append)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    monkeypatch.setattr(display, "_answers", lambda _: True)
    monkeypatch.setenv("DISPLAY", ":7")
    return Windows(monkeypatch)


@pytest.mark.parametrize(("source_id", "shown"), [(0, "0"), (3, "3"), (None, "N/A")])
def test_5_1_a_single_picture_has_a_window_of_its_source(windows: Windows, source_id: int | None, shown: str) -> None:
    display_image((source_id, grey()))
    assert windows.shown == [(f"Predictions - video: {shown}", (320, 240))]
    assert windows.waits == [1]


def test_5_1_a_batch_has_one_window_with_tiles(windows: Windows) -> None:
    display_image([(0, grey()), (1, grey())])
    assert windows.shown == [("Predictions - tiles", (655, 240))]


def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")


def without_display(monkeypatch: pytest.MonkeyPatch) -> None:
    Windows(monkeypatch)
    monkeypatch.delenv("DISPLAY", raising=False)


def with_a_dead_display(monkeypatch: pytest.MonkeyPatch) -> None:
    Windows(monkeypatch)
    monkeypatch.setenv("DISPLAY", ":91234")


def with_broken_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise cv2.error("no window for you")

    Windows(monkeypatch)
    monkeypatch.setattr(cv2, "imshow", fail)
    monkeypatch.setattr(display, "_answers", lambda _: True)
    monkeypatch.setenv("DISPLAY", ":7")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (headless, "without windows"),
        (without_display, "DISPLAY is not set"),
        (with_a_dead_display, ":91234 .* does not answer"),
        (with_broken_windows, "no window for you"),
    ],
)
def test_without_windows_the_way_to_see_pictures_is_said_once_and_all_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, prepare: Any, said: str
) -> None:
    prepare(monkeypatch)
    with caplog.at_level(logging.WARNING, "mpipeline"):
        for number in range(1, 4):
            render_boxes(detections(box(9, 9, 5, 5)), frame(number))
    (record,) = caplog.records
    assert re.search(said, record.getMessage())
    assert "VideoFileSink" in record.getMessage()
    assert "preview()" in record.getMessage()


@pytest.mark.parametrize("form", ["{host}:{number}", "{host}:{number}.0"])
def test_a_display_on_another_machine_is_tried(form: str) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        number = server.getsockname()[1] - 6000
        if number < 0:
            pytest.skip("the port is below those of X")
        assert display._answers(form.format(host="127.0.0.1", number=number))
    assert not display._answers(form.format(host="127.0.0.1", number=number))


def test_a_display_of_this_machine_is_tried() -> None:
    number = 50_000 + os.getpid()
    assert not display._answers(f":{number}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"\0/tmp/.X11-unix/X{number}")
        server.listen()
        assert display._answers(f":{number}")
        assert display._answers(f":{number}.0")


def test_a_form_that_is_not_known_is_left_to_opencv() -> None:
    assert display._answers("/private/tmp/com.apple.launchd/org.xquartz:0")
