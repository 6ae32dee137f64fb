"""Who runs a model over files, and by which command; what one run gives."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from benchmarks import processes, videos
from benchmarks.engines.cases import Case, eight_bit

_FOLDER = Path(__file__).parent
_LIMIT_S = 300.0
CONFIDENCE, IOU_THRESHOLD = 0.3, 0.45  # of all, as in `callables.py`
EIGHT_BIT = "int8"  # a model of its own, not a precision of the backend
RIVAL, PREDICTOR = "streamvision", "Ultralytics"
Frames = dict[tuple[int, int], list[list[float]]]  # (source, frame id) → [class, score, left, top, right, bottom]


class Contender(Protocol):
    """A program that takes files to their end."""

    name: str

    def command(self, case: Case, files: Sequence[str], folder: Path, detections: bool) -> list[str]:
        """Prepares the folder. When the command ends, `moments` has the time of each arrival, as JSON.

        With `detections`, `detections` has what was found, as JSON lines.
        """


@dataclass(frozen=True)
class Ours:
    """`mpipeline run` with a backend in a precision."""

    backend: str
    precision: str = "float32"

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"mpipeline, {self.backend}" + ("" if self.precision == "float32" else f" {self.precision}")

    def command(self, case: Case, files: Sequence[str], folder: Path, detections: bool) -> list[str]:
        """As in Contender."""
        model: dict[str, Any] = {"path": case.path, "family": case.family, "backend": self.backend}
        if self.precision == EIGHT_BIT:
            model["path"] = str(eight_bit(case, files[0]))
        elif self.precision != "float32":
            model["precision"] = self.precision
        sinks: list[dict[str, Any]] = [{"kind": "python", "target": "arriving:Moments", "options": {"path": "moments"}}]
        if detections:
            sinks.append({"kind": "jsonl", "path": "detections"})
        config = {
            "sources": [{"uri": file, "name": str(number)} for number, file in enumerate(files)],
            "model": {**model, "confidence": CONFIDENCE, "iou_threshold": IOU_THRESHOLD},
            "sinks": sinks,
        }
        (folder / "run.yaml").write_text(json.dumps(config), encoding="utf-8")
        return [str(Path(sys.executable).with_name("mpipeline")), "run", "run.yaml"]


@dataclass(frozen=True)
class Rival:
    """The rival's `InferencePipeline` with a callable that runs ONNX Runtime, `threads` as of `callables.Detector`."""

    python: Path
    threads: int = 0

    @property
    def name(self) -> str:
        """As the table has it."""
        return RIVAL + (f", {self.threads} thread" if self.threads else "")

    def command(self, case: Case, files: Sequence[str], folder: Path, detections: bool) -> list[str]:
        """As in Contender."""
        task = {
            "model": case.path,
            "family": case.family,
            "threads": self.threads,
            "files": list(files),
            "moments": "moments",
            "detections": "detections" if detections else "",
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        return [str(self.python), str(_FOLDER / "pipeline.py"), "task.json"]


@dataclass(frozen=True)
class Predictor:
    """Ultralytics' predictor."""

    python: Path
    name: str = PREDICTOR

    def command(self, case: Case, files: Sequence[str], folder: Path, detections: bool) -> list[str]:
        """As in Contender, without detections."""
        task = {"model": case.path, "files": list(files), "moments": "moments"}
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        return [str(self.python), str(_FOLDER / "ultralytics_program.py"), "predict", "task.json"]


def run(contender: Contender, case: Case, video: Path, sources: int, length: int) -> dict[str, float]:
    """So many sources, each with so many frames of the video.

    Frames/s count from the first arrival on. Raises SystemExit unless all have come.
    """
    files, frames = [str(videos.of_length(video, length))] * sources, sources * length
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        usage = _run(contender.command(case, files, folder, detections=False), folder)
        moments = json.loads((folder / "moments").read_text(encoding="ascii"))
    if len(moments) != frames:
        raise SystemExit(f"{contender.name}: {len(moments)} frames came of {frames}")
    return {"frames_per_s": rate(moments), "others_cores": usage.others_cores}


def rate(moments: Sequence[float]) -> float:
    """Arrivals a second, from the end of the first group that comes at once to the end of the last."""
    gap = 0.3 * (moments[-1] - moments[0]) / len(moments)  # within a group they are far closer
    first = next(index for index, (one, next_one) in enumerate(pairwise(moments)) if next_one - one > gap)
    return (len(moments) - 1 - first) / (moments[-1] - moments[first])


def found(contender: Contender, case: Case, file: Path) -> Frames:
    """What it finds in each frame of a file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(contender.command(case, [str(file)], folder, detections=True), folder)
        lines = [json.loads(line) for line in (folder / "detections").read_text(encoding="utf-8").splitlines()]
    if isinstance(contender, Ours):
        lines = [[int(line["source"]), line["frame_id"], _rows(line["predictions"])] for line in lines]
    return {(source, frame_id): rows for source, frame_id, rows in lines}


def _rows(predictions: Sequence[dict[str, Any]]) -> list[list[float]]:
    """As the callables give them."""
    rows = []
    for each in predictions:
        x, y, across, down = each["x"], each["y"], each["width"] / 2, each["height"] / 2
        rows.append([each["class_id"], each["confidence"], x - across, y - down, x + across, y + down])
    return rows


def alone(engine: str, precision: str, models: Sequence[Path], seconds: float) -> dict[str, float]:
    """The engine without anything else: "STREAMS x THREADS, batch N" → frames/s."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = [sys.executable, str(_FOLDER / "bare.py"), engine, precision, str(seconds), "result"]
        usage = _run([*program, *map(str, models)], folder)
        result: dict[str, float] = json.loads((folder / "result").read_text(encoding="ascii"))
    return {**result, "others_cores": usage.others_cores}


def _run(command: Sequence[str], folder: Path) -> processes.Usage:
    environment = {"PYTHONPATH": str(_FOLDER), "YOLO_CONFIG_DIR": str(folder), "YOLO_AUTOINSTALL": "false"}
    return processes.measured(command, folder, seconds=_LIMIT_S, environment=environment)
