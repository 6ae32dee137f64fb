"""`mpipeline chaos`: proves a pipeline before production by killing its workers at random moments."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from mpipeline import log
from mpipeline.chaos.jobs import FileJobs, Notify
from mpipeline.chaos.live import LiveRun
from mpipeline.chaos.report import Report
from mpipeline.chaos.rounds import ChaosOptions
from mpipeline.chaos.schedule import ROLES, Schedule
from mpipeline.cli.chaos_tables import Progress, print_report
from mpipeline.cli.run import add_config_arguments, config_of
from mpipeline.cli.terminal import output
from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config import RunConfig
from mpipeline.errors import EXIT_DONE, EXIT_FAILED, ConfigError
from mpipeline.pipeline import look_and_plan

_LOG = "log.txt"

_DESCRIPTION = """\
Runs your pipeline under load, kills random workers at random moments, and accounts for every frame.

Files (every_frame): the job is run once undisturbed, then again and again under strikes until N were delivered. Each
struck run must end by itself with exit code 0 and have written the same, line by line, as the undisturbed one.
Live sources, or --duration: one run; ids must stay in order, every stream must flow again after each strike, and how
long that took is measured. After each run nothing may be left: no slot in use, segment, socket, process, descriptor.

Your own outputs are not touched: every sink with a `path` writes below a temporary folder (or --out) instead, and a
JSON-lines ledger is added. The section `supervision` gets quick restarts without a limit worth mentioning.
"""
_EPILOG = """\
Examples:
  mpipeline chaos recordings.yaml --kills 200 --seed 7
  mpipeline chaos a.mp4 b.ts --model people.onnx --kills 100 --every 0.3 --freeze 0.2
  mpipeline chaos cameras.yaml --duration 600 --every 20 --roles decoder,inference --json chaos.json

A fault names its job: `--first-job 7 --seed S` with the other arguments unchanged strikes with that job's schedule
again. The exit code is 0 if there was no fault, 1 otherwise. Ctrl-C ends it with the report so far.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_config_arguments(parser)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    chaos = parser.add_argument_group("strikes")
    chaos.add_argument("--kills", type=_whole, default=100, metavar="N", help="strikes to deliver; default: 100")
    chaos.add_argument("--seed", type=int, default=1, metavar="S", help="decides when, whom and how; default: 1")
    chaos.add_argument(
        "--every", type=_positive, default=1.0, metavar="SECONDS", help="mean pause between strikes; default: 1"
    )
    chaos.add_argument("--roles", type=_roles, default=ROLES, metavar="ROLE,…", help=f"default: {','.join(ROLES)}")
    chaos.add_argument(
        "--freeze", type=_share, default=0.0, metavar="SHARE", help="so many of the strikes (0 to 1) stop the worker "
        "for half a second to three (SIGSTOP, SIGCONT) instead of killing it"
    )  # fmt: skip
    chaos.add_argument(
        "--per-job", type=_whole, default=50, metavar="N", help="most strikes on a file job; default: 50"
    )
    chaos.add_argument("--first-job", type=_whole, default=1, metavar="N", help="begin with the schedule of this job")
    chaos.add_argument("--duration", type=_positive, default=0.0, metavar="SECONDS", help="for live sources: how long")
    judging = parser.add_argument_group("judging and reporting")
    judging.add_argument(
        "--patience", type=_positive, default=120.0, metavar="SECONDS", help="who is away for longer, or a run that "
        "stands still for so long, is a fault; more than your model takes to load; default: 120"
    )  # fmt: skip
    judging.add_argument(
        "--tolerance", type=float, default=0.0, metavar="X", help="numbers in predictions may differ by that, for "
        "models whose results depend on the batch; default: 0"
    )  # fmt: skip
    judging.add_argument(
        "--keep-sinks", action="store_true", help="keep sinks without a `path` too, such as your own code: what they "
        "write elsewhere is written again by every run; a `path` in their `options` is moved"
    )  # fmt: skip
    judging.add_argument("--out", type=Path, metavar="DIR", help="keep outputs and log there; must be empty or new")
    judging.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there, strikes included")
    judging.add_argument("--quiet", action="store_true", help="no progress")


