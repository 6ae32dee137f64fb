"""`mpipeline top`: a run as a live table, until Ctrl-C or the run's end."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.live import Live

from mpipeline.cli.status import add_run_arguments
from mpipeline.cli.status_change import History
from mpipeline.cli.status_tables import tables
from mpipeline.clock import SystemClock
from mpipeline.errors import EXIT_DONE, ConfigError, RunNotFound
from mpipeline.inquiry import Inquiry, living_runs

_WINDOW_S = 3.0
_EVERY_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "Shows what a run does: the state of its sources, frames per second in and out, latency, drops by reason, "
        "sinks, processes. Without a name, the only run that is alive. Ctrl-C leaves; the run goes on."
    )
    parser.epilog = "Exit codes: 0 left by Ctrl-C or the run has ended, 1 there is no such run, or it does not answer."
    add_run_arguments(parser)
    parser.add_argument(
        "--every", type=float, default=_EVERY_S, metavar="S", help="seconds from one look to the next (default: 0.5)"
    )


def command(arguments: argparse.Namespace) -> int:
    """Shows the table until there is nothing more to see."""
    if not 0.1 <= arguments.every <= 3600:
        raise ConfigError(f"--every: expected 0.1 to 3600 seconds, got {arguments.every:g}")
    name = arguments.name or _only(living_runs(arguments.run_dir))
    clock, history = SystemClock(), History(max(_WINDOW_S, 2 * arguments.every))
    console = Console(highlight=False)
    with Inquiry(name, arguments.run_dir) as inquiry, Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                change = history.note(inquiry.status(), clock.monotonic_ns())
                live.update(tables(change), refresh=True)
                clock.sleep(arguments.every)
        except KeyboardInterrupt:
            return EXIT_DONE
        except RunNotFound as ended:
            console.print(str(ended), markup=False)
            return EXIT_DONE


def _only(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise RunNotFound("no run is alive here")
    raise RunNotFound(f"several runs are alive, say which: {', '.join(names)}")
