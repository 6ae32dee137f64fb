"""The journal: deaths are counted for those in flight when the process was to blame, and nothing else is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpipeline.workers.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def left_in_flight(path: str, *frames: tuple[str, int], blamed: bool = False, incarnation: int = 1) -> None:
    """A process opens the journal and dies with these frames in the model: nothing is closed, nothing is told."""
    Journal(path, blamed=blamed, incarnation=incarnation).enter(frames)


def test_a_frame_in_flight_gets_a_death_for_each_crash(path: str) -> None:
    left_in_flight(path, ("a", 5), ("b", 9))
    left_in_flight(path, ("a", 5), blamed=True, incarnation=2)
    journal = Journal(path, blamed=True, incarnation=3)
    assert [journal.deaths("a", 5), journal.deaths("b", 9)] == [2, 1]
    assert [journal.deaths("a", 6), journal.deaths("b", 5)] == [0, 0]
    assert journal.has_suspects


def test_who_is_killed_from_outside_blames_no_frame_and_forgets_no_death(path: str) -> None:
    left_in_flight(path, ("a", 5))
    left_in_flight(path, ("a", 6), blamed=True, incarnation=2)
    journal = Journal(path, blamed=False, incarnation=3)
    assert [journal.deaths("a", 5), journal.deaths("a", 6)] == [1, 0]


def test_a_crash_outside_the_model_blames_no_frame(path: str) -> None:
    first = Journal(path)
    first.enter([("a", 1)])
    first.leave()
    assert not Journal(path, blamed=True, incarnation=2).has_suspects


def test_a_crash_before_the_journal_was_opened_blames_no_frame(path: str) -> None:
    left_in_flight(path, ("a", 5))  # killed from outside; the second crashes while it starts
    assert not Journal(path, blamed=True, incarnation=3).has_suspects


def test_deaths_are_on_disk_before_the_next_crash(path: str) -> None:
    left_in_flight(path, ("a", 5))
    Journal(path, blamed=True, incarnation=2)  # and dies before any frame
    assert Journal(path, blamed=True, incarnation=3).deaths("a", 5) == 1


def test_frames_that_are_through_are_forgotten(path: str) -> None:
    left_in_flight(path, ("a", 5), ("a", 6), ("b", 5))
    journal = Journal(path, blamed=True, incarnation=2)
    journal.forget("a", 5)
    assert [journal.deaths("a", 5), journal.deaths("a", 6), journal.deaths("b", 5)] == [0, 1, 1]
    again = Journal(path)
    assert [again.deaths("a", 5), again.deaths("a", 6), again.deaths("b", 5)] == [0, 1, 1]
    again.forget("a", 99)
    again.forget("b", 99)
    assert not again.has_suspects


@pytest.mark.parametrize("size", range(0, 88, 3))
def test_a_torn_journal_is_an_empty_one(path: str, size: int) -> None:
    left_in_flight(path, ("a", 5), ("a", 6))
    os.truncate(path, size)
    journal = Journal(path, blamed=True, incarnation=2)
    assert journal.has_suspects == (size > 56)  # a head of 16 bytes, three rows of 16; the last 7 are zero anyway
    journal.enter([("a", 7)])
    assert Journal(path, blamed=True, incarnation=3).deaths("a", 7) == 1


def test_more_frames_than_there_is_room_for_are_left_out(path: str) -> None:
    left_in_flight(path, *(("a", n) for n in range(1, 5001)))
    journal = Journal(path, blamed=True, incarnation=2)
    assert (journal.deaths("a", 1), journal.deaths("a", 1300), journal.deaths("a", 5000)) == (1, 1, 0)
    assert Journal(path).deaths("a", 1300) == 1
    assert os.stat(path).st_size == 1 << 16


@pytest.mark.parametrize(
    "content", [b"", b"x", b"not a journal, but long enough to be one: " * 4, bytes(4096), b"\xff" * (1 << 17)]
)
def test_a_foreign_journal_is_an_empty_one(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    assert not Journal(path, blamed=True, incarnation=2).has_suspects


def test_every_single_byte_is_under_the_checksum(path: str) -> None:
    left_in_flight(path, ("a", 5))
    whole = Path(path).read_bytes()
    for i in range(48):  # the head, the incarnation and one frame
        Path(path).write_bytes(whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :])
        assert not Journal(path, blamed=True, incarnation=2).has_suspects, i


def test_where_no_journal_can_be_kept_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(str(tmp_path / "no folder" / "journal"), blamed=True, incarnation=2)
    journal.enter([("a", 1)])
    journal.leave()
    journal.close()
    assert not journal.has_suspects
    assert [record.event for record in caplog.records] == ["no_journal"]  # type: ignore[attr-defined]


def test_without_a_path_nothing_is_written() -> None:
    journal = Journal()
    journal.enter([("a", 1)])
    journal.leave()
    assert journal.deaths("a", 1) == 0
    journal.close()
    journal.close()


def test_other_users_cannot_read_it(path: str) -> None:
    Journal(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