def command(arguments: argparse.Namespace) -> int:
    """Strikes and reports; 0 if there was no fault."""
    config = config_of(arguments)
    given: Path | None = arguments.out if arguments.out is not None else arguments.save
    folder = _folder(given)
    schedule = Schedule(arguments.seed, arguments.every, arguments.roles, arguments.freeze)
    options = ChaosOptions(
        kills=arguments.kills,
        schedule=schedule,
        folder=folder,
        per_job=arguments.per_job,
        first_job=arguments.first_job,
        keep_sinks=arguments.keep_sinks,
        tolerance=arguments.tolerance,
        patience=arguments.patience,
        duration=arguments.duration,
    )
    keep = given is not None
    try:
        with (folder / _LOG).open("w", encoding="utf-8") as stream:
            log.configure(level=options.log_level, stream=stream)
            report = _run(config, options, quiet=arguments.quiet)
        keep = keep or bool(report.faults)
    except BaseException:
        keep = True
        print(f"mpipeline: outputs and log are in {folder}", file=sys.stderr)
        raise
    finally:
        log.configure()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    print_report(report, folder if keep else None, output())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.to_mapping(), indent=1) + "\n", encoding="utf-8")
    return EXIT_FAILED if report.faults else EXIT_DONE


def _run(config: RunConfig, options: ChaosOptions, *, quiet: bool) -> Report:
    clock = SystemClock()
    started_ns = clock.monotonic_ns()
    with Progress(Console(stderr=True, highlight=False), enabled=not quiet) as progress:
        runner = _runner(config, options, progress.show)
        runner.report.notes += notes(config, options)
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, lambda *_: runner.stop()) for number in numbers}
        try:
            report = runner.run()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
    report.seconds = (clock.monotonic_ns() - started_ns) / NS_PER_S
    return report


def _runner(config: RunConfig, options: ChaosOptions, notify: Notify) -> FileJobs | LiveRun:
    """File jobs if every source promises every frame and will end; a single run otherwise."""
    plan, _ = look_and_plan(config)
    every_frame = frozenset(ring.source for ring in plan.rings if ring.every_frame)
    if options.duration or len(every_frame) < len(plan.rings):
        return LiveRun(config, options, notify, every_frame)
    return FileJobs(config, options, notify)


def notes(config: RunConfig, options: ChaosOptions) -> list[str]:
    """What was changed in the user's config, in words."""
    from mpipeline.chaos.staging import SUPERVISION, staged

    changed = ", ".join(f"{key} {value:g}" for key, value in SUPERVISION.items())
    told = [f"supervision was overridden: {changed}"]
    left_out = staged(config, options.folder, keep_sinks=options.keep_sinks).left_out
    if left_out:
        told.append(f"left out, for they would reach outside (--keep-sinks): {', '.join(left_out)}")
    return told


def _folder(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="mpipeline-chaos-"))
    given.mkdir(parents=True, exist_ok=True)
    if any(given.iterdir()):
        raise ConfigError(f"--out {given}: expected an empty or new folder")
    return given.absolute()


def _whole(text: str) -> int:
    return int(_checked(text, int(text) >= 1, "expected a number of at least 1"))


def _positive(text: str) -> float:
    return float(_checked(text, 0 < float(text) < 1e9, "expected seconds, more than 0"))


def _share(text: str) -> float:
    return float(_checked(text, 0 <= float(text) <= 1, "expected a share from 0 to 1"))


def _roles(text: str) -> tuple[str, ...]:
    roles = tuple(dict.fromkeys(text.split(",")))
    _checked(text, set(roles) <= set(ROLES), f"expected some of {','.join(ROLES)}")
    return roles


def _checked(text: str, good: bool, message: str) -> str:
    if not good:
        raise argparse.ArgumentTypeError(f"{message}, got {text!r}")
    return text
