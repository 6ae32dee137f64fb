"""The inference loop with a predictor that has threads: what it does while they work, and what it must not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.inference_bench import Bench, Threaded

from mpipeline.messages import SourceEnded
from mpipeline.testing.fakes import level_of
from mpipeline.workers.journal import Journal
from mpipeline.workers.predictor import Work


class Threads(Bench):
    """A bench with such a predictor."""

    def begin(self, journal: Journal | None = None) -> None:
        self.model = Threaded()
        self.predictor = self.model
        super().begin(journal)

    def ids(self) -> list[int]:
        self.report()
        self.loop.step()
        return [message.frame.frame_id for message in self.predictions()]


@pytest.fixture
def file() -> Iterator[Threads]:
    made = Threads(every_frame=True)
    made.report()
    yield made
    made.close()


@pytest.fixture
def live() -> Iterator[Threads]:
    made = Threads(every_frame=False)
    made.report()
    yield made
    made.close()


def test_the_next_batch_goes_in_before_the_one_before_is_through(file: Threads) -> None:
    for frame_id in (1, 2, 3):
        file.publish(frame_id)
        file.loop.step()
    assert file.model.begun == [1, 1]  # the third waits: more than two are of no use
    assert file.ids() == []
    file.model.finish()
    assert file.loop.wait_s(0.1) == 0.0
    file.loop.step()
    assert file.model.begun == [1, 1]
    assert file.ids() == [1]
    file.model.finish()
    file.model.finish()
    assert file.ids() == [1, 2, 3]
    assert file.loop.progress == 3


def test_of_a_live_source_the_newest_frame_is_chosen_when_it_can_go(live: Threads) -> None:
    for frame_id in (1, 2, 3):
        live.publish(frame_id)
        live.loop.step()
    assert live.model.begun == [1]
    live.model.finish()
    live.loop.step()
    assert live.model.begun == [1]  # before the first one's prediction is sent
    live.model.finish()
    assert live.ids() == [1, 3]
    assert live.reasons() == {"superseded": 1}


def test_nothing_is_looked_for_before_the_model_has_room(live: Threads) -> None:
    live.publish(1)
    live.loop.step()
    live.publish(2)
    live.clock.advance(0.3)
    assert live.loop.wait_s(0.1) == 0.1  # the predictor will say when
    live.model.finish()
    assert live.loop.wait_s(0.1) == 0.0


def test_the_end_waits_for_what_is_in_the_model(file: Threads) -> None:
    file.publish(1)
    file.loop.step()
    file.loop.end(SourceEnded("a", 1))
    file.loop.step()
    assert file.sent == []
    assert not file.loop.is_drained(lossless_only=True)
    file.model.finish()
    assert file.ids() == [1]
    assert [type(message).__name__ for message in file.sent] == ["PredictionReady", "SourceEnded"]


def test_a_model_that_hangs_is_waited_for(file: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would notice it if the loop went on without it."""
    file.publish(1)
    file.loop.step()
    file.clock.advance(0.9)
    assert file.loop.wait_s(0.1) == 0.1
    file.clock.advance(0.2)
    assert file.loop.wait_s(0.1) == 0.0
    waited = []
    monkeypatch.setattr("mpipeline.workers.predictor.wait", lambda parts: (waited.append(parts), file.model.finish()))
    file.loop.step()
    assert len(waited) == 1
    assert file.ids() == [1]


