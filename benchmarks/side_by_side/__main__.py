"""Compares mpipeline's `InferencePipeline` with the original: results, figures, and what each does in trouble.

    python -m benchmarks.side_by_side --json side_by_side.json

Both sides run the same small program over the same videos, each in processes of its own. The rival is installed into a
virtual environment in the user's cache directory, unless `--rival-python` names a Python that has it. Frames/s count
from the first prediction to the last; processor time is that of the whole process tree from start to end; memory is the
largest sum of its proportional set sizes, sampled in a run of its own. Runs of the two sides take turns; ratios are of
runs that stand next to each other, given as the median of all repetitions with the least and the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import cameras, machine, report, rivals
from benchmarks.side_by_side import equality, figures, sides, tables
from benchmarks.side_by_side.sides import Side
from benchmarks.side_by_side.trials import TRIALS
from benchmarks.side_by_side.videos import said_to_be_bt709
from benchmarks.videos import repeated

_PARTS = ("equality", "figures", "trials")


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parts that are asked for."""
    try:
        pair = (sides.ours(), sides.theirs(arguments.rival_python))
    except rivals.NotToBeHad as error:
        raise SystemExit(f"without {sides.RIVAL} there is nothing to compare: {error}") from error
    video = cameras.video()
    result: dict[str, Any] = {"about": about(pair)}
    if "equality" in arguments.parts:
        detector = machine.model("yolox_nano.onnx")
        result["equality"] = {
            "1 file": equality.compare(pair, [video], detector),
            "1 file that says BT.709": equality.compare(pair, [said_to_be_bt709(video)], None),
            "4 files": equality.compare(pair, [video] * 4, None),
        }
    if "figures" in arguments.parts:
        lengths = (repeated(video, arguments.repeat), repeated(video, max(1, arguments.repeat // 2)))
        files = figures.cases(*lengths, machine.model("light_person_detector.onnx"))
        result["figures"] = figures.measure(pair, files, video, arguments.repetitions, arguments.live)
    if "trials" in arguments.parts:
        result["trials"] = trials(pair, video, arguments.only)
    return result


def trials(pair: Sequence[Side], video: Path, only: str) -> list[dict[str, Any]]:
    """All trials whose name contains `only`."""
    found = []
    for trial in TRIALS:
        if only in trial.name:
            print(trial.name, flush=True)
            row: dict[str, Any] = {"name": trial.name}
            for side in pair:
                row[side.name] = trial.result(side, video)
            found.append(row)
    return found


def about(pair: Sequence[Side]) -> dict[str, Any]:
    """Where and with what was measured."""
    return {
        "cpus": os.cpu_count(),
        "processor": machine.processor(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "video": cameras.video().name,
        "sides": [{"name": side.name, "versions": side.versions()} for side in pair],
    }


def main() -> None:
    """Compares, prints, saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    parser.add_argument("--parts", type=report.words(*_PARTS), default=list(_PARTS), help=",".join(_PARTS))
    parser.add_argument("--repetitions", type=report.count, default=3, help="of each figure (default: 3)")
    parser.add_argument("--repeat", type=report.count, default=3, help="of a file's video (default: 3)")
    parser.add_argument("--live", type=float, default=6, help="seconds of cameras; 0: none (default: 6)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the trials whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--show", type=Path, metavar="FILE", help="only print the tables of a result that was written")
    arguments = parser.parse_args()
    result = json.loads(arguments.show.read_text(encoding="utf-8")) if arguments.show else compare(arguments)
    print("\n" + tables.show(result))
    cameras.save(arguments.json, result)


if __name__ == "__main__":
    main()
