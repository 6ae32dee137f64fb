"""What a person sees of chaos: a line of progress, and the tables at the end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from mpipeline.chaos.report import Report
from mpipeline.clock import NS_PER_S, SystemClock

_LINE_NS = 10 * NS_PER_S
_MOST_FAULTS = 20


class Progress:
    """One line: it changes on a terminal, and is repeated now and then anywhere else. A context manager."""

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._console = console
        self._enabled = enabled
        self._status: Status | None = None
        self._next_ns = 0

    def __enter__(self) -> Progress:
        if self._enabled and self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, report: Report, strikes: int) -> None:
        """Takes the report so far, and the strikes of the present run, which are not in it yet."""
        if not self._enabled:
            return
        line = progress_line(report, strikes)
        now = SystemClock().monotonic_ns()
        if self._status is not None:
            self._status.update(line)
        elif now >= self._next_ns:
            self._next_ns = now + _LINE_NS
            self._console.print(line, soft_wrap=True)


def progress_line(report: Report, strikes: int) -> str:
    """How far it is."""
    done = len(report.strikes) + strikes
    jobs = "" if report.live else f", {report.jobs} jobs judged"
    frames = "" if report.live else f", {report.frames} frames"
    return f"{done} of {report.wanted} strikes{jobs}{frames}, {len(report.faults)} faults so far"


def print_report(report: Report, folder: Path | None, console: Console) -> None:
    """The tables; `folder` is where outputs and log were kept."""
    what = "a live run" if report.live else f"{report.jobs} struck jobs"
    console.print(
        f"[bold]chaos[/] seed {report.seed}: {len(report.strikes)} of {report.wanted} strikes in {what}, "
        f"{report.frames} frames, {report.seconds:.0f} s{', interrupted' if report.interrupted else ''}"
    )
    for note in report.notes:
        console.print(escape(note), style="dim")
    console.print(_roles(report))
    if report.live:
        console.print(_flows(report))
    written = report.written()
    console.print("outputs      " + _counts(written if not report.live else _of_live(written)))
    console.print("left behind  " + _counts(report.left_behind))
    for fault in report.faults[:_MOST_FAULTS]:
        where = f"seed {report.seed}, " + ("" if report.live else f"job {fault.job}, ")
        strikes = "no strike" if fault.strikes == (0, 0) else f"strikes {fault.strikes[0]} to {fault.strikes[1]}"
        console.print(f"[red]{fault.kind}[/] ({where}{strikes}): {escape(fault.detail)}")
    if len(report.faults) > _MOST_FAULTS:
        console.print(f"and {len(report.faults) - _MOST_FAULTS} more faults")
    if folder is not None:
        console.print(f"outputs and log: {folder}")
    many = "1 fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
    verdict = f"[red]{many}[/]" if report.faults else "[green]no fault[/]"
    console.print(f"[bold]{verdict}[/]")


def _roles(report: Report) -> Table:
    until = "every stream flows again" if report.live else "it is ready again, further strikes meanwhile included"
    title = f"time away until {until} (resolution {report.resolution_s:g} s)"
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("role", "kills", "freezes", "measured", "median", "maximum"):
        table.add_column(heading, justify="left" if heading == "role" else "right")
    for row in report.rows():
        times = (f"{row.median_s:.2f} s", f"{row.max_s:.2f} s") if row.measured else ("-", "-")
        table.add_row(row.role, str(row.kills), str(row.freezes), str(row.measured), *times)
    return table


def _flows(report: Report) -> Table:
    table = Table(title="frames in the ledger, by their ids", title_justify="left", box=None)
    for heading in ("source", "frames", "missing", "gaps", "dropped", "repeated", "out of order", "errors"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for name, flow in sorted(report.flows.items()):
        numbers = (
            flow.frames,
            flow.missing,
            flow.gaps,
            flow.counted,
            flow.duplicated,
            flow.out_of_order,
            flow.failures,
        )
        table.add_row(escape(name), *map(str, numbers))
    return table


def _of_live(written: dict[str, int]) -> dict[str, int]:
    return {kind: written[kind] for kind in ("duplicated", "out_of_order", "unreadable")}


def _counts(counts: dict[str, int]) -> str:
    return "   ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in counts.items())
