"""Leases that wait for acknowledgements."""

from __future__ import annotations

from typing import Any

from mpipeline.workers.ledger import Ledger


class Lease:
    """Counts its releases."""

    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


def keep(ledger: Ledger, frame_id: int, *sinks: str) -> Any:
    lease: Any = Lease()
    ledger.keep("a", frame_id, lease, sinks)
    return lease


def test_given_back_when_the_last_sink_has_acknowledged() -> None:
    ledger = Ledger()
    lease = keep(ledger, 1, "x", "y")
    ledger.settle("a", 1, "x")
    ledger.settle("a", 1, "x")
    ledger.settle("a", 1, "nobody")
    ledger.settle("b", 1, "y")
    assert (lease.released, len(ledger)) == (0, 1)
    ledger.settle("a", 1, "y")
    assert (lease.released, len(ledger)) == (1, 0)
    ledger.settle("a", 1, "y")
    assert lease.released == 1


def test_given_back_at_once_without_sinks() -> None:
    ledger = Ledger()
    assert keep(ledger, 1).released == 1
    assert len(ledger) == 0


def test_a_sink_that_is_gone_is_forgiven_everything() -> None:
    ledger = Ledger()
    one, two = keep(ledger, 1, "x"), keep(ledger, 2, "x", "y")
    ledger.forgive("x")
    assert (one.released, two.released, len(ledger)) == (1, 0, 1)


def test_a_source_whose_rings_are_gone_is_forgotten_alone() -> None:
    ledger = Ledger()
    lost, kept = keep(ledger, 1, "x"), keep(ledger, 2, "x")
    ledger.keep("b", 1, kept, ["x"])
    ledger.forget("a")
    ledger.settle("a", 1, "x")
    ledger.settle("b", 1, "x")
    assert (lost.released, kept.released, len(ledger)) == (0, 1, 0)


def test_forgetting_leaves_the_slots_held() -> None:
    ledger = Ledger()
    lease = keep(ledger, 1, "x")
    ledger.forget()
    ledger.settle("a", 1, "x")
    assert (lease.released, len(ledger)) == (0, 0)
