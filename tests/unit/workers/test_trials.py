"""A frame that kills the model's process: two deaths at most, then an explicit failure, and everything else goes on.

A death is an exception that no loop catches; what the dead incarnation held stays held in a real ring, and the next
one reads the same journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.inference_bench import Bench, Inline

from mpipeline.errors import BackendError
from mpipeline.frame import Frame
from mpipeline.prediction import Detections
from mpipeline.testing.fakes import level_of, seen
from mpipeline.workers.journal import Journal


class Death(BaseException):
    """What SIGSEGV is to a process."""


class Deadly(Inline):
    """Dies of some frames; notes which ones went in together."""

    def __init__(self, *deadly: int) -> None:
        self.deadly = set(deadly)
        self.calls: list[list[int]] = []
        self.raises: set[int] = set()
        self.error: BaseException = RuntimeError("no")
        self.overflows: set[int] = set()

    def predict(self, frames: Sequence[Frame]) -> list[Detections]:
        ids = [frame.meta.frame_id for frame in frames]
        self.calls.append(ids)
        if self.deadly.intersection(ids):
            raise Death
        if self.raises.intersection(ids):
            raise self.error
        found = [seen(int(frame.planes[0][0, 0]), 16, 16) for frame in frames]
        for one in (one for one, frame_id in zip(found, ids, strict=True) if frame_id in self.overflows):
            one.xyxy[0, 2] = np.inf
        return found


class Lives:
    """One bench through the deaths of its inference process."""

    def __init__(self, journal: Path, bench: Bench) -> None:
        self.bench = bench
        self.path = str(journal)
        self.model = Deadly()
        bench.predictor = self.model  # type: ignore[assignment]
        self.deaths = 0
        self.results: dict[int, str] = {}
        self.incarnation = 0
        self.begin(blamed=False)

    def begin(self, blamed: bool) -> None:
        self.bench.loop.close()  # leaves what it holds as it is, as a death does
        self.incarnation += 1
        self.journal = Journal(self.path, blamed=blamed, incarnation=self.incarnation)
        self.bench.begin(self.journal)

    def go_on(self, turns: int = 40, acknowledge: bool = True) -> None:
        """Steps; dies and is started again as often as needed."""
        for _ in range(turns):
            try:
                self.bench.loop.step()
            except Death:
                self.deaths += 1
                self.begin(blamed=True)
            for message in self.bench.predictions():
                self.results.setdefault(message.frame.frame_id, message.failure_reason)
            if acknowledge:
                self.bench.report()


@pytest.fixture
def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lives]:
    bench = Bench(every_frame=True)

    # A dead process runs no `finally`: the frames stay in flight.
    leave = Journal.leave
    made = Lives(tmp_path / "journal", bench)

    def alive_only(journal: Journal) -> None:
        if not made.model.deadly.intersection(made.model.calls[-1]):
            leave(journal)

    monkeypatch.setattr(Journal, "leave", alive_only)
    yield made
    bench.close()


def test_one_deadly_frame_costs_itself_after_two_deaths(lives: Lives) -> None:
    lives.model.deadly = {3}
    for frame_id in range(1, 7):
        lives.bench.publish(frame_id)
    lives.go_on()
    assert lives.deaths == 2
    assert lives.results == {1: "", 2: "", 3: "crashed", 4: "", 5: "", 6: ""}
    assert lives.model.calls[:4] == [[1, 2, 3, 4, 5, 6], [1], [2], [3]]
    assert lives.bench.counted("frames_failed") >= 1
    assert not lives.journal.has_suspects


def test_two_deadly_neighbours_in_one_batch(lives: Lives) -> None:
    lives.model.deadly = {3, 4}
    for frame_id in range(1, 7):
        lives.bench.publish(frame_id)
    lives.go_on()
    assert lives.deaths == 3
    assert lives.results == {1: "", 2: "", 3: "crashed", 4: "crashed", 5: "", 6: ""}
    assert not lives.journal.has_suspects


def test_what_is_known_of_a_frame_is_kept_until_its_failure_is_acknowledged(lives: Lives) -> None:
    lives.model.deadly = {2, 3}
    for frame_id in range(1, 5):
        lives.bench.publish(frame_id)
    lives.go_on(acknowledge=False)  # the sink is away: every incarnation answers all frames again
    assert lives.deaths == 3
    assert lives.journal.has_suspects
    lives.go_on()
    assert lives.deaths == 3
    assert lives.results == {1: "", 2: "crashed", 3: "crashed", 4: ""}
    assert not lives.journal.has_suspects


def test_a_suspect_that_survives_alone_is_no_suspect_any_more(lives: Lives) -> None:
    lives.model.deadly = {1}
    for frame_id in (1, 2):
        lives.bench.publish(frame_id)
    with pytest.raises(Death):
        lives.bench.loop.step()
    lives.begin(blamed=True)
    lives.model.deadly = set()
    lives.go_on(5)
    assert lives.results == {1: "", 2: ""}
    assert lives.model.calls[1:] == [[1], [2]]
    assert not lives.journal.has_suspects


def test_a_suspect_that_raises_when_alone_is_one_failure(lives: Lives) -> None:
    lives.model.deadly = {1}
    lives.bench.publish(1)
    with pytest.raises(Death):
        lives.bench.loop.step()
    lives.begin(blamed=True)
    lives.model.deadly, lives.model.raises = set(), {1}
    lives.go_on(5)
    assert lives.results == {1: "inference_failed"}


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), SystemExit()])
def test_code_that_asks_to_exit_costs_only_its_frame(lives: Lives, error: BaseException) -> None:
    lives.model.raises, lives.model.error = {2}, error
    for frame_id in range(1, 4):
        lives.bench.publish(frame_id)
    lives.go_on(5)
    assert lives.results == {1: "", 2: "inference_failed", 3: ""}
    assert lives.model.calls == [[1, 2, 3], [1], [2], [3]]


def test_who_was_killed_from_outside_has_no_suspects(lives: Lives) -> None:
    lives.model.deadly = {1}
    for frame_id in (1, 2):
        lives.bench.publish(frame_id)
    with pytest.raises(Death):
        lives.bench.loop.step()
    lives.begin(blamed=False)
    lives.model.deadly = set()
    lives.go_on(5)
    assert lives.model.calls[1:] == [[1, 2]]


def test_a_live_suspect_that_never_comes_again_is_forgotten(tmp_path: Path) -> None:
    bench = Bench(every_frame=False, bit=1)
    Journal(str(tmp_path / "j")).enter([("a", 1)])
    journal = Journal(str(tmp_path / "j"), blamed=True, incarnation=2)
    bench.loop.close()
    bench.begin(journal)
    bench.publish(1)
    bench.publish(2)
    assert journal.has_suspects
    bench.loop.step()
    bench.report()
    bench.loop.step()
    assert [m.frame.frame_id for m in bench.predictions()] == [2]
    assert not journal.has_suspects
    assert bench.predictor.calls == [1]
    assert level_of(1) != level_of(2)
    bench.close()


def test_a_box_that_is_no_finite_number_is_a_failure_of_its_frame(lives: Lives) -> None:
    lives.model.overflows = {2}
    for frame_id in range(1, 4):
        lives.bench.publish(frame_id)
    lives.go_on()
    assert lives.results == {1: "", 2: "inference_failed", 3: ""}
    assert lives.model.calls == [[1, 2, 3]]  # the others are not inferred again: they may have no pixels any more


def test_a_model_that_gives_no_numbers_at_all_ends_its_worker(lives: Lives) -> None:
    lives.model.overflows = set(range(1, 31))
    for frame_id in range(1, 30):
        lives.bench.publish(frame_id)
        lives.go_on()
    lives.bench.publish(30)
    with pytest.raises(BackendError, match=r"^30 frames in a row failed, last: the model gave a box"):
        lives.go_on()
