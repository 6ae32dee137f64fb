"""Absences: measured from the strike, by the ledger or by the run's status, and never by what the dead have left."""

from __future__ import annotations

import pytest

from mpipeline.chaos.absences import Absence, Absences
from mpipeline.chaos.processes import WorkerProcess
from mpipeline.clock import NS_PER_S
from mpipeline.supervisor.status import WorkerStatus

STRUCK = WorkerProcess(10, "sink:video", "sink")
DECODER = WorkerProcess(20, "decoder:gate", "decoder")


def status(pid: int = 10, progress: int = 5, state: str = "RUNNING", name: str = "sink:video") -> WorkerStatus:
    return WorkerStatus(name, name.partition(":")[0], state, pid, 0, progress)


def s(seconds: float) -> int:
    return int(seconds * NS_PER_S)


def struck(absences: Absences, at: float = 1.0, *, frozen: bool = False) -> None:
    absences.note_workers([status()], s(at) - 1)
    absences.begin(STRUCK, 1, s(at), s(at), frozen=frozen)


def test_a_killed_worker_is_back_when_a_newer_one_makes_progress() -> None:
    absences = Absences()
    struck(absences)
    for shown in (status(), status(0, state="BACKOFF"), status(11, 0, "STARTING"), status(11, 0)):
        absences.note_workers([shown], s(2))
        assert absences.anyone()
    absences.note_workers([status(11, 1)], s(3.5))
    assert absences.ended == [Absence(1, "sink", False, 2.5)]
    assert not absences.anyone()


def test_where_strikes_overlap_ready_is_enough() -> None:
    absences = Absences(by_progress=False)
    struck(absences)
    absences.note_workers([status(11, 0, "STARTING")], s(2))
    assert absences.anyone()
    absences.note_workers([status(11, 0)], s(3))
    assert [one.seconds for one in absences.ended] == [2.0]


def test_a_worker_that_is_struck_while_away_is_away_for_longer() -> None:
    absences = Absences()
    struck(absences)
    absences.begin(WorkerProcess(11, "sink:video", "sink"), 2, s(2), s(2), frozen=False)
    absences.note_workers([status(11, 3)], s(3))
    assert absences.anyone(), "that is the second one, which is dead as well"
    absences.note_workers([status(12, 3)], s(4))
    assert absences.ended == [Absence(1, "sink", False, 3.0)]


def test_a_frozen_worker_is_away_from_the_thaw_until_it_goes_on() -> None:
    absences = Absences()
    struck(absences, frozen=True)
    absences.note_workers([status(progress=6)], s(2))
    assert absences.anyone(), "what it had sent before"
    absences.thawed("sink:video", s(3), s(3))
    absences.note_workers([status(progress=6)], s(3.2))
    assert absences.anyone()
    absences.note_workers([status(progress=7)], s(3.5))
    assert absences.ended == [Absence(1, "sink", True, 0.5)]


def test_a_frozen_worker_that_is_killed_counts_from_its_death() -> None:
    absences = Absences()
    struck(absences, frozen=True)
    absences.begin(STRUCK, 2, s(2), s(2), frozen=False)
    absences.thawed("sink:video", s(3), s(3))
    absences.note_workers([status(11, 1)], s(4))
    assert absences.ended == [Absence(1, "sink", False, 2.0)]


@pytest.mark.parametrize("state", ["EXITED", "FATAL"])
def test_who_is_over_is_not_waited_for(state: str) -> None:
    absences = Absences()
    struck(absences)
    absences.note_workers([status(0, state=state)], s(2))
    assert not absences.anyone()
    assert absences.ended == []


def test_by_the_ledger_only_frames_captured_after_the_strike_count() -> None:
    absences = Absences()
    absences.begin(DECODER, 1, s(1), s(100), ["gate"], frozen=False)
    absences.note_workers([status(21, 9, name="decoder:gate")], s(1.1))
    absences.note_line("gate", s(99.9), s(1.2))
    absences.note_line("yard", s(101), s(1.3))
    assert absences.anyone()
    absences.note_line("gate", s(100.5), s(1.75))
    assert absences.ended == [Absence(1, "decoder", False, 0.75)]


def test_by_the_ledger_every_source_must_flow_again() -> None:
    absences = Absences()
    absences.begin(WorkerProcess(5, "inference", "inference"), 1, s(1), s(1), ["gate", "yard"], frozen=False)
    absences.note_line("gate", s(2), s(2))
    assert absences.anyone()
    absences.note_line("yard", s(2), s(4))
    assert [one.seconds for one in absences.ended] == [3.0]


def test_a_source_that_has_ended_is_not_waited_for() -> None:
    absences = Absences()
    absences.begin(DECODER, 1, s(1), s(1), ["gate"], frozen=False)
    absences.source_over("gate")
    assert not absences.anyone()
    assert absences.ended == []


def test_who_stays_away_is_given_up_after_a_while() -> None:
    absences = Absences()
    struck(absences)
    assert absences.overdue(s(5), 10) == []
    assert absences.overdue(s(12), 10) == [("sink:video", 1)]
    assert not absences.anyone()
