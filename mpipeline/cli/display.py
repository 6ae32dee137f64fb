"""What a person sees of a run: a live table on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mpipeline import log
from mpipeline.cli.printed import taken_in
from mpipeline.cli.terminal import Fitting
from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config import RunConfig
from mpipeline.supervisor.status import RunStatus, SourceStatus

logger = logging.getLogger("mpipeline.progress")

_TABLE_NS = NS_PER_S // 4
_TEXTS = ("source", "state", "size", "progress", "inferred")
_LINE_NS = 5 * NS_PER_S
_WINDOW_NS = 3 * NS_PER_S  # frame rates are means over this time


@contextmanager
def display(
    config: RunConfig, *, json: bool, level: str, enabled: bool, stream: TextIO
) -> Iterator[Callable[[RunStatus], None] | None]:
    """Gives a function that takes the run's status as often as it likes; None if nothing is to be shown."""
    if not enabled:
        yield None
    elif stream.isatty() and not json:
        console = Console(file=stream)
        with Live(console=console, refresh_per_second=4, transient=False) as live:
            log.configure(level=level, stream=cast(TextIO, _Above(console)))
            rates = Rates()
            last = [0]

            def show(status: RunStatus) -> None:
                now = SystemClock().monotonic_ns()
                rates.note(status, now)
                if now - last[0] >= _TABLE_NS or status.phase == "over":
                    last[0] = now
                    live.update(table(status, rates))

            with taken_in(lambda lines: console.print(Text.from_ansi(lines), soft_wrap=True)):
                yield show
        log.configure(level=level)
    else:
        yield Lines()


class Rates:
    """Frames per second of each source and of the whole, over the last few seconds."""

    def __init__(self) -> None:
        self._history: dict[str, list[tuple[int, int]]] = {}

    def note(self, status: RunStatus, now_ns: int) -> None:
        """Takes the counters of this moment."""
        for name, value in [("", status.frames_inferred), *((s.name, s.frames) for s in status.sources)]:
            history = self._history.setdefault(name, [])
            if not history or now_ns - history[-1][0] >= _TABLE_NS:
                history.append((now_ns, value))
            while len(history) > 2 and now_ns - history[0][0] > _WINDOW_NS:
                history.pop(0)

    def of(self, name: str = "") -> float:
        """Frames per second of a source; of all that is inferred without a name."""
        history = self._history.get(name, [])
        if len(history) < 2:
            return 0.0
        (first_ns, first), (last_ns, last) = history[0], history[-1]
        return (last - first) * NS_PER_S / max(1, last_ns - first_ns)


class Lines:
    """A log line every few seconds."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._next_ns = 0

    def __call__(self, status: RunStatus) -> None:
        """Takes the run's status."""
        now = SystemClock().monotonic_ns()
        self._rates.note(status, now)
        if now < self._next_ns and status.phase != "over":
            return
        first, self._next_ns = self._next_ns == 0, now + _LINE_NS
        if first:
            return
        parts = [_line(source, self._rates) for source in status.sources]
        fields = {"event": "progress", "frames": status.frames_inferred, "fps": round(self._rates.of(), 1)}
        logger.info("%d frames, %.1f/s | %s", fields["frames"], fields["fps"], " | ".join(parts), extra=fields)


def table(status: RunStatus, rates: Rates) -> Fitting:
    """The live table."""
    several = any(source.by_model for source in status.sources)
    headings = [
        "source",
        "state",
        "size",
        "frames",
        "fps",
        "dropped",
        "errors",
        "progress",
        *(["inferred"] if several else []),
    ]
    rows = []
    for source in status.sources:
        state = source.state if not source.reason else f"{source.state} {source.reason}"
        color = {"STREAMING": "green", "ENDED": "blue", "FAILED": "red"}.get(source.state, "yellow")
        size = f"{source.width}x{source.height}" if source.width else "-"
        dropped = " ".join(f"{n} {reason}" for reason, n in source.dropped.items()) or "0"
        row = (source.name, f"[{color}]{state}[/]", size, str(source.frames), f"{rates.of(source.name):.1f}", dropped)
        inferred = ["  ".join(f"{model} {n}" for model, n in source.by_model.items())] if several else []
        rows.append((*row, str(source.decode_errors), _progress(source, rates), *inferred))
    troubled = [w for w in status.workers if w.restarts or w.state == "FATAL"]
    caption = "; ".join(f"{w.name} {w.state}, restarted {w.restarts}x" for w in troubled)
    title = f"{status.name}: {status.frames_inferred} frames, {rates.of():.1f}/s"

    def make(shown: Sequence[str]) -> Table:
        made = Table(title=title, title_justify="left", caption=caption or None)
        for heading in shown:
            made.add_column(heading, justify="left" if heading in _TEXTS else "right")
        return made

    return Fitting(make, headings, rows, ("size", "errors", "frames", "progress"))


def _line(source: SourceStatus, rates: Rates) -> str:
    dropped = sum(source.dropped.values())
    extra = f", {dropped} dropped" if dropped else ""
    reason = f" ({source.reason})" if source.reason else ""
    by_model = "".join(f", {model} {n}" for model, n in source.by_model.items())
    return f"{source.name} {source.state}{reason} {source.frames} {_progress(source, rates)}{by_model}{extra}".rstrip()


def _progress(source: SourceStatus, rates: Rates) -> str:
    """Percent and time left for a file whose length is known."""
    if source.live or not source.frame_count or source.state in ("ENDED", "FAILED"):
        return ""
    left = max(0, source.frame_count - source.frames)
    speed = rates.of(source.name)
    eta = f", {left / speed:.0f} s left" if speed > 0 else ""
    return f"{min(100, 100 * source.frames // source.frame_count)}%{eta}"


class _Above:
    """A stream whose lines appear above the live table."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        if text.strip():
            self._console.print(text.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""
