"""What several models have found in a frame is written once, in order, whoever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.predictions import meta, prediction

from mpipeline.errors import PredictionRejected, Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.workers.feeds import Feed
from mpipeline.workers.joining import Joint, Share

MODELS = ("people", "faces")


@dataclass
class Lease:
    """`frame` is what stands for the pixels here."""

    frame: Any
    released: bool = False

    def release(self) -> None:
        self.released = True


@dataclass
class Bench:
    """A joint of two models of the source a, of people only for b; a ring of that many slots, if it is live."""

    live_slots: int = 0
    full: bool = False
    refused: frozenset[int] = frozenset()
    over: tuple[str, ...] = ()
    written: list[tuple[str, int, tuple[str, ...], Any]] = field(default_factory=list)
    settled: list[tuple[str, int, str]] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)

    def __post_init__(self) -> None:
        feeds = [
            Feed("people", "", frozenset("ab"), 2, "people" in self.over),
            Feed("faces", "", frozenset("a"), 3, "faces" in self.over),
        ]
        self.joint = Joint(self, feeds)

    def write_together(self, predictions: Sequence[Prediction], frame: Frame | None) -> None:
        if self.full:
            raise SinkError("the disk is full", reason=Reason.NO_SPACE, retryable=True)
        one = predictions[0].frame
        if one.frame_id in self.refused:
            raise PredictionRejected("no")
        self.written.append((one.source, one.frame_id, tuple(each.model for each in predictions), frame))

    def send(self, model: str, *ids: int, source: str = "a", pixels: bool = True, empty: bool = False) -> None:
        slots = SimpleNamespace(reader=SimpleNamespace(descriptor=SimpleNamespace(slots=self.live_slots or 9)))
        rings: Any = SimpleNamespace(
            of=lambda _: [SimpleNamespace(reader=slots.reader, every_frame=not self.live_slots)]
        )
        for frame_id in ids:
            frame = meta(source, frame_id)
            lease: Any = Lease(f"pixels of {model}") if pixels else None
            self.leases += [lease] if pixels else []
            found = None if empty else replace(prediction(frame), model=model)
            self.joint.add(model, Share(frame, found, lease, self._note(model, frame_id)), rings)
            self.joint.advance()

    def _note(self, model: str, frame_id: int) -> Any:
        return lambda outcome: self.settled.append((model, frame_id, str(outcome)))

    @property
    def frames(self) -> list[tuple[int, tuple[str, ...]]]:
        return [(frame_id, models) for _, frame_id, models, _ in self.written]


def test_a_frame_waits_for_the_other_model_and_is_written_once() -> None:
    bench = Bench()
    bench.send("people", 1, 2, 3)
    assert (bench.written, bench.settled) == ([], [])
    bench.send("faces", 1, 2)
    assert bench.frames == [(1, MODELS), (2, MODELS)]
    assert bench.settled == [(model, n, "") for n in (1, 2) for model in MODELS]
    assert [lease.released for lease in bench.leases] == [True, True, False, True, True]


def test_a_source_of_one_model_waits_for_nobody() -> None:
    bench = Bench()
    bench.send("people", 1, 2, source="b")
    assert bench.frames == [(1, ("people",)), (2, ("people",))]


def test_a_frame_that_one_model_has_left_out_is_written_with_what_the_other_has() -> None:
    bench = Bench(live_slots=100)
    bench.send("people", 1, 2, 3, 4)
    bench.send("faces", 3)
    assert bench.frames == [(1, ("people",)), (2, ("people",)), (3, MODELS)]


def test_what_is_left_out_of_a_prediction_is_waited_for_and_not_written() -> None:
    bench = Bench()
    bench.send("people", 1, 2, empty=True)
    bench.send("faces", 1)
    bench.send("faces", 2, empty=True)
    assert bench.frames == [(1, ("faces",))]
    assert [number for _, number, _ in bench.settled] == [1, 1, 2, 2]


def test_pixels_are_those_of_whichever_model_has_them() -> None:
    bench = Bench()
    bench.send("people", 1, pixels=False)
    bench.send("faces", 1)
    bench.send("people", 2, pixels=False)
    bench.send("faces", 2, pixels=False)
    assert [frame for *_, frame in bench.written] == ["pixels of faces", None]


@pytest.mark.parametrize("how", ["ended", "gone", "over", "finished"])
def test_a_model_that_is_done_is_not_waited_for(how: str) -> None:
    bench = Bench(over=("faces",) if how == "over" else ())
    bench.send("people", 1)
    ends = {
        "ended": lambda: bench.joint.end("a", "faces"),
        "gone": lambda: bench.joint.give_up("faces", ["a"]),
        "over": lambda: None,
        "finished": bench.joint.finish,
    }
    ends[how]()
    assert bench.joint.is_due == (how != "over")
    bench.joint.advance()
    bench.send("people", 2)
    assert bench.frames == [(1, ("people",)), (2, ("people",))]


def test_frames_of_a_file_wait_without_end_those_of_a_live_stream_while_its_ring_can_spare_them() -> None:
    patient, live = Bench(), Bench(live_slots=8)
    for bench in (patient, live):
        bench.send("people", *range(1, 20))
    assert patient.frames == []
    assert live.frames == [(n, ("people",)) for n in range(1, 17)]  # three wait, of eight slots
    live.send("faces", 10, 18)
    assert live.frames[16:] == [(17, ("people",)), (18, MODELS)]
    assert ("faces", 10, "predictions_late") in live.settled
    assert [lease.released for lease in live.leases] == [*[True] * 18, False, True, True]


def test_what_cannot_be_written_now_is_tried_again_and_nothing_overtakes_it() -> None:
    bench = Bench(full=True)
    bench.send("people", 1, 2)
    for _ in range(2):
        with pytest.raises(SinkError, match="full"):
            bench.send("faces", len(bench.leases) - 1)
    assert bench.settled == []
    bench.full = False
    assert bench.joint.is_due
    bench.joint.advance()
    assert bench.frames == [(1, MODELS), (2, MODELS)]
    assert not bench.joint.is_due


def test_a_frame_that_the_sink_refuses_costs_itself() -> None:
    bench = Bench(refused=frozenset({1}))
    bench.send("people", 1, 2)
    bench.send("faces", 1, 2)
    assert bench.frames == [(2, MODELS)]
    assert bench.settled == [("people", 1, "no"), ("faces", 1, "no"), ("people", 2, ""), ("faces", 2, "")]


def test_what_a_predecessor_has_written_is_not_written_again() -> None:
    bench = Bench()
    bench.joint.begin({"a": 2})
    bench.send("people", 2, 3)
    bench.send("faces", 3)
    assert bench.frames == [(3, MODELS)]


def test_a_damaged_ring_costs_what_waits_until_it_comes_again() -> None:
    bench = Bench()
    bench.send("people", 1, 2)
    bench.send("faces", 1)
    assert bench.joint.has("people", meta("a", 2))
    bench.joint.forget("a")
    bench.joint.forget("a source that this sink does not take")
    assert not bench.joint.has("people", meta("a", 2))
    bench.send("faces", 2)
    assert bench.frames == [(1, MODELS)]
    bench.send("people", 2)
    assert bench.frames == [(1, MODELS), (2, MODELS)]


@given(st.data())
def test_in_whatever_order_they_come_each_frame_is_written_once_and_whole(data: st.DataObject) -> None:
    bench, ids = Bench(), {model: list(range(1, 8)) for model in MODELS}
    while ids["people"] or ids["faces"]:
        model = data.draw(st.sampled_from([model for model in MODELS if ids[model]]))
        bench.send(model, ids[model].pop(0))
    assert bench.frames == [(n, MODELS) for n in range(1, 8)]
    assert len(bench.settled) == 14
    assert all(lease.released for lease in bench.leases)
