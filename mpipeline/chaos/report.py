"""What chaos has found: strikes, absences, accounts, faults. As a value, and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mpipeline.chaos.absences import Absence
from mpipeline.chaos.accounts import Flow
from mpipeline.chaos.leaks import KINDS
from mpipeline.chaos.striker import Strike

WRITTEN = ("lost", "duplicated", "out_of_order", "changed", "unknown", "unreadable")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that should not be. `strikes`: the numbers of those that may have brought it about."""

    kind: str
    count: int
    job: int
    detail: str
    strikes: tuple[int, int] = (0, 0)  # first and last; 0: none


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role: its strikes, and how long it was away, in seconds. `measured` absences are behind the figures."""

    role: str
    kills: int
    freezes: int
    measured: int
    median_s: float
    max_s: float


@dataclass
class Report:
    """The whole. `live` tells which of the two kinds of run it was; `resolution_s` how exact the times are."""

    seed: int
    live: bool
    wanted: int
    resolution_s: float
    notes: list[str] = field(default_factory=list)
    jobs: int = 0
    frames: int = 0  # of all struck jobs, in the ledger
    seconds: float = 0.0
    interrupted: bool = False
    strikes: list[Strike] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    flows: dict[str, Flow] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    left_behind: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def rows(self) -> list[RoleRow]:
        """A row for each role that was struck; a freeze has a row of its own, counted from the thaw."""
        roles = sorted({strike.role for strike in self.strikes})
        rows = []
        for frozen in (False, True):
            for role in roles:
                strikes = sum(one.role == role and (one.freeze_s > 0) == frozen for one in self.strikes)
                if strikes:
                    kills, freezes = (0, strikes) if frozen else (strikes, 0)
                    measured, median, longest = _figures(self.absences, role, frozen)
                    rows.append(RoleRow(role, kills, freezes, measured, median, longest))
        return rows

    def written(self) -> dict[str, int]:
        """How many frames or lines were lost, duplicated, and so on, over all jobs and outputs."""
        return {kind: sum(fault.count for fault in self.faults if fault.kind == kind) for kind in WRITTEN}

    def to_mapping(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "seed": self.seed,
            "live": self.live,
            "strikes_wanted": self.wanted,
            "strikes_delivered": len(self.strikes),
            "jobs": self.jobs,
            "frames": self.frames,
            "seconds": round(self.seconds, 1),
            "interrupted": self.interrupted,
            "notes": self.notes,
            "resolution_s": self.resolution_s,
            "roles": [asdict(row) for row in self.rows()],
            "outputs": self.written(),
            "sources": {name: asdict(flow) for name, flow in sorted(self.flows.items())},
            "left_behind": self.left_behind,
            "faults": [asdict(fault) for fault in self.faults],
            "strikes": [strike.record() for strike in self.strikes],
        }

    def note_left_behind(self, found: Mapping[str, list[str]], job: int, strikes: tuple[int, int]) -> None:
        """Takes what a run has left behind; each thing is a fault."""
        for kind, things in found.items():
            self.left_behind[kind] += len(things)
            if things:
                self.faults.append(Fault(kind, len(things), job, "left behind: " + "; ".join(things), strikes))


def _figures(absences: Iterable[Absence], role: str, frozen: bool) -> tuple[int, float, float]:
    times = [one.seconds for one in absences if one.role == role and one.frozen == frozen]
    if not times:
        return 0, 0.0, 0.0
    return len(times), round(statistics.median(times), 3), round(max(times), 3)
