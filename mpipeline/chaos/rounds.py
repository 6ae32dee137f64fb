"""One run of the pipeline in this process, with or without a striker beside it, watched for standstill and leaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mpipeline.chaos.absences import Absences
from mpipeline.chaos.leaks import Leaks
from mpipeline.chaos.schedule import Schedule
from mpipeline.chaos.staging import Stage
from mpipeline.chaos.striker import Striker
from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config.environment import run_root
from mpipeline.pipeline import Pipeline
from mpipeline.prediction import origin
from mpipeline.supervisor.shutdown import Phase
from mpipeline.supervisor.status import RunStatus
from mpipeline.transport.run_directory import Endpoints

Watch = Callable[[RunStatus], None]


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """What is wanted. `per_job`: a file job that has had so many strikes may end in peace. Seconds: `patience`, until
    one who is not back, or a run that stands still, is a fault; `duration`, 0: until all strikes were delivered."""

    kills: int
    schedule: Schedule
    folder: Path
    per_job: int = 50
    first_job: int = 1
    keep_sinks: bool = False
    tolerance: float = 0.0
    patience: float = 120.0
    duration: float = 0.0
    log_level: str = "info"


class Round:
    """A run of `stage`. `strike_at` makes the striker, given the run's control address."""

    def __init__(self, stage: Stage, options: ChaosOptions, *, every_frame: bool) -> None:
        self.stage = stage
        # In a file job strikes overlap, and progress needs all of them: ready is what can be told of one alone.
        self.absences = Absences(by_progress=not every_frame)
        self.standstill = ""  # who did what when nothing moved for too long
        self._options = options
        self._every_frame = every_frame
        self._clock = SystemClock()
        self._pipeline = Pipeline(stage.config, options.log_level)
        root = stage.config.run_dir if stage.config.run_dir is not None else run_root()
        folder = Path(root) / stage.config.name
        self.endpoint = Endpoints(folder).control
        self._leaks = Leaks(self.endpoint, folder)
        self._watch: Watch | None = None
        self._moved_ns = self._clock.monotonic_ns()
        self._last: object = None

    def run(self, striker: Striker | None = None, watch: Watch | None = None) -> int:
        """Runs to the end; returns the exit code."""
        self._watch = watch
        self._moved_ns = self._clock.monotonic_ns()
        if striker is not None:
            striker.start()
        try:
            return self._pipeline.run(self._look)
        finally:
            if striker is not None:
                striker.end()

    def stop(self) -> None:
        """Ends it: in order at the first call, at once at the second. May be called by a signal handler."""
        self._pipeline.stop()

    def left_behind(self) -> dict[str, list[str]]:
        """What the run has left in the system, by kind."""
        return self._leaks.found()

    def _look(self, status: RunStatus) -> None:
        now = self._clock.monotonic_ns()
        self._leaks.look()
        self.absences.note_workers(status.workers, now)
        for source in status.sources:
            if source.state in ("ENDED", "FAILED"):
                for model in source.by_model or ("",):
                    self.absences.source_over(origin(source.name, model))
        if status.phase == Phase.OVER.value:
            self._leaks.look_at_slots(self._every_frame)
        self._mind_standstill(status, now)
        if self._watch is not None:
            self._watch(status)

    def _mind_standstill(self, status: RunStatus, now_ns: int) -> None:
        """A run in which nothing moves any more would never end by itself: it is ended, and told."""
        state = (status.phase, *((worker.pid, worker.progress) for worker in status.workers))
        if state != self._last:
            self._last, self._moved_ns = state, now_ns
        elif now_ns - self._moved_ns > self._options.patience * NS_PER_S and not self.standstill:
            workers = ", ".join(f"{one.name} {one.state} at {one.progress}" for one in status.workers)
            self.standstill = f"nothing moved for {self._options.patience:g} s while {status.phase}: {workers}"
            self.stop()
            self.stop()
