"""Who carries frames, and by which command; what one run of a contender takes."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.processes import Usage

_FOLDER = Path(__file__).parent
_LIMIT_S = 300.0

RUN, FRAMES, OURS, RIVAL = "mpipeline run", "mpipeline run, frames", "mpipeline pipeline", "streamvision pipeline"
PYAV, ONE_THREAD, COPIED = "PyAV", "PyAV, 1 thread", "PyAV, copied"
OPENCV, QUEUE, ZEROMQ = "OpenCV", "Queue", "ZeroMQ"


@dataclass(frozen=True)
class Contender:
    """A program that takes files to their end. `text` says in the table what it is.

    `part`: a slow one is given that part of the frames.
    """

    name: str
    text: str
    command: Sequence[str]
    sink: str = ""
    part: float = 1.0

    def run(self, files: Sequence[Path], frames: int, *, sampled: bool = False) -> Usage:
        """Carries the files. Raises SystemExit if not exactly so many frames have come in all."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            paths = [str(file) for file in files]
            if self.sink:
                (folder / "run.yaml").write_text(json.dumps(_config(paths, self.sink)), encoding="utf-8")
                command, environment = [*self.command, "run.yaml"], {"PYTHONPATH": str(_FOLDER)}
            else:
                command, environment = [*self.command, "count", *paths], {}
            usage = processes.measured(command, folder, sampled=sampled, seconds=_LIMIT_S, environment=environment)
            came = int((folder / "count").read_text(encoding="ascii"))
        if came != frames:
            raise SystemExit(f"{self.name}: {came} frames came of {frames}")
        return usage


def contenders(rival: Path | None) -> list[Contender]:
    """All, in the order of the table. `rival` is the Python that has streamvision; None: without it."""
    here = sys.executable
    run = [str(Path(here).with_name("mpipeline")), "run"]
    pipelines, bare = str(_FOLDER / "pipelines.py"), str(_FOLDER / "bare.py")
    found = [
        Contender(RUN, "the command, a callable that finds nothing, a sink that counts", run, "Count"),
        Contender(FRAMES, "the same, with a sink that looks at a pixel", run, "Look"),
        Contender(OURS, "`mpipeline.InferencePipeline.init_with_custom_logic`", [here, pipelines, "mpipeline"]),
        Contender(RIVAL, "the original of the same", [str(rival), pipelines, "streamvision"]),
        Contender(PYAV, "decodes to planes, its threads set as mpipeline's are", [here, bare, "pyav"]),
        Contender(ONE_THREAD, "the same in one thread", [here, bare, "pyav-1"]),
        Contender(COPIED, "PyAV, and one copy of the planes in memory", [here, bare, "copied"]),
        Contender(OPENCV, "`VideoCapture.read`, which gives BGR", [here, bare, "opencv"]),
        Contender(QUEUE, "PyAV, then `multiprocessing.Queue` to another process", [here, bare, "queue"], part=0.25),
        Contender(ZEROMQ, "PyAV, then ZeroMQ (ipc, by value) to another process", [here, bare, "zeromq"], part=0.5),
    ]
    return [each for each in found if rival is not None or each.name != RIVAL]


def _config(paths: Sequence[str], sink: str) -> dict[str, object]:
    return {
        "sources": [{"uri": path} for path in paths],
        "model": {"target": "nothing:infer"},
        "sinks": [{"kind": "python", "target": f"nothing:{sink}", "options": {"path": "count"}}],
    }
