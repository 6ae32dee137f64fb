"""A sink's process between two inference processes: whose predictions are written, and when a source has ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.predictions import meta, prediction
from support.worker_ends import Ends

from mpipeline.clock import ManualClock
from mpipeline.errors import ConfigError, Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.messages import Drain, Message, ModelGone, SessionOpened, SinkStatus, SourceEnded
from mpipeline.prediction import Prediction
from mpipeline.testing.fakes import FakeSink
from mpipeline.transport import channel
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.sink_worker import SinkWorker
from mpipeline.workers.wire import to_wire

MODELS = ("people", "faces")


class Failing(FakeSink):
    """Fails as often as `failures` says, and tells then what it has been asked to write."""

    failures = 0
    asked: list[tuple[str, int]]
    answer: Any = {}

    def open(self, resume: bool) -> Any:
        self.asked = []
        super().open(resume)
        return self.answer

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        self.asked.append((prediction.model, prediction.frame.frame_id))
        if self.failures:
            self.failures -= 1
            raise SinkError("not now", reason=Reason.WRITE_FAILED, retryable=True)
        super().write(prediction, frame)


class Bench:
    """A worker that takes predictions of both models about the source a, of people only about b."""

    def __init__(self, folder: Path) -> None:
        self.ends = Ends(folder, "sink:s#1")
        self.inference = {
            model: channel.Router(self.ends.zmq, self.ends.endpoints.of_model(n).predictions)
            for n, model in enumerate(MODELS)
        }
        self.clock = ManualClock()
        context = WorkerContext("sink:s", 1, self.ends.control, self.ends.zmq)
        context.clock = self.clock
        feeds = [
            {
                "model": model,
                "bit": 2 + n,
                "sources": ["a", "b"] if n == 0 else ["a"],
                "predictions": self.ends.endpoints.of_model(n).predictions,
            }
            for n, model in enumerate(MODELS)
        ]
        self.worker = SinkWorker(context, {"sink": {"name": "s", "kind": "failing"}, "resume": False, "feeds": feeds})
        self.sink: Failing = self.worker._sink
        self.statuses: dict[str, SinkStatus] = {}
        self._identities: dict[str, str] = {}

    def begin(self) -> None:
        """It says hello to both, and gets sessions."""
        self.worker.open()
        self.until(lambda: len(self._identities) == 2)
        for model in MODELS:
            self.send(model, SessionOpened(7))

    def until(self, condition: Any) -> None:
        for _ in range(500):
            self.worker.step()
            self.clock.advance(0.3)
            for model, router in self.inference.items():
                for identity, status in router.arrived():
                    assert isinstance(status, SinkStatus)
                    self._identities[model], self.statuses[model] = identity, status
            if condition():
                return
        raise AssertionError("it never came about")

    def send(self, model: str, *messages: Message) -> None:
        for message in messages:
            assert self.inference[model].send(self._identities[model], message)

    def predict(self, model: str, source: str, *ids: int) -> None:
        self.send(model, *(to_wire(prediction(meta(source, n)), None) for n in ids))

    @property
    def written(self) -> list[tuple[str, int]]:
        return [(one.prediction.origin, one.prediction.frame.frame_id) for one in self.sink.store.written]

    def close(self) -> None:
        self.worker.close()
        self.ends.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("mpipeline.registry.load", lambda group, kind: Failing)
    made = Bench(tmp_path)
    yield made
    made.close()


def test_predictions_bear_their_models_names_and_are_acknowledged_to_each(bench: Bench) -> None:
    bench.begin()
    bench.predict("people", "a", 1, 2)
    bench.predict("faces", "a", 1)
    bench.until(lambda: len(bench.written) == 3)
    assert sorted(bench.written) == [("a:faces", 1), ("a:people", 1), ("a:people", 2)]
    bench.until(lambda: all(bench.statuses[model].acknowledged for model in MODELS))
    assert [bench.statuses[model].acknowledged for model in MODELS] == [{"a": 2}, {"a": 1}]
    assert bench.worker.progress == 3


def test_a_source_ends_once_when_both_have_ended_it(bench: Bench) -> None:
    bench.begin()
    bench.send("faces", SourceEnded("a", 0), SourceEnded("a", 0))
    bench.until(lambda: bench.statuses["faces"].processed == 2)
    assert bench.sink.store.ended == []
    bench.send("people", SourceEnded("b", 0), SourceEnded("a", 0))
    bench.until(lambda: bench.statuses["people"].processed == 2)
    assert bench.sink.store.ended == ["b", "a"]


def test_while_one_prediction_is_tried_again_no_other_is_written(bench: Bench) -> None:
    bench.begin()
    bench.sink.failures = 4
    bench.predict("people", "a", 1)
    bench.predict("faces", "a", 1, 2)
    bench.until(lambda: len(bench.written) == 3)
    first = bench.sink.asked[0]
    assert bench.sink.asked[:5] == [first] * 5
    assert len(bench.sink.asked) == 7


def test_what_is_written_of_each_model_is_not_written_again(bench: Bench) -> None:
    bench.sink.answer = {"a:people": 2, "b": 9}
    facts = bench.worker.open()
    assert facts["written"] == {"a:people": 2, "b:people": 9}
    assert [lane.subscription.acknowledged for lane in bench.worker._lanes] == [{"a": 2, "b": 9}, {}]


def test_a_class_that_wants_no_pixels_has_no_object_that_does(bench: Bench) -> None:
    bench.sink.wants_frames = True
    for lane in bench.worker._lanes:
        object.__setattr__(lane.feed, "bit", -1)
    with pytest.raises(ConfigError, match="`wants_frames` is False in its class"):
        bench.worker.open()


class Gathering(Failing):
    """Sends what it has taken when it is told to; `acts` are the models of what it has taken, and when it has sent."""

    gathers = 10

    def open(self, resume: bool) -> Any:
        self.acts: list[str] = []
        return super().open(resume)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        super().write(prediction, frame)
        self.acts.append(prediction.model)

    def flush(self) -> None:
        self.acts.append("sent")


def test_what_is_gathered_of_one_model_is_sent_before_anything_of_another_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpipeline.registry.load", lambda group, kind: Gathering)
    bench = Bench(tmp_path)
    bench.begin()
    bench.predict("people", "b", 1, 2, 3)
    bench.predict("faces", "a", 1, 2)
    wanted = [{"b": 3}, {"a": 2}]
    bench.until(lambda: [bench.statuses[model].acknowledged for model in MODELS] == wanted)
    for one, following in pairwise(bench.sink.acts):  # type: ignore[attr-defined]
        assert "sent" in (one, following) or one == following
    bench.close()


class Joining(Failing):
    """Makes one thing of a frame; `together` has what it was given."""

    def open(self, resume: bool) -> Any:
        self.together: list[tuple[str, int, tuple[str, ...]]] = []
        return super().open(resume)

    def write_together(self, predictions: list[Prediction], frame: Frame | None) -> None:
        first = predictions[0].frame
        self.asked.append(("", first.frame_id))
        if self.failures:
            self.failures -= 1
            raise SinkError("not now", reason=Reason.WRITE_FAILED, retryable=True)
        self.together.append((first.source, first.frame_id, tuple(one.model for one in predictions)))


@pytest.fixture
def joining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("mpipeline.registry.load", lambda group, kind: Joining)
    made = Bench(tmp_path)
    yield made
    made.close()


def together(bench: Bench) -> list[tuple[str, int, tuple[str, ...]]]:
    found: list[tuple[str, int, tuple[str, ...]]] = bench.sink.together  # type: ignore[attr-defined]
    return found


def acknowledged(bench: Bench) -> list[Any]:
    return [bench.statuses[model].acknowledged for model in MODELS]


def test_one_thing_is_made_of_a_frame_and_acknowledged_to_both_when_it_is(joining: Bench) -> None:
    joining.begin()
    joining.sink.failures = 2
    joining.predict("people", "a", 1, 2)
    joining.until(lambda: joining.statuses["people"].processed == 2)  # there is room for more, and nothing is done
    assert (together(joining), acknowledged(joining)) == ([], [{}, {}])
    joining.predict("people", "a", 2)  # by an inference process that is new
    joining.predict("faces", "a", 1)
    joining.predict("people", "b", 1)
    joining.until(lambda: acknowledged(joining) == [{"a": 1, "b": 1}, {"a": 1}])
    assert sorted(together(joining)) == [("a", 1, MODELS), ("b", 1, ("people",))]
    assert joining.sink.store.written == []
    assert joining.worker.progress == 3
    joining.send("faces", SourceEnded("a", 0))
    joining.until(lambda: acknowledged(joining)[0] == {"a": 2, "b": 1})
    assert joining.sink.store.ended == []
    joining.send("people", SourceEnded("a", 0))
    joining.until(lambda: joining.sink.store.ended == ["a"])


def test_a_model_that_is_given_up_is_not_waited_for(joining: Bench) -> None:
    joining.begin()
    joining.predict("people", "a", 1)
    joining.until(lambda: joining.statuses["people"].processed == 1)
    joining.worker.receive(ModelGone("faces", ("a",)))
    joining.send("people", SourceEnded("a", 0))
    joining.until(lambda: joining.sink.store.ended == ["a"])
    assert together(joining) == [("a", 1, ("people",))]


def test_what_still_waits_when_the_run_ends_is_written(joining: Bench) -> None:
    joining.begin()
    joining.predict("people", "a", 1)
    joining.until(lambda: joining.statuses["people"].processed == 1)
    joining.worker.receive(Drain())
    joining.until(lambda: not joining.worker.step())
    assert together(joining) == [("a", 1, ("people",))]


def test_what_is_written_of_a_source_is_written_of_each_model(joining: Bench) -> None:
    joining.sink.answer = {"a": 2}
    facts = joining.worker.open()
    assert facts["written"] == {"a:people": 2, "a:faces": 2}
    joining.until(lambda: len(joining._identities) == 2)
    for model in MODELS:
        joining.send(model, SessionOpened(7))
        joining.predict(model, "a", 2, 3)
    joining.until(lambda: acknowledged(joining) == [{"a": 3}, {"a": 3}])
    assert together(joining) == [("a", 3, MODELS)]
