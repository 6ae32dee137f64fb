"""A run's state as tables for people and as plain data for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mpipeline.cli.status_change import Change
from mpipeline.cli.terminal import Fitting
from mpipeline.supervisor.health import Health, health_of, troubles
from mpipeline.supervisor.status import SourceStatus
from mpipeline.supervisor.status_mapping import to_mapping

_COLORS = {
    **dict.fromkeys(("STREAMING", "RUNNING"), "green"),
    **dict.fromkeys(("ENDED", "EXITED", "FINISHING", "PAUSED", "MUTED"), "blue"),
    **dict.fromkeys(("FAILED", "FATAL"), "red"),
}
_HEALTH_COLORS = {Health.OK: "green", Health.DEGRADED: "yellow", Health.FAILED: "red"}
_LEFT = ("source", "state", "size", "dropped", "sink", "kind", "process")


def tables(change: Change) -> RenderableType:
    """Sources, sinks, processes, and what is not well."""
    status = change.after
    found = troubles(status)
    health = health_of(found)
    attached = f", attached: {', '.join(status.attached)}" if status.attached else ""
    color = _HEALTH_COLORS[health]
    title = f"[bold]{escape(status.name)}[/] {status.phase}, [{color}]{health.value}[/]{escape(attached)}"
    parts: list[RenderableType] = [Text.from_markup(title), _sources(change)]
    if status.sinks:
        parts.append(_sinks(change))
    parts.append(_workers(change))
    parts += [Text(trouble.text, style=_HEALTH_COLORS[trouble.health]) for trouble in found]
    return Group(*parts)


def as_data(change: Change) -> dict[str, Any]:
    """The same for programs."""
    status = change.after
    found = troubles(status)
    plain = to_mapping(status)
    for entry, source in zip(plain["sources"], status.sources, strict=True):
        latency = change.latency_ms(source)
        entry["fps_in"], entry["fps_out"] = round(change.fps_in(source), 2), round(change.fps_out(source), 2)
        entry["latency_ms"] = None if latency is None else round(latency, 2)
    for entry, sink in zip(plain["sinks"], status.sinks, strict=True):
        entry["fps"] = round(change.fps_of_sink(sink), 2)
    told = [{**asdict(trouble), "health": trouble.health.value} for trouble in found]
    return {"health": health_of(found).value, "troubles": told, **plain}


def _sources(change: Change) -> Fitting:
    headings = ("source", "state", "size", "in/s", "out/s", "latency", "frames", "dropped", "reconnects")
    rows = []
    for source in change.after.sources:
        latency = change.latency_ms(source)
        row = (
            escape(source.name),
            _colored(source.state),
            f"{source.width}x{source.height}" if source.width else "-",
            f"{change.fps_in(source):.1f}",
            f"{change.fps_out(source):.1f}",
            "-" if latency is None else _milliseconds(latency),
            _frames(source),
            _reasons(source.dropped),
            str(source.reconnects),
        )
        rows.append(row)
    return Fitting(_table, headings, rows, ("size", "reconnects", "frames", "latency"))


def _sinks(change: Change) -> Fitting:
    headings = ("sink", "kind", "state", "in/s", "written", "waiting", "dropped", "retries", "errors")
    rows = []
    for sink in change.after.sinks:
        row = (
            escape(sink.name),
            escape(sink.kind),
            _colored(sink.state),
            f"{change.fps_of_sink(sink):.1f}",
            str(sink.written),
            str(sink.outstanding),
            _reasons(sink.dropped),
            str(sink.retries),
            str(sink.errors),
        )
        rows.append(row)
    return Fitting(_table, headings, rows, ("kind", "retries", "waiting", "written"))


def _workers(change: Change) -> Fitting:
    headings, rows = ("process", "state", "pid", "cpu", "MB", "restarts"), []
    for worker in change.after.workers:
        used = (f"{worker.cpu:.0%}", f"{worker.memory_mb:.0f}")
        rows.append((escape(worker.name), _colored(worker.state), str(worker.pid or "-"), *used, str(worker.restarts)))
    return Fitting(_table, headings, rows, ("pid", "MB", "cpu"))


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _LEFT else "right", no_wrap=heading != "dropped")
    return table


def _colored(state: str) -> str:
    return f"[{_COLORS.get(state, 'yellow')}]{escape(state)}[/]"


def _frames(source: SourceStatus) -> str:
    if source.live or not source.frame_count:
        return str(source.frames)
    return f"{source.frames} of {source.frame_count}"


def _reasons(dropped: Mapping[str, int]) -> str:
    return " ".join(f"{count} {reason}" for reason, count in dropped.items()) or "0"


def _milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.0f} s"
