"""Records that are sent together, of which a server refuses some."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipeline.errors import PredictionRejected, SinkError
from mpipeline.sinks.gathered import Gathered


@given(
    count=st.integers(0, 40), most=st.integers(1, 12), bad=st.sets(st.integers(0, 39)), away=st.sets(st.integers(0, 30))
)
def test_each_good_one_arrives_once_in_order_and_each_bad_one_is_told(
    count: int, most: int, bad: set[int], away: set[int]
) -> None:
    gathered: Gathered[int] = Gathered(most)
    arrived: list[int] = []
    calls, refused = 0, 0

    def deliver(batch: list[int]) -> None:
        nonlocal calls
        calls += 1
        assert 1 <= len(batch) <= most
        if calls in away:
            raise SinkError("away", retryable=True)
        if bad & set(batch):
            raise PredictionRejected("there is a bad one among them")
        arrived.extend(batch)

    for item in range(count):
        gathered.add(item)
    while True:
        try:
            gathered.send(deliver)
            break
        except PredictionRejected:
            refused += 1
        except SinkError:
            continue
    assert arrived == [item for item in range(count) if item not in bad]
    assert refused == len([item for item in bad if item < count])


def test_one_bad_one_costs_few_calls() -> None:
    gathered: Gathered[int] = Gathered(64)
    calls = 0

    def deliver(batch: list[int]) -> None:
        nonlocal calls
        calls += 1
        if 40 in batch:
            raise PredictionRejected("40")

    for item in range(64):
        gathered.add(item)
    with pytest.raises(PredictionRejected):
        gathered.send(deliver)
    gathered.send(deliver)
    assert calls <= 24
    gathered.send(deliver)
    assert calls <= 24
