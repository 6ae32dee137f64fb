"""Frames on loan: read only if somebody looks or keeps them, and given back once."""

from __future__ import annotations

import gc
import mmap
import os
import threading
from typing import Any

import numpy as np
import pytest

from mpipeline.frame import Frame, FrameFormat, FrameMeta, PixelFormat, Pixels
from mpipeline.inference_pipeline.batches import Batch, Calls, checked_results
from mpipeline.inference_pipeline.choices import SinkMode
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.handover import Handover
from mpipeline.inference_pipeline.video_frame import VideoFrame, local_time


class Slot:
    """A lease on memory that is reused as soon as it is given back."""

    def __init__(self, frame_id: int = 1) -> None:
        self.memory = np.full((4, 6), 7, np.uint8)
        self.conversions = 0
        self.released = 0
        meta = FrameMeta("cam", frame_id, None, 5, 6, 6, 4)
        self.frame = Frame(meta, FrameFormat(PixelFormat.GRAY8, 6, 4), (self.memory,), self._convert)

    def _convert(self, format: FrameFormat, planes: Any) -> Pixels:
        self.conversions += 1
        return np.repeat(planes[0][:, :, None], 3, axis=2)

    def release(self) -> None:
        self.released += 1
        self.memory[:] = 99


def lend(slot: Slot, settled: list[tuple[str, int]]) -> Loan:
    return Loan(slot, lambda source, frame_id: settled.append((source, frame_id)))  # type: ignore[arg-type]


def video_frame(loan: Loan, source_id: int = 0) -> VideoFrame:
    return VideoFrame(loan.picture(), loan.meta.frame_id, local_time(0), source_id=source_id)  # type: ignore[arg-type]


def test_nobody_looks_and_nobody_keeps_it() -> None:
    slot, settled = Slot(), []
    loan = lend(slot, settled)
    frame = video_frame(loan)
    del frame
    loan.settle()
    assert (slot.conversions, slot.released, settled) == (0, 1, [("cam", 1)])


def test_who_looks_may_keep_and_write() -> None:
    slot = Slot()
    loan = lend(slot, [])
    frame = video_frame(loan)
    image = frame.image
    image[0, 0, 0] = 1
    loan.settle()
    assert frame.image is image
    assert image[1, 1, 1] == 7
    assert slot.conversions == 1


def test_who_keeps_it_without_a_look_may_look_later() -> None:
    slot = Slot()
    loan = lend(slot, [])
    frame = video_frame(loan)
    loan.settle()
    assert slot.conversions == 1
    assert frame.image[0, 0, 0] == 7
    assert slot.conversions == 1


def test_a_loan_ends_once() -> None:
    slot, settled = Slot(), []
    loan = lend(slot, settled)
    loan.settle()
    loan.settle()
    assert (slot.released, len(settled)) == (1, 1)


def test_a_picture_that_cannot_be_made_ends_the_loan_all_the_same() -> None:
    slot, settled = Slot(), []
    slot.frame = Frame(slot.frame.meta, slot.frame.format, slot.frame.planes, lambda *_: 1 / 0)  # type: ignore[arg-type]
    loan = lend(slot, settled)
    frame = video_frame(loan)
    with pytest.raises(ZeroDivisionError):
        loan.settle()
    assert (slot.released, settled, frame.frame_id) == (1, [("cam", 1)], 1)


def test_a_fork_of_the_program_gives_nothing_back() -> None:
    memory = mmap.mmap(-1, 1)  # shared with the fork
    slot = Slot()
    slot.release = lambda: memory.write(b"x")  # type: ignore[method-assign, assignment, return-value]
    loan = lend(slot, [])
    process = os.fork()
    if not process:
        loan.settle()
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert memory[0] == 0
    loan.settle()
    assert memory[0] == ord("x")


def test_what_was_never_made_into_a_frame_is_given_back() -> None:
    slot = Slot()
    lend(slot, []).settle()
    assert (slot.conversions, slot.released) == (0, 1)


def test_another_thread_may_look_while_the_loan_ends() -> None:
    for _ in range(50):
        slot = Slot()
        loan = lend(slot, [])
        frame = video_frame(loan)
        seen: list[Pixels] = []
        looker = threading.Thread(target=lambda frame=frame, seen=seen: seen.append(frame.image))
        looker.start()
        loan.settle()
        looker.join()
        assert seen[0].max() == 7
        assert slot.conversions == 1


# --- batches ----------------------------------------------------------------------------------------------------------


