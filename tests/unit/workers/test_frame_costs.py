"""What a frame costs each role is not more than it was: counted in calls and messages, which no other load changes."""

from __future__ import annotations

import pytest
from support import frame_costs
from support.frame_costs import Cost


@pytest.fixture(scope="module")
def measured() -> dict[str, Cost]:
    return frame_costs.measured()


@pytest.mark.parametrize("role", frame_costs.kept())
def test_a_frame_costs_no_more_than_it_did(role: str, measured: dict[str, Cost]) -> None:
    grown = frame_costs.growth(role, frame_costs.kept()[role], measured[role])
    assert not grown, grown


def test_growth_is_told_with_the_functions_that_grew() -> None:
    before = Cost(10.0, 1.0, {"ring.writer: publish": 1.0, "workers.decoder: step": 9.0})
    now = Cost(12.0, 2.0, {"ring.writer: publish": 3.0, "workers.decoder: step": 9.0})
    told = frame_costs.growth("decoder", before, now)
    assert "12.0 calls a frame, 10.0 before" in told
    assert "ring.writer: publish: from 1.0 to 3.0" in told
    assert "workers.decoder" not in told
    assert "2.0 messages a frame, 1.0 before" in told
    assert "benchmarks.calls --update" in told
    assert not frame_costs.growth("decoder", before, Cost(10.4, 1.0, {}))
