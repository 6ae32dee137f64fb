"""`mpipeline status`: which runs are alive on this machine, and how one of them does; the exit code says how well."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from mpipeline.cli.status_change import Change
from mpipeline.cli.status_tables import as_data, tables
from mpipeline.cli.terminal import output
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.errors import EXIT_DONE, EXIT_FAILED, EXIT_SOURCE_FAILED, EXIT_TEMPORARY, ConfigError, MpipelineError
from mpipeline.inquiry import Inquiry, living_runs
from mpipeline.supervisor.health import Health, health_of, troubles

_CODES = {Health.OK: EXIT_DONE, Health.DEGRADED: EXIT_TEMPORARY, Health.FAILED: EXIT_SOURCE_FAILED}
_WINDOW_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "Without a name: the runs that are alive on this machine. With one: its sources, sinks and processes. "
        "The run is not disturbed."
    )
    parser.epilog = (
        "Exit codes: 0 all is well, 75 something does not work just now and is being seen to (a camera reconnects, "
        "a sink tries again, a process is started), 65 a source or a process is given up, 1 there is no such run, "
        "or it does not answer."
    )
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--window", type=float, default=_WINDOW_S, metavar="S", help="measure rates over so many seconds (default: 2)"
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which run is meant; shared by commands."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the run's name: its config's file name, or --name")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="the `run_dir` of its config, if that has one")


def command(arguments: argparse.Namespace) -> int:
    """Prints; the exit code is that of the run, or of the worst of all runs."""
    if not 0 <= arguments.window <= 3600:
        raise ConfigError(f"--window: expected 0 to 3600 seconds, got {arguments.window:g}")
    if arguments.name is None:
        return _all(arguments.run_dir, as_json=arguments.json)
    with Inquiry(arguments.name, arguments.run_dir) as inquiry:
        change = observe(inquiry, arguments.window, SystemClock())
    if arguments.json:
        print(json.dumps(as_data(change), indent=1))
    else:
        output().print(tables(change))
    return _CODES[health_of(troubles(change.after))]


def observe(inquiry: Inquiry, seconds: float, clock: Clock) -> Change:
    """What the run does in so many seconds."""
    began_ns, before = clock.monotonic_ns(), inquiry.status()
    if seconds > 0:
        clock.sleep(seconds)
    after = inquiry.status()
    return Change(before, after, (clock.monotonic_ns() - began_ns) / NS_PER_S)


def _all(root: Path | None, *, as_json: bool) -> int:
    rows = [_row(name, root) for name in living_runs(root)]
    if as_json:
        print(json.dumps([{key: value for key, value in row.items() if key != "code"} for row in rows], indent=1))
    elif not rows:
        print("no run is alive here")
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("run", "health", "phase", "sources", "inferred", ""):
            table.add_column(heading, overflow="fold")
        for row in rows:
            counts = (f"{row['streaming']} of {row['sources']} flow", str(row["inferred"]))
            table.add_row(escape(row["name"]), row["health"], row["phase"], *counts, escape("; ".join(row["troubles"])))
        output().print(table)
    codes = {row["code"] for row in rows}
    return next((code for code in (EXIT_FAILED, EXIT_SOURCE_FAILED, EXIT_TEMPORARY) if code in codes), EXIT_DONE)


def _row(name: str, root: Path | None) -> dict[str, Any]:
    try:
        with Inquiry(name, root, patience_s=3.0) as inquiry:
            status = inquiry.status()
    except MpipelineError as error:
        nothing = {"health": "unknown", "phase": "-", "sources": 0, "streaming": 0, "inferred": 0}
        return {"name": name, **nothing, "troubles": [str(error)], "code": EXIT_FAILED}
    found = troubles(status)
    health = health_of(found)
    return {
        "name": name,
        "health": health.value,
        "phase": status.phase,
        "sources": len(status.sources),
        "streaming": sum(source.state == "STREAMING" for source in status.sources),
        "inferred": status.frames_inferred,
        "troubles": [trouble.text for trouble in found],
        "code": _CODES[health],
    }
