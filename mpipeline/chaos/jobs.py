"""Chaos over file jobs: one undisturbed, then the same under strikes again and again; every output must be equal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from mpipeline.chaos.outputs import findings, frames_in
from mpipeline.chaos.report import Fault, Report
from mpipeline.chaos.rounds import ChaosOptions, Round
from mpipeline.chaos.staging import Stage, staged
from mpipeline.chaos.striker import Striker
from mpipeline.config import RunConfig
from mpipeline.errors import EXIT_DONE, MpipelineError

Notify = Callable[[Report, int], None]  # the report so far, and how many strikes the present job has had

_RESOLUTION_S = 0.25  # the status comes four times a second
_MOST_IN_VAIN = 3


class FileJobs:
    """Runs them all. `notify` is called several times a second."""

    def __init__(self, config: RunConfig, options: ChaosOptions, notify: Notify) -> None:
        self.report = Report(options.schedule.seed, False, options.kills, _RESOLUTION_S)
        self._config = config
        self._options = options
        self._notify = notify
        self._round: Round | None = None

    def run(self) -> Report:
        """All jobs. Raises MpipelineError if the pipeline does not even work undisturbed."""
        reference = self._undisturbed()
        number, in_vain = self._options.first_job, 0
        while len(self.report.strikes) < self.report.wanted and not self.report.interrupted:
            before = len(self.report.strikes)
            self._struck(number, reference)
            number += 1
            in_vain = in_vain + 1 if len(self.report.strikes) == before else 0
            if in_vain >= _MOST_IN_VAIN:
                raise MpipelineError(
                    "the jobs end before anybody can be struck: give longer videos, or a lower --every"
                )
        return self.report

    def stop(self) -> None:
        """Ends the present job, which is not judged then, and all."""
        self.report.interrupted = True
        if self._round is not None:
            self._round.stop()

    def _is_stopped(self) -> bool:
        return self.report.interrupted

    def _undisturbed(self) -> Stage:
        stage = staged(self._config, self._options.folder / "undisturbed", keep_sinks=self._options.keep_sinks)
        self._round = Round(stage, self._options, every_frame=True)
        code = self._round.run(None, lambda _: self._notify(self.report, 0))
        if not self.report.interrupted:
            if code != EXIT_DONE:
                raise MpipelineError(f"undisturbed, the run ends with exit code {code}: mend that first")
            if not frames_in(stage):
                raise MpipelineError("undisturbed, the run yields no frame at all: nothing could be lost")
        return stage

    def _struck(self, number: int, reference: Stage) -> None:
        options, report = self._options, self.report
        stage = staged(self._config, options.folder / f"job-{number}", keep_sinks=options.keep_sinks)
        run = self._round = Round(stage, options, every_frame=True)
        delivered = len(report.strikes)
        striker = Striker(
            run.endpoint,
            options.schedule.job(number),
            min(options.per_job, report.wanted - delivered),
            run.absences,
            job=number,
            first=delivered + 1,
            flow=lambda: _size(stage.ledger),
        )
        if self._is_stopped():  # between two jobs
            return
        code = run.run(striker, lambda _: self._notify(report, len(striker.strikes)))
        report.strikes += striker.strikes
        report.absences += run.absences.ended
        if self._is_stopped() and not run.standstill:
            return
        report.jobs += 1
        report.frames += sum(frames_in(stage).values())
        faults = len(report.faults)
        self._judge(number, stage, reference, code, run, striker.range)
        if len(report.faults) == faults:
            shutil.rmtree(stage.folder, ignore_errors=True)

    def _judge(
        self, number: int, stage: Stage, reference: Stage, code: int, run: Round, strikes: tuple[int, int]
    ) -> None:
        faults = self.report.faults
        if run.standstill:
            faults.append(Fault("standstill", 1, number, run.standstill, strikes))
        elif code != EXIT_DONE:
            faults.append(Fault("exit_code", 1, number, f"the run ended with exit code {code}", strikes))
        for one in findings(reference, stage, self._options.tolerance):
            faults.append(Fault(one.kind, one.count, number, f"sink {one.sink}: {one.detail}", strikes))
        self.report.note_left_behind(run.left_behind(), number, strikes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
