"""Askers of a run's status: each is answered, all with one snapshot, and no more often than ten times a second."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.clock import ManualClock
from mpipeline.errors import ProtocolError
from mpipeline.messages import StatusAnswer
from mpipeline.supervisor.status import RunStatus, SinkState, SourceStatus, WorkerStatus
from mpipeline.supervisor.status_desk import StatusDesk
from mpipeline.supervisor.status_mapping import from_mapping, to_mapping
from mpipeline.transport import codec

STATUS = RunStatus(
    name="cameras",
    phase="running",
    sources=(SourceStatus("gate", "STREAMING", live=True, frames=7, dropped={"expired": 2}, latency_seconds=0.25),),
    workers=(WorkerStatus("inference", "inference", "RUNNING", 12, 1, 7, memory_mb=80.5, cpu=0.5),),
    metrics={},
    attached=("watcher",),
    sinks=(SinkState("jsonl", "jsonl", "RETRYING", "no_space", "disk full", dropped={"queue_full": 1}),),
)


class Desk:
    """A desk whose answers are kept, and whose snapshots are counted."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.clock.advance(1)
        self.sent: list[tuple[str, bytes]] = []
        self.looks = 0
        self.desk = StatusDesk(lambda who, data: self.sent.append((who, data)), self.status, self.clock)

    def status(self) -> RunStatus:
        self.looks += 1
        return STATUS


def test_an_asker_is_told_everything() -> None:
    bench = Desk()
    bench.desk.ask("status:1")
    bench.desk.serve()
    ((who, data),) = bench.sent
    answer = codec.decode(data)
    assert who == "status:1"
    assert isinstance(answer, StatusAnswer)
    assert from_mapping(answer.status) == STATUS


def test_many_askers_cost_one_look_and_a_flood_of_one_costs_no_more() -> None:
    bench = Desk()
    for asker in range(100):
        for _ in range(100):
            bench.desk.ask(f"status:{asker}")
    bench.desk.serve()
    assert (bench.looks, len(bench.sent)) == (1, 100)
    for _ in range(1000):
        bench.desk.ask("status:1")
        bench.desk.serve()
    assert (bench.looks, len(bench.sent)) == (1, 100)
    bench.clock.advance(0.11)
    bench.desk.serve()
    assert (bench.looks, len(bench.sent)) == (2, 101)


def test_no_more_are_noted_than_can_be_answered() -> None:
    bench = Desk()
    for asker in range(100_000):
        bench.desk.ask(f"status:{asker}")
    bench.desk.serve()
    assert len(bench.sent) == 256


def test_nothing_is_looked_at_unless_somebody_asks() -> None:
    bench = Desk()
    for _ in range(10):
        bench.clock.advance(1)
        bench.desk.serve()
    assert bench.looks == 0


def test_a_later_version_may_tell_more() -> None:
    mapping = to_mapping(STATUS)
    mapping["weather"] = "fair"
    mapping["sources"] = [{**mapping["sources"][0], "colour": "red"}]
    assert from_mapping(mapping) == STATUS


@pytest.mark.parametrize("mapping", [{}, {**to_mapping(STATUS), "sources": 3}, {**to_mapping(STATUS), "sinks": [{}]}])
def test_what_is_no_status_is_told(mapping: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="not a status of this version"):
        from_mapping(mapping)


def test_ten_times_a_second_are_enough() -> None:
    bench = Desk()
    for _ in range(1000):
        bench.clock.advance(0.001)
        bench.desk.ask("status:1")
        bench.desk.serve()
    assert 9 <= bench.looks <= 11
