"""How far a build has come, told from phases within phases."""

from __future__ import annotations

import pytest

from mpipeline.backends.engines.stages import Phases, Stage


def test_phases_within_phases_make_one_share_that_grows() -> None:
    told: list[Stage] = []
    phases = Phases(told.append)
    phases.begin("engine", None, 2)
    phases.begin("tactics", "engine", 4)
    for number in range(4):
        phases.step("tactics", number)
    phases.end("tactics")
    phases.step("engine", 0)
    phases.step("engine", 1)
    phases.end("engine")
    assert {stage.text for stage in told} == {"engine"}
    shares = [stage.share for stage in told]
    assert shares == pytest.approx([0.0, 0.0, 0.125, 0.25, 0.375, 0.5, 0.5, 1.0])


def test_steps_of_a_phase_that_is_over_count_for_nothing() -> None:
    told: list[Stage] = []
    phases = Phases(told.append)
    phases.step("nothing", 3)
    phases.end("nothing")
    assert told == []