class Sink:
    """Notes what it is called with."""

    def __init__(self, mode: SinkMode, sources: int) -> None:
        self.seen: list[tuple[Any, Any]] = []
        self.raises: Exception | None = None
        self.raised: list[Exception] = []
        self.stopped = False
        self.calls = Calls(self._sink, mode, sources, self.raised.append)

    def _sink(self, predictions: Any, frames: Any) -> None:
        ids = [one and one.frame_id for one in frames] if isinstance(frames, list) else frames.frame_id
        self.seen.append((predictions, ids))
        if self.raises is not None:
            raise self.raises

    def call(self, *sources: int) -> None:
        loans = [lend(Slot(10 + source), []) for source in sources]
        frames = [video_frame(loan, source) for loan, source in zip(loans, sources, strict=True)]
        self.calls.make(Batch(frames, loans, [f"p{source}" for source in sources]), lambda: self.stopped)


@pytest.mark.parametrize("mode", [SinkMode.SEQUENTIAL, SinkMode.ADAPTIVE])
def test_one_source_one_call_a_frame(mode: SinkMode) -> None:
    sink = Sink(mode, 1)
    sink.call(0)
    assert sink.seen == [("p0", 10)]


def test_several_sources_one_after_the_other() -> None:
    sink = Sink(SinkMode.SEQUENTIAL, 3)
    sink.call(0, 2)
    assert sink.seen == [("p0", 10), ("p2", 12)]


@pytest.mark.parametrize("mode", [SinkMode.BATCH, SinkMode.ADAPTIVE])
def test_several_sources_at_once_with_a_place_for_each(mode: SinkMode) -> None:
    sink = Sink(mode, 3)
    sink.call(0, 2)
    sink.call(1)
    assert sink.seen == [(["p0", None, "p2"], [10, None, 12]), ([None, "p1", None], [None, 11, None])]


def test_one_source_as_a_batch() -> None:
    sink = Sink(SinkMode.BATCH, 1)
    sink.call(0)
    assert sink.seen == [(["p0"], [10])]


def test_what_a_sink_raises_is_passed_on_and_the_next_call_is_made() -> None:
    sink = Sink(SinkMode.SEQUENTIAL, 2)
    sink.raises = ValueError("no")
    sink.call(0, 1)
    assert len(sink.seen) == 2
    assert sink.raised == [sink.raises, sink.raises]


def test_after_a_stop_no_further_call_is_made() -> None:
    for mode in SinkMode:
        sink = Sink(mode, 2)
        sink.stopped = True
        sink.call(0, 1)
        assert not sink.seen


def test_a_batch_lets_go_of_its_frames_before_they_are_given_back() -> None:
    slots = [Slot(), Slot()]
    loans = [lend(slot, []) for slot in slots]
    batch = Batch([video_frame(loan) for loan in loans], loans, [1, 2])
    kept = batch.frames[1]
    batch.settle()
    gc.collect()
    assert [slot.conversions for slot in slots] == [0, 1]
    assert kept.image[0, 0, 0] == 7


@pytest.mark.parametrize("results", [[1, 2], (1, 2), np.array([1, 2])])
def test_results_in_any_row(results: Any) -> None:
    assert checked_results(results, 2) == [1, 2]


@pytest.mark.parametrize("results", [None, {"a": 1, "b": 2}, "ab", 5, {1, 2}, iter([1, 2])])
def test_results_that_are_no_row_are_refused(results: Any) -> None:
    with pytest.raises(TypeError, match=f"was given 2 frames.*it has returned {type(results).__name__}"):
        checked_results(results, 2)


def test_too_few_results_are_refused() -> None:
    with pytest.raises(ValueError, match="it has returned 1"):
        checked_results([1], 2)


# --- handover ---------------------------------------------------------------------------------------------------------


def batch_of(slot: Slot) -> Batch:
    return Batch([], [lend(slot, [])], [])


def test_one_waits_for_the_other() -> None:
    made, slots = Handover(), [Slot() for _ in range(20)]
    batches = [batch_of(slot) for slot in slots]

    def put() -> None:
        for batch in batches:
            made.put(batch)
        made.end()

    thread = threading.Thread(target=put)
    thread.start()
    taken = []
    while (batch := made.next()) is not None:
        taken.append(batch)
    thread.join()
    assert taken == batches
    assert made.next() is None


def test_what_is_there_at_the_end_is_still_given() -> None:
    made = Handover()
    batch = batch_of(Slot())
    made.put(batch)
    made.end()
    assert made.next() is batch
    assert made.next() is None


def test_closing_gives_back_what_waits_and_what_still_comes() -> None:
    made, slots = Handover(), [Slot() for _ in range(3)]
    made.put(batch_of(slots[0]))
    waiting = threading.Thread(target=lambda: made.put(batch_of(slots[1])))
    waiting.start()
    made.close()
    waiting.join()
    made.put(batch_of(slots[2]))
    made.close()
    assert [slot.released for slot in slots] == [1, 1, 1]
    assert made.next() is None