def test_a_batch_that_fails_costs_only_the_bad_frame_while_the_next_is_in_the_model(
    file: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.model.poison = {level_of(1)}
    file.publish(1)
    file.publish(2)
    file.loop.step()
    file.publish(3)
    file.loop.step()
    assert file.model.begun == [2, 1]
    file.model.finish()
    monkeypatch.setattr("mpipeline.workers.predictor.wait", lambda _: [file.model.finish() for _ in file.model.begun])
    file.loop.step()
    assert file.ids() == [1, 2, 3]
    assert [message.failure_reason for message in file.predictions()] == ["inference_failed", "", ""]


def test_what_was_given_back_is_not_tried_again(file: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    file.model.poison = {level_of(3)}
    monkeypatch.setattr(file.loop, "_loose", lambda taken: [lease for _, lease in taken][:2])
    for frame_id in (1, 2, 3, 4):
        file.publish(frame_id)
    file.loop.step()
    file.model.let_go(1)
    monkeypatch.setattr("mpipeline.workers.predictor.wait", lambda _: [file.model.finish() for _ in file.model.begun])
    file.model.finish()
    assert file.ids() == [1, 2, 3, 4]
    assert [bool(message.failure_reason) for message in file.predictions()] == [True, False, True, False]
    assert "its pixels were given back: poison" in file.predictions()[0].failure_message


def test_after_a_crash_both_batches_are_suspects(file: Threads, tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    file.loop.close()
    file.begin(Journal(path))
    file.report()
    for frame_id in (1, 2):
        file.publish(frame_id)
        file.loop.step()
    file.model.finish()
    file.loop.step()
    file.publish(3)
    file.loop.step()
    assert file.model.begun == [1, 1]
    found = Journal(path, blamed=True, incarnation=2)  # what a crash leaves is what the file says just now
    assert [found.deaths("a", frame_id) for frame_id in (1, 2, 3)] == [0, 1, 1]


def test_after_an_orderly_end_nobody_is_a_suspect(file: Threads, tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    file.loop.close()
    file.begin(Journal(path))
    file.report()
    file.publish(1)
    file.loop.step()
    file.loop.close()
    assert Journal(path, blamed=True, incarnation=2).deaths("a", 1) == 0


def test_a_live_frame_is_chosen_after_an_overdue_batch(live: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it: it would be older by all the time that the batch still takes."""
    live.publish(1)
    live.loop.step()
    live.publish(2)
    live.clock.advance(1.1)

    def waited(_: object) -> None:
        assert live.model.begun == [1]
        live.clock.advance(2.0)
        live.publish(3)
        live.model.finish()

    monkeypatch.setattr("mpipeline.workers.predictor.wait", waited)
    live.loop.step()
    monkeypatch.undo()
    assert live.model.begun == [1]
    live.model.finish()
    assert live.ids() == [1, 3]


def test_no_more_than_two_batches_are_in_the_model_while_one_is_overdue(
    file: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for frame_id in (1, 2):
        file.publish(frame_id)
        file.loop.step()
    file.publish(3)
    file.clock.advance(1.1)
    begun = []
    monkeypatch.setattr(
        "mpipeline.workers.predictor.wait", lambda _: (begun.append(list(file.model.begun)), file.model.finish())
    )
    file.loop.step()
    assert begun == [[1, 1]]


def test_what_is_through_is_sent_although_the_next_is_overdue(file: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    for frame_id in (1, 2):
        file.publish(frame_id)
        file.loop.step()
    file.clock.advance(1.1)
    file.model.finish()
    file.loop.step()
    assert file.model.begun == [1]
    assert [message.frame.frame_id for message in file.predictions()] == [1]
    file.model.finish()
    assert file.ids() == [1, 2]


def test_work_that_cannot_be_begun_fails_its_frames(file: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Work:
        raise MemoryError("no room for rows")

    monkeypatch.setattr(file.model, "begin", broken)
    file.publish(1)
    file.loop.step()
    assert [message.failure_reason for message in file.predictions()] == ["inference_failed"]


def test_frames_of_a_ring_that_is_given_up_have_no_predictions(file: Threads) -> None:
    file.publish(1)
    file.loop.step()
    (ring,) = file.loop.rings.of("a")
    file.loop.rings.let_go("a", ring.reader.descriptor.segment)
    file.model.finish()
    file.loop.step()
    assert file.loop.progress == 0
    assert file.loop.is_drained(lossless_only=True)
