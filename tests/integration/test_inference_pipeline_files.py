"""`InferencePipeline` over files, with logic of the caller's: every frame once, in order, in the shape asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pipelines import Notebook, complete, film, nothing_left, number, numbers

from mpipeline.inference_pipeline.choices import SinkMode
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.pipeline import InferencePipeline


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with nothing_left():
        yield


def run(reference: Any, logic: Any = numbers, **more: Any) -> Notebook:
    notebook = Notebook()
    pipeline = InferencePipeline.init_with_custom_logic(reference, logic, notebook, **more)
    pipeline.start()
    pipeline.join()
    return notebook


def test_every_frame_of_a_file_once_and_in_order() -> None:
    assert run(film(90)).by_source[0] == complete(90)


def test_one_source_is_still_a_list_for_the_logic() -> None:
    sizes: list[int] = []
    run(film(10), lambda frames: [sizes.append(len(frames))])
    assert sizes == [1] * 10


def test_files_of_different_lengths_leave_holes_behind_their_ends() -> None:
    notebook = run([film(30), film(50), film(10)])
    assert [notebook.by_source[n] for n in range(3)] == [complete(30), complete(50), complete(10)]
    assert len(notebook.calls) == 50
    assert notebook.calls[9] == ([9, 9, 9], [10, 10, 10])
    assert notebook.calls[10] == ([10, 10, None], [11, 11, None])
    assert notebook.calls[49] == ([None, 49, None], [None, 50, None])


def test_the_same_file_twice() -> None:
    path = film(20)
    notebook = run([path, path])
    assert notebook.by_source == {0: complete(20), 1: complete(20)}


@pytest.mark.parametrize(
    ("mode", "sources", "shape"),
    [
        (SinkMode.ADAPTIVE, 1, int),
        (SinkMode.SEQUENTIAL, 1, int),
        (SinkMode.BATCH, 1, list),
        (SinkMode.ADAPTIVE, 2, list),
        ("sequential", 2, int),
        ("batch", 2, list),
    ],
)
def test_the_shape_of_calls(mode: Any, sources: int, shape: type) -> None:
    notebook = run([film(10), film(15)][:sources], sink_mode=mode)
    assert {type(ids) for _, ids in notebook.calls} == {shape}
    if shape is list:
        assert {len(ids) for _, ids in notebook.calls} == {sources}
    assert notebook.by_source == {source: complete((10, 15)[source]) for source in range(sources)}


def test_a_timeout_makes_parts_of_batches_and_loses_nothing() -> None:
    notebook = run([film(40), film(25)], batch_collection_timeout=0.0)
    assert notebook.by_source == {0: complete(40), 1: complete(25)}


@pytest.mark.parametrize("mode", ["auto", "every_frame", "legacy", "none"])
def test_no_mode_loses_a_frame_of_a_file(mode: str) -> None:
    assert run(film(40), video_processing_mode=mode).by_source[0] == complete(40)


@pytest.mark.parametrize("size", [1, 250])
def test_a_buffer_of_any_size(size: int) -> None:
    assert run(film(40), decoding_buffer_size=size).by_source[0] == complete(40)


def test_frames_are_described() -> None:
    path = film(30, rate=15)
    seen: list[VideoFrame] = []
    run([path, path], lambda frames: seen.extend(frames) or [0] * len(frames))
    first, second = seen[0], seen[2]
    assert (first.frame_id, first.source_id, seen[1].source_id) == (1, 0, 1)
    assert (first.fps, first.measured_fps, first.total_frames, first.comes_from_video_file) == (15.0, 15.0, 30, True)
    begin = datetime.fromtimestamp(Path(path).stat().st_mtime) - timedelta(seconds=2)
    assert abs((first.frame_timestamp - begin).total_seconds()) < 1e-3
    assert (second.frame_timestamp - first.frame_timestamp).total_seconds() == pytest.approx(1 / 15, abs=1e-4)
    assert second.pts is not None
    assert first.pts is not None
    assert second.pts - first.pts == pytest.approx(1 / 15, abs=1e-4)
    assert first.captured_ns is not None


def test_frames_may_be_kept_whether_they_were_looked_at_or_not() -> None:
    kept: list[VideoFrame] = []

    def keep(prediction: Any, frame: VideoFrame) -> None:
        kept.append(frame)
        if frame.frame_id % 2:
            assert frame.image.shape == (180, 320, 3)

    pipeline = InferencePipeline.init_with_custom_logic(film(60), lambda frames: [None] * len(frames), keep)
    pipeline.start()
    assert [number(frame) for frame in kept] == list(range(60))
    assert all(frame.image.flags.writeable for frame in kept)


def test_the_same_frames_go_to_the_logic_and_to_the_sink() -> None:
    images: dict[int, Any] = {}
    same: list[bool] = []

    def logic(frames: list[VideoFrame]) -> list[int]:
        images.update({frame.frame_id: frame.image for frame in frames})
        return [0] * len(frames)

    InferencePipeline.init_with_custom_logic(
        film(20), logic, lambda _, frame: same.append(frame.image is images[frame.frame_id])
    ).start()
    assert same == [True] * 20


def test_without_a_sink_the_logic_is_still_called() -> None:
    seen: list[int] = []
    pipeline = InferencePipeline.init_with_custom_logic(film(20), lambda frames: [seen.append(frames[0].frame_id)])
    pipeline.start()
    assert seen == list(range(1, 21))


def test_a_slow_sink_is_waited_for_and_nothing_heaps_up() -> None:
    """Frames that were taken and not given to the sink yet: one in each callback, and one between them."""
    taken: list[int] = []
    most: list[int] = []
    go = threading.Event()

    def logic(frames: list[VideoFrame]) -> list[Any]:
        taken.append(frames[0].frame_id)
        return [frames[0].image.copy()]

    def sink(image: np.ndarray[Any, Any], frame: VideoFrame) -> None:
        go.wait(0.005)
        most.append(taken[-1] - frame.frame_id)

    InferencePipeline.init_with_custom_logic(film(60), logic, sink).start()
    assert len(most) == 60
    assert max(most) <= 3


def test_max_fps_of_files_waits_and_loses_nothing() -> None:
    stamps: list[int] = []
    notebook = Notebook()

    def logic(frames: list[VideoFrame]) -> list[int | None]:
        stamps.append(time_ns())
        return numbers(frames)

    InferencePipeline.init_with_custom_logic(film(15), logic, notebook, max_fps=50).start()
    assert notebook.by_source[0] == complete(15)
    assert stamps[-1] - stamps[0] >= 13 * 20_000_000


def time_ns() -> int:
    from mpipeline.clock import SystemClock

    return SystemClock().monotonic_ns()
