"""`mpipeline demo`: four synthetic cameras, a small detector, annotated video, and the measured accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mpipeline.cli.run import run_config
from mpipeline.config import RunConfig
from mpipeline.demo import demo_config
from mpipeline.demo.accuracy import Accuracy, expected_of, score_file, total
from mpipeline.errors import EXIT_DONE, EXIT_FAILED

GOAL = 0.95  # precision and recall that an intact installation reaches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="default: demo-out")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def command(arguments: argparse.Namespace) -> int:
    """Runs the demo and prints what it has measured; 0 if precision and recall are at least 0.95."""
    mapping = demo_config(arguments.out)
    code = run_config(
        RunConfig.from_mapping({"name": "demo", **mapping}), "info", json=False, progress=not arguments.quiet
    )
    if code != EXIT_DONE:
        return code
    scores = score_file(arguments.out / "predictions.jsonl", expected_of(mapping))
    overall = total(scores)
    report([*scores, overall], arguments.out)
    return EXIT_DONE if overall.precision >= GOAL and overall.recall >= GOAL else EXIT_FAILED


def report(scores: Sequence[Accuracy], out: Path) -> None:
    """Prints the accuracy against the scenes' ground truth and says where the results are."""
    table = Table(title="measured against the known ground truth, IoU at least 0.5", title_justify="left", box=None)
    for heading in ("source", "frames", "missing", "precision", "recall", "mean IoU"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    for score in scores:
        shares = (f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.mean_iou:.3f}")
        table.add_row(score.source, str(score.frames), str(score.missing_frames), *shares)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"predictions: {out / 'predictions.jsonl'}")
    console.print(f"annotated videos: {', '.join(str(path) for path in sorted(out.glob('*.mp4')))}")
