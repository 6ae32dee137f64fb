"""The schedule: the same for the same seed, spread over roles and moments."""

from __future__ import annotations

from itertools import islice

import pytest

from mpipeline.chaos.schedule import ROLES, Intention, Schedule


def first(count: int, seed: int = 1, job: int = 1, **options: float) -> list[Intention]:
    return list(islice(Schedule(seed, 0.5, ROLES, options.get("freeze", 0.0)).job(job), count))


def test_equal_seeds_give_equal_schedules_and_others_do_not() -> None:
    assert first(50) == first(50)
    assert first(50) != first(50, seed=2)
    assert first(50) != first(50, job=2)


def test_pauses_have_the_wanted_mean_and_a_bound() -> None:
    pauses = [one.pause_s for one in first(4000)]
    assert 0.45 < sum(pauses) / len(pauses) < 0.55
    assert max(pauses) <= 2.0


def test_all_roles_are_struck_about_as_often() -> None:
    roles = [one.role for one in first(3000)]
    assert all(800 < roles.count(role) < 1200 for role in ROLES)


def test_half_of_the_strikes_wait_for_frames_to_flow() -> None:
    assert 400 < sum(one.in_flow for one in first(1000)) < 600


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 240, 360), (1.0, 1000, 1000)])
def test_so_many_strikes_freeze(share: float, low: int, high: int) -> None:
    frozen = [one.freeze_s for one in first(1000, freeze=share) if one.freeze_s]
    assert low <= len(frozen) <= high
    assert all(0.5 <= length <= 3 for length in frozen)


@pytest.mark.parametrize(("choice", "name"), [(0.0, "a"), (0.5, "b"), (0.999, "c")])
def test_the_choice_picks_among_the_names_in_their_order(choice: float, name: str) -> None:
    assert Intention(0, "sink", choice, 0, in_flow=False).pick(["c", "a", "b"]) == name
