"""How long struck workers are away, measured by what flows again. Pure: times come in, figures go out.

Two measures. By the *ledger*: away until each source that flowed has a line whose frame was captured after the strike,
which no dead process can have had a part in. By the run's *status*: until a newer incarnation is ready, or has made
progress of its own where `by_progress`; a thawed process until it makes progress.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from mpipeline.chaos.processes import WorkerProcess
from mpipeline.clock import NS_PER_MS, NS_PER_S
from mpipeline.supervisor.status import WorkerStatus

_LAST_BREATH_NS = 5 * NS_PER_MS  # a process may still do a little after the signal was sent


@dataclass(frozen=True, slots=True)
class Absence:
    """One that has ended: `seconds` from the strike (the thaw, if it was frozen) until things flowed again."""

    strike: int
    role: str
    frozen: bool
    seconds: float


@dataclass(slots=True)
class _Away:
    strike: int
    role: str
    frozen: bool
    since_ns: int
    captured_after_ns: int
    pids: set[int]  # of the struck incarnation and those before it
    progress: int
    sources: set[str] = field(default_factory=set)  # that are waited for; empty: measured by the status
    counts: bool = True  # False while it is frozen


class Absences:
    """Who is away, and since when. Safe for use by two threads."""

    def __init__(self, *, by_progress: bool = True) -> None:
        self._by_progress = by_progress
        self.ended: list[Absence] = []
        self._away: dict[str, _Away] = {}
        self._workers: dict[str, WorkerStatus] = {}
        self._lock = threading.Lock()

    def begin(
        self,
        worker: WorkerProcess,
        strike: int,
        now_ns: int,
        wall_ns: int,
        sources: Iterable[str] = (),
        *,
        frozen: bool,
    ) -> None:
        """A worker was struck. One that is away already is not counted anew: it was away longer, not twice."""
        with self._lock:
            known = self._workers.get(worker.name)
            pids, progress = ({worker.pid, known.pid}, known.progress) if known is not None else ({worker.pid}, 0)
            away = self._away.get(worker.name)
            if away is None:
                after = wall_ns + _LAST_BREATH_NS
                fresh = _Away(strike, worker.role, frozen, now_ns, after, pids, progress, set(sources), not frozen)
                self._away[worker.name] = fresh
            elif not frozen:  # it comes back as a new one, also if it was frozen
                away.since_ns = away.since_ns if away.counts else now_ns
                away.captured_after_ns = wall_ns + _LAST_BREATH_NS
                away.pids |= pids
                away.frozen, away.counts = False, True

    def thawed(self, worker: str, now_ns: int, wall_ns: int) -> None:
        """A frozen worker may go on: its absence is counted from here."""
        with self._lock:
            away = self._away.get(worker)
            if away is not None and not away.counts:
                known = self._workers.get(worker)
                away.since_ns, away.captured_after_ns, away.counts = now_ns, wall_ns, True
                away.progress = known.progress if known is not None else 0

    def note_workers(self, workers: Iterable[WorkerStatus], now_ns: int) -> None:
        """The run's status. Who is over for good is waited for no longer."""
        with self._lock:
            for worker in workers:
                self._workers[worker.name] = worker
                away = self._away.get(worker.name)
                if away is None or not away.counts:
                    continue
                if worker.state in ("EXITED", "FATAL"):
                    del self._away[worker.name]
                    continue
                works = worker.progress > 0 if self._by_progress else worker.state == "RUNNING"
                newer = worker.pid and worker.pid not in away.pids and works
                thawed = away.frozen and worker.progress > away.progress
                if not away.sources and (newer or thawed):
                    self._end(worker.name, away, now_ns)

    def note_line(self, source: str, captured_ns: int, now_ns: int) -> None:
        """A line of the ledger: of which source, and when its frame was captured (wall clock)."""
        with self._lock:
            for name, away in list(self._away.items()):
                if away.counts and source in away.sources and captured_ns > away.captured_after_ns:
                    away.sources.discard(source)
                    if not away.sources:
                        self._end(name, away, now_ns)

    def source_over(self, source: str) -> None:
        """A source has ended: no line of it is waited for."""
        with self._lock:
            for name, away in list(self._away.items()):
                if source in away.sources:
                    away.sources.discard(source)
                    if not away.sources:
                        del self._away[name]

    def anyone(self) -> bool:
        """Whether somebody is away."""
        with self._lock:
            return bool(self._away)

    def overdue(self, now_ns: int, patience_s: float) -> list[tuple[str, int]]:
        """Worker and strike of those who have been away for longer; they are given up."""
        with self._lock:
            late = [
                (name, away.strike)
                for name, away in self._away.items()
                if away.counts and now_ns - away.since_ns > patience_s * NS_PER_S
            ]
            for name, _ in late:
                del self._away[name]
            return late

    def _end(self, name: str, away: _Away, now_ns: int) -> None:
        seconds = (now_ns - away.since_ns) / NS_PER_S
        self.ended.append(Absence(away.strike, away.role, away.frozen, seconds))
        del self._away[name]
