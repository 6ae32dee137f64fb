"""Permits to connect: how many there are, who may use which, and that they come back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mpipeline.workers.permits import Permit, Permits


def take_all(permits: Permits, *, failing: bool = False) -> list[Permit]:
    taken = []
    while (permit := permits.take(failing=failing)) is not None:
        taken.append(permit)
    return taken


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_there_are_so_many_and_no_more(tmp_path: Path, count: int) -> None:
    mine, others = Permits(tmp_path, count), Permits(tmp_path, count)
    taken = take_all(mine)
    assert len(taken) == count
    assert others.take() is None
    taken[0].give_back()
    taken[0].give_back()
    again = others.take()
    assert again is not None
    assert mine.take() is None


@pytest.mark.parametrize(("count", "half"), [(1, 1), (2, 1), (5, 2), (8, 4)])
def test_failing_sources_have_half_of_them(tmp_path: Path, count: int, half: int) -> None:
    permits = Permits(tmp_path, count)
    assert len(take_all(permits, failing=True)) == half
    assert len(take_all(permits)) == count - half


def test_healthy_sources_leave_the_half_of_the_failing_ones_for_the_last(tmp_path: Path) -> None:
    permits = Permits(tmp_path, 4)
    healthy = [permits.take() for _ in range(2)]
    assert all(permit is not None for permit in healthy)
    assert len(take_all(permits, failing=True)) == 2


def test_a_permit_is_gone_with_its_descriptors_as_when_a_process_dies(tmp_path: Path) -> None:
    permits = Permits(tmp_path, 1)
    permit = permits.take()
    assert permit is not None
    assert permits.take() is None
    assert permit._descriptor is not None
    os.close(permit._descriptor)
    permit._descriptor = None
    assert permits.take() is not None


def test_the_files_are_private_and_are_not_inherited(tmp_path: Path) -> None:
    permit = Permits(tmp_path, 3).take()
    assert permit is not None
    (made,) = tmp_path.iterdir()
    assert made.name == "connect-2"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert permit._descriptor is not None
    assert not os.get_inheritable(permit._descriptor)


def test_a_link_laid_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "connect-0").symlink_to(tmp_path / "victim")
    assert Permits(tmp_path / "run", 1).take() is not None
    assert not (tmp_path / "victim").exists()


def test_without_a_usable_folder_there_is_no_limit_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    permits = Permits(tmp_path / "absent", 1)
    assert all(permits.take() is not None for _ in range(3))
    assert [record.event for record in caplog.records] == ["permits_unusable"]  # type: ignore[attr-defined]


def test_from_a_spec(tmp_path: Path) -> None:
    assert Permits.from_spec(None) is None
    permits = Permits.from_spec({"folder": str(tmp_path), "count": 3})
    assert permits is not None
    assert len(take_all(permits)) == 3
