"""Strikes workers: a thread that waits for its moments beside the running pipeline, so that any phase of it is hit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mpipeline.chaos.absences import Absences
from mpipeline.chaos.processes import Aim, WorkerProcess, workers_of
from mpipeline.chaos.schedule import Intention
from mpipeline.clock import NS_PER_S, Clock, SystemClock

_LOOK_S = 0.02  # how often it looks whether it may strike, or must thaw
_NOBODY_S = 0.05


@dataclass(frozen=True, slots=True)
class Strike:
    """One that was delivered, `at_s` seconds after the start of its job. `freeze_s` 0: it was a SIGKILL."""

    number: int
    job: int
    at_s: float
    worker: str
    role: str
    pid: int
    freeze_s: float = 0.0

    def record(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


class Striker:
    """Delivers the strikes of one job, until `limit` of them were delivered or the job is over.

    `may_strike` is asked before each one; `flow` gives a number that grows while frames flow; `sources_of` tells by
    which sources the absence of a worker shows in the ledger (none: by the run's status).
    """

    def __init__(
        self,
        endpoint: str,
        intentions: Iterator[Intention],
        limit: int,
        absences: Absences,
        *,
        job: int = 1,
        first: int = 1,
        may_strike: Callable[[], bool] = lambda: True,
        flow: Callable[[], int] | None = None,
        sources_of: Callable[[WorkerProcess], set[str]] = lambda _: set(),
        clock: Clock | None = None,
    ) -> None:
        self.strikes: list[Strike] = []
        self.limit = limit
        self._endpoint = endpoint
        self._intentions = intentions
        self._absences = absences
        self._job, self._first = job, first
        self._may_strike = may_strike
        self._flow = flow
        self._sources_of = sources_of
        self._clock = clock if clock is not None else SystemClock()
        self._started_ns = self._clock.monotonic_ns()
        self._over = threading.Event()
        self._frozen: list[tuple[int, Aim]] = []  # when to thaw whom
        self._thread = threading.Thread(target=self._run, name="chaos-striker", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def end(self) -> None:
        """Strikes no more, and thaws everybody; returns when that is done."""
        self._over.set()
        self._thread.join()

    @property
    def range(self) -> tuple[int, int]:
        """The numbers of the first and the last strike; zeros if there was none."""
        return (self.strikes[0].number, self.strikes[-1].number) if self.strikes else (0, 0)

    @property
    def done(self) -> bool:
        """Whether it will strike no more and nobody is frozen."""
        has_ended = self._thread.ident is not None and not self._thread.is_alive()
        return has_ended or (len(self.strikes) >= self.limit and not self._frozen)

    def _run(self) -> None:
        flow = 0
        try:
            for intention in self._intentions:
                if len(self.strikes) >= self.limit:
                    break
                if intention.in_flow and not self._await_flow(flow):
                    break
                if not self._pause(intention.pause_s):
                    break
                self._deliver(intention)
                flow = self._flow() if self._flow is not None else 0
            while self._frozen and not self._over.is_set():
                self._pause(_LOOK_S)
        finally:
            self._thaw(everybody=True)

    def _await_flow(self, beyond: int) -> bool:
        """Waits until frames have flowed; False if the job is over."""
        while self._flow is not None and self._flow() <= beyond:
            if self._over.wait(_LOOK_S):
                return False
            self._thaw()
        return True

    def _pause(self, seconds: float) -> bool:
        """Waits, and until it may strike; False if the job is over."""
        deadline = self._clock.monotonic_ns() + int(seconds * NS_PER_S)
        while not self._over.is_set():
            self._thaw()
            left = (deadline - self._clock.monotonic_ns()) / NS_PER_S
            if left <= 0 and self._may_strike():
                return True
            self._over.wait(min(left, _LOOK_S) if left > 0 else _LOOK_S)
        return False

    def _deliver(self, intention: Intention) -> None:
        """Strikes as intended; another role, if this one has nobody now. Waits for somebody to be there."""
        while not self._over.is_set():
            present = {worker.name: worker for worker in workers_of(self._endpoint)}
            names = [name for name, worker in present.items() if worker.role == intention.role] or list(present)
            if names and self._strike(present[intention.pick(names)], intention.freeze_s):
                return
            self._over.wait(_NOBODY_S)
            self._thaw()

    def _strike(self, victim: WorkerProcess, freeze_s: float) -> bool:
        aim = Aim(victim, self._endpoint)
        now = self._clock.monotonic_ns()
        if not aim.send(signal.SIGSTOP if freeze_s else signal.SIGKILL):
            aim.close()
            return False
        number = self._first + len(self.strikes)
        at_s = round((now - self._started_ns) / NS_PER_S, 3)
        wall = self._clock.wall_ns()
        self._absences.begin(victim, number, now, wall, self._sources_of(victim), frozen=freeze_s > 0)
        self.strikes.append(Strike(number, self._job, at_s, victim.name, victim.role, victim.pid, freeze_s))
        if freeze_s:
            self._frozen.append((now + int(freeze_s * NS_PER_S), aim))
        else:
            aim.close()
        return True

    def _thaw(self, *, everybody: bool = False) -> None:
        for due_ns, aim in list(self._frozen):
            if everybody or self._clock.monotonic_ns() >= due_ns:
                self._frozen.remove((due_ns, aim))
                aim.send(signal.SIGCONT)
                self._absences.thawed(aim.worker.name, self._clock.monotonic_ns(), self._clock.wall_ns())
                aim.close()
