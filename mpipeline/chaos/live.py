"""Chaos over live streams: one run, one strike at a time, each measured until every stream flows again."""

from __future__ import annotations

from typing import Any

from mpipeline.chaos.accounts import Flow, origin_of
from mpipeline.chaos.jobs import Notify
from mpipeline.chaos.processes import WorkerProcess
from mpipeline.chaos.report import Fault, Report
from mpipeline.chaos.rounds import ChaosOptions, Round
from mpipeline.chaos.staging import LEDGER, staged
from mpipeline.chaos.striker import Striker
from mpipeline.chaos.tail import RESOLUTION_S, Tail, captured_ns
from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config import RunConfig
from mpipeline.errors import EXIT_DONE
from mpipeline.prediction import origin
from mpipeline.supervisor.plan import decoder_name, make_plan, sink_name
from mpipeline.supervisor.status import RunStatus

_FLOWS_NS = 5 * NS_PER_S  # a source whose last line is older did not flow when the strike came
_PEACE_NS = NS_PER_S  # after the last strike, and before the first one
_JOB = 1


class LiveRun:
    """Runs for `duration`, or until all strikes were delivered and everybody is back."""

    def __init__(self, config: RunConfig, options: ChaosOptions, notify: Notify, every_frame: frozenset[str]) -> None:
        self.report = Report(options.schedule.seed, True, options.kills, RESOLUTION_S)
        self._options = options
        self._notify = notify
        self._every_frame = every_frame  # sources of which not even a live run may lose a frame
        self._clock = SystemClock()
        self._stage = staged(config, options.folder / "live", keep_sinks=options.keep_sinks)
        self._round = Round(self._stage, options, every_frame=False)
        self._tail = Tail(self._stage.ledger, self._take)
        self._flows: dict[str, Flow] = {  # by origin
            origin(source.name, model): Flow() for source in config.sources for model in config.models_of(source)
        }
        self._inferred = {  # inference process → origins
            one.worker: {origin(source, one.name) for source in one.sources} for one in make_plan(config).models
        }
        self._seen_ns: dict[str, int] = {}
        self._started_ns = self._clock.monotonic_ns()
        self._peace_ns = 0  # since when all strikes are delivered and everybody is back
        self._is_ending = False
        self._striker = Striker(
            self._round.endpoint,
            options.schedule.job(options.first_job),
            options.kills,
            self._round.absences,
            job=_JOB,
            may_strike=self._may_strike,
            sources_of=self._sources_of,
        )

    def run(self) -> Report:
        """The whole run."""
        report = self.report
        self._started_ns = self._clock.monotonic_ns()
        self._tail.start()
        try:
            code = self._round.run(self._striker, self._watch)
        finally:
            self._tail.end()
        report.jobs, report.strikes, report.flows = 1, self._striker.strikes, self._flows
        report.absences = self._round.absences.ended
        report.frames = sum(flow.frames for flow in self._flows.values())
        self._judge(code)
        return report

    def stop(self) -> None:
        """Ends it early."""
        self.report.interrupted = True
        self._end()

    # --- while it runs ------------------------------------------------------------------------------------------

    def _take(self, record: dict[str, Any], seen_ns: int) -> None:
        source = origin_of(record)
        self._flows.setdefault(source, Flow()).note(int(record["frame_id"]), failure="error" in record)
        self._seen_ns[source] = seen_ns
        self._round.absences.note_line(source, captured_ns(record), seen_ns)

    def _flowing(self) -> set[str]:
        now = self._clock.monotonic_ns()
        return {source for source, seen in list(self._seen_ns.items()) if now - seen < _FLOWS_NS}

    def _may_strike(self) -> bool:
        """Once the streams flow, and while nobody is away: so it is known whose strike an absence belongs to."""
        if self._is_ending or self._round.absences.anyone():
            return False
        waited = self._clock.monotonic_ns() - self._started_ns > self._options.patience * NS_PER_S
        return bool(self._seen_ns) and (waited or len(self._seen_ns) >= len(self._flows))

    def _sources_of(self, worker: WorkerProcess) -> set[str]:
        """By which sources' lines it shows that this worker is back."""
        flowing = self._flowing()
        if worker.role == "decoder":
            return {source for source in flowing if decoder_name(_parts(source)[0]) == worker.name}
        if worker.role == "inference":
            return {one for one in flowing if one in self._inferred.get(worker.name, ())}
        return flowing if worker.name == sink_name(LEDGER) else set()

    def _watch(self, status: RunStatus) -> None:
        now = self._clock.monotonic_ns()
        for worker, strike in self._round.absences.overdue(now, self._options.patience):
            text = f"{worker} was not back {self._options.patience:g} s after strike {strike}"
            self.report.faults.append(Fault("not_back", 1, _JOB, text, (strike, strike)))
        for source in status.sources:
            for model in source.by_model or ("",):
                own = [n for reason, n in source.dropped.items() if " " not in reason or reason.startswith(f"{model} ")]
                self._flows[origin(source.name, model)].counted = sum(own)
        quiet = self._striker.done and not self._round.absences.anyone()
        self._peace_ns = (self._peace_ns or now) if quiet else 0
        duration = self._options.duration
        if duration:
            over = now - self._started_ns > duration * NS_PER_S and not self._round.absences.anyone()
        else:
            over = self._peace_ns > 0 and now - self._peace_ns > _PEACE_NS
        if over:
            self._end()
        self._notify(self.report, len(self._striker.strikes))

    def _end(self) -> None:
        first, self._is_ending = not self._is_ending, True
        if first or self.report.interrupted:
            self._round.stop()

    # --- afterwards ---------------------------------------------------------------------------------------------

    def _judge(self, code: int) -> None:
        faults, strikes = self.report.faults, self._striker.range
        if self._round.standstill:
            faults.append(Fault("standstill", 1, _JOB, self._round.standstill, strikes))
        elif code != EXIT_DONE and not self.report.interrupted:  # a stop may cut work short, which is no fault
            faults.append(Fault("exit_code", 1, _JOB, f"the run ended with exit code {code}", strikes))
        for source, flow in sorted(self._flows.items()):
            for kind in ("duplicated", "out_of_order"):
                if count := getattr(flow, kind):
                    faults.append(Fault(kind, count, _JOB, f"{count} lines of source {source}", strikes))
            if _parts(source)[0] in self._every_frame and flow.missing:
                text = f"{flow.missing} frames of source {source}, of which every one was promised"
                faults.append(Fault("lost", flow.missing, _JOB, text, strikes))
        if self._tail.unreadable:
            faults.append(Fault("unreadable", self._tail.unreadable, _JOB, "lines of the ledger", strikes))
        self.report.note_left_behind(self._round.left_behind(), _JOB, strikes)


def _parts(found: str) -> tuple[str, str]:
    """Source and model of an origin."""
    source, _, model = found.partition(":")
    return source, model
