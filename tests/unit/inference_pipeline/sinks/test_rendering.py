"""§5.1: `render_boxes`, its options and what it hands on."""

from __future__ import annotations

import inspect
import logging
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
from support.video_frames import box, detections, frame, grey, touched

from mpipeline.errors import MissingDependency
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks import (
    VideoFileSink,
    calling_thread,
    display_image,
    preview,
    render_boxes,
    render_statistics,
)
from mpipeline.inference_pipeline.throughput import FpsMonitor

GREEN = (0, 255, 0)


class Shown:
    """An `on_frame_rendered` that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def __call__(self, rendered: Any) -> None:
        self.got.append(rendered)

    @property
    def picture(self) -> Pixels:
        (_, picture), *_ = self.got
        assert isinstance(picture, np.ndarray)
        return picture


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_5_1_the_parameters_have_their_order_and_defaults() -> None:
    defaults = {name: each.default for name, each in inspect.signature(render_boxes).parameters.items()}
    assert list(defaults) == [
        *("predictions", "video_frame", "annotator", "display_size", "fps_monitor"),
        *("display_statistics", "on_frame_rendered"),
    ]
    assert defaults["display_size"] == (1280, 720)
    assert defaults["display_statistics"] is False
    assert defaults["on_frame_rendered"] is display_image


def test_5_1_a_single_frame_comes_with_its_source(shown: Shown) -> None:
    render_boxes(detections(), frame(source_id=3), on_frame_rendered=shown)
    ((source_id, picture),) = shown.got
    assert source_id == 3
    assert picture.shape == (720, 1280, 3)


def test_5_1_a_batch_is_a_list_of_places_black_where_there_is_no_frame(shown: Shown) -> None:
    render_boxes([detections(), None, detections()], [frame(), None, frame()], on_frame_rendered=shown)
    (batch,) = shown.got
    assert [place for place, _ in batch] == [0, 1, 2]
    assert [bool(picture.any()) for _, picture in batch] == [True, False, True]


def test_5_1_an_absent_frame_is_a_black_square_of_256(shown: Shown) -> None:
    render_boxes([None], [None], display_size=None, on_frame_rendered=shown)
    ((_, picture),) = shown.got[0]
    assert picture.shape == (256, 256, 3)
    assert not picture.any()


def test_5_1_without_a_display_size_the_picture_keeps_its_own(shown: Shown) -> None:
    render_boxes(detections(), frame(), display_size=None, on_frame_rendered=shown)
    assert shown.picture.shape == (240, 320, 3)


def test_5_1_boxes_and_class_names_are_drawn_by_default_into_a_copy(shown: Shown) -> None:
    made = frame()
    render_boxes(detections(box(160, 120, 100, 80)), made, display_size=None, on_frame_rendered=shown)
    assert (made.image == 90).all()
    drawn = touched(shown.picture)
    assert {(160, 150), (120, 110), (120, 210)} <= drawn  # the lower, left and right edge
    assert (120, 160) not in drawn
    label = [pixel for pixel in drawn if pixel[0] < 79]
    assert len(label) > 500


def test_5_1_a_lazy_frame_is_converted_once(shown: Shown) -> None:
    calls: list[int] = []

    def load() -> Pixels:
        calls.append(1)
        return grey()

    made = frame(image=load)
    render_boxes(detections(box(160, 120, 100, 80)), made, on_frame_rendered=shown)
    render_boxes("unknown", made, on_frame_rendered=shown)
    assert len(calls) == 1


@pytest.mark.parametrize("as_list", [False, True])
def test_5_1_annotators_of_supervision_can_be_chosen(shown: Shown, as_list: bool) -> None:
    dot = sv.DotAnnotator(color=sv.Color.WHITE, radius=3)
    prediction = detections(box(160, 120, 100, 80))
    render_boxes(prediction, frame(), [dot] if as_list else dot, None, on_frame_rendered=shown)
    assert {(row, column) for row, column in touched(shown.picture)} <= {
        (row, column) for row in range(116, 125) for column in range(156, 165)
    }
    assert tuple(shown.picture[120, 160]) == (255, 255, 255)


def test_5_1_an_empty_list_of_annotators_draws_nothing(shown: Shown) -> None:
    render_boxes(detections(box(160, 120, 100, 80)), frame(), [], None, on_frame_rendered=shown)
    assert not touched(shown.picture)


def test_5_1_an_annotator_of_ones_own_may_return_a_new_picture(shown: Shown) -> None:
    class Inverting:
        def annotate(self, scene: Pixels, detections: Any) -> Pixels:
            assert list(detections.data["class_name"]) == ["cat"]
            inverted: Pixels = 255 - scene
            return inverted

    render_boxes(detections(box(160, 120, 9, 9)), frame(), Inverting(), None, on_frame_rendered=shown)
    assert (shown.picture == 165).all()


@pytest.mark.parametrize(
    "prediction",
    [
        {"predictions": [{"x": 1, "y": 1}], "image": {"width": 320, "height": 240}},
        {"predictions": [box(1, 1, 1, 1)]},
        {"output": "of a workflow"},
        {"predictions": [None], "image": {"width": 320, "height": 240}},
        "text",
        None,
    ],
)
def test_5_1_a_wrong_format_is_a_plain_picture(shown: Shown, prediction: Any) -> None:
    render_boxes(prediction, frame(), display_size=None, on_frame_rendered=shown)
    assert not touched(shown.picture)


def test_5_1_a_wrong_format_is_a_warning_that_says_whose_it_is_and_what_is_wrong(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling_thread, "_MEMORY", calling_thread._Memory())  # nothing was reported this second
    with caplog.at_level(logging.WARNING, "mpipeline"):
        render_boxes({"output": 1}, frame(7, 2), on_frame_rendered=Shown())
    assert "frame 7 of source 2" in caplog.text
    assert "['output']" in caplog.text


def test_5_1_what_an_annotator_raises_is_not_hidden() -> None:
    class Broken:
        def annotate(self, scene: Pixels, detections: Any) -> Pixels:
            raise RuntimeError("no paint")

    with pytest.raises(RuntimeError, match="no paint"):
        render_boxes(detections(), frame(), Broken(), on_frame_rendered=Shown())


def test_5_1_the_monitor_is_ticked_once_for_each_frame_that_is_there() -> None:
    class Counter:
        ticks = 0
        fps = 1.0

        def tick(self) -> None:
            self.ticks += 1

    counter = Counter()
    render_boxes([detections(), None], [frame(), None], fps_monitor=counter, on_frame_rendered=Shown())
    render_boxes(detections(), frame(), fps_monitor=counter, on_frame_rendered=Shown())
    assert counter.ticks == 2


@pytest.mark.parametrize("monitor", [FpsMonitor(), sv.FPSMonitor(), None])
def test_5_1_statistics_are_green_text_at_the_lower_left(shown: Shown, monitor: Any) -> None:
    options: dict[str, Any] = {"display_size": (640, 480), "fps_monitor": monitor, "on_frame_rendered": shown}
    render_boxes(detections(), frame(), **options)
    assert not (shown.picture == GREEN).all(axis=2).any()
    shown.got.clear()
    render_boxes(detections(), frame(), display_statistics=True, **options)
    rows, columns = np.nonzero((shown.picture == GREEN).all(axis=2))
    assert columns.min() >= 8
    assert (rows > 480 - 35).any()  # the latency, its base line 10 pixels above the end
    assert ((rows > 480 - 75) & (rows < 480 - 48)).any()  # the throughput, 50 pixels above


def test_5_1_without_a_frame_there_is_a_throughput_and_no_latency(shown: Shown) -> None:
    render_boxes([None], [None], display_statistics=True, display_size=(640, 480), on_frame_rendered=shown)
    rows, _ = np.nonzero(shown.got[0][0][1].any(axis=2))
    assert rows.min() > 480 - 75
    assert rows.max() < 480 - 40


def test_5_1_statistics_can_be_rendered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    written: list[tuple[str, tuple[int, int]]] = []
    monkeypatch.setattr(cv2, "putText", lambda image, text, place, *_: written.append((text, place)))
    render_statistics(grey((640, 480)), datetime.now() - timedelta(days=1), 24.987)
    (latency, latency_place), (throughput, throughput_place) = written
    assert latency.startswith("LATENCY: 864")
    assert latency.partition(".")[2][2:] == " ms"
    assert throughput == "THROUGHPUT: 24.99"
    assert (latency_place, throughput_place) == ((10, 470), (10, 430))
    written.clear()
    render_statistics(grey((640, 480)), None, None)
    assert written == []


@pytest.mark.parametrize(
    "use",
    [
        lambda _: render_boxes(detections(box(1, 1, 1, 1)), frame(), on_frame_rendered=Shown()),
        lambda folder: VideoFileSink.init(str(folder / "out.mp4")),
        lambda _: preview(),
    ],
)
def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, use: Any) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependency, match=r"pip install 'mpipeline\[supervision\]'"):
        use(tmp_path)


def test_6_classes_of_a_whole_picture_need_no_library(monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    row = {"class": "cat", "class_id": 1, "confidence": 0.9}
    render_boxes({"predictions": [row], "top": "cat", "confidence": 0.9}, frame(), on_frame_rendered=shown)
    assert touched(shown.picture[:, 160:1120])
