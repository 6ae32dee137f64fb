"""`mpipeline doctor`: what is available here, what is not, and the command that gets what is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from mpipeline.doctor.examination import examine
from mpipeline.doctor.finding import Finding, Level
from mpipeline.doctor.folders import clear_up
from mpipeline.errors import EXIT_DONE, EXIT_FAILED

_COLORS = {Level.OK: "green", Level.WARNING: "yellow", Level.MISSING: "cyan", Level.BROKEN: "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = (
        "Looks over this machine for what a run needs and what it may use, and says how to get what is missing. "
        "Starts no run and changes nothing."
    )
    parser.epilog = (
        "A line is ok, warning (works, but less well than it could), missing (only who wants it needs it) or broken "
        "(no run can work). Exit codes: 0 runs can work here, 1 something is broken."
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of subject, name, level, text, remedy")
    parser.add_argument("--clear-up", action="store_true", help="first remove what killed runs have left behind")


def command(arguments: argparse.Namespace) -> int:
    """Prints each finding as it is made; 0 unless something is broken."""
    console = Console(highlight=False, soft_wrap=True)
    removed = clear_up() if arguments.clear_up else []
    findings: list[Finding] = []
    for finding in examine():
        if not arguments.json:
            _print(console, finding, is_first=not findings or findings[-1].subject != finding.subject)
        findings.append(finding)
    counts = {level.value: sum(one.level is level for one in findings) for level in Level}
    if arguments.json:
        told: dict[str, Any] = {"counts": counts, "removed": removed, "findings": [asdict(one) for one in findings]}
        print(json.dumps(told, indent=1))
    else:
        if removed:
            console.print(escape(f"removed what killed runs had left: {', '.join(removed)}"))
        console.print("\n" + ", ".join(f"{count} {level}" for level, count in counts.items() if count))
    return EXIT_FAILED if counts[Level.BROKEN.value] else EXIT_DONE


def _print(console: Console, finding: Finding, *, is_first: bool) -> None:
    if is_first:
        console.print(f"[bold]{finding.subject}[/]")
    color = _COLORS[finding.level]
    console.print(f"  [{color}]{finding.level.value:<7}[/] {escape(finding.name)}: {escape(finding.text)}")
    if finding.remedy:
        console.print(f"          → {escape(finding.remedy)}")
