"""The models that are measured: from the test data, from Ultralytics' exporter, or written here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import media

from benchmarks import machine
from benchmarks.engines import graph
from mpipeline.config.schema import ModelSpec, SourceSpec
from mpipeline.hosted import quantization

NAMES = ["light", "nano", "small-640", "yolov8n"]
_FRAMES_FOR_SCALES = 30
_PROGRAM = Path(__file__).with_name("ultralytics_program.py")


@dataclass(frozen=True)
class Case:
    """A model. `models` are its files, for batches of 1 and, where there is one, of 4.

    `frames` are measured in one run, in all; 0: its speed is not. `has_weights`: it was trained, so that its detections
    can be compared.
    """

    name: str
    text: str
    family: str
    models: tuple[Path, ...]
    frames: int
    has_weights: bool = False
    is_fast: bool = False
    is_yolov8n: bool = False

    @property
    def path(self) -> str:
        """The file that pipelines are given."""
        return str(self.models[0])


def cases(ultralytics: Path | None) -> list[Case]:
    """What is here. `ultralytics` is the Python that has it; None: its graph is written here instead."""
    found = []
    if (light := machine.model("light_person_detector.onnx")) is not None:
        found.append(
            Case("light", "light_person_detector, 192 pixels", "yolox", (light,), 500, has_weights=True, is_fast=True)
        )
    if (nano := machine.model("yolox_nano.onnx")) is not None:
        found.append(Case("nano", "yolox_nano, 416 pixels", "yolox", (nano,), 0, has_weights=True))
    small = (made("small-640", lambda path: graph.build(path, graph.SMALL)),)
    text = "a small detector of the form of YOLOv8, random weights, 640 pixels"
    found.append(Case("small-640", text, "yolo", small, 200, is_fast=True))
    if ultralytics is not None:
        text = "YOLOv8n exported by Ultralytics, random weights, 640 pixels"
        yolov8n = tuple(made(f"yolov8n-{batch}", _exporter(ultralytics, batch)) for batch in (1, 4))
    else:
        text = "a graph of the class of YOLOv8n written here, random weights, 640 pixels"
        yolov8n = tuple(
            made(f"v8-{batch}", lambda path, batch=batch: graph.build(path, batch=batch)) for batch in (1, 4)
        )
    found.append(Case("yolov8n", text, "yolo", yolov8n, 40, is_yolov8n=True))
    return found


def eight_bit(case: Case, video: str) -> Path:
    """The model in 8 bit, as `mpipeline models quantize` makes it, with scales from some frames of the video."""
    digest = hashlib.sha256(Path(case.path).read_bytes() + Path(quantization.__file__).read_bytes()).hexdigest()[:8]
    spec = ModelSpec.from_mapping({"path": case.path, "family": case.family, "backend": "onnxruntime"})
    source = SourceSpec.from_mapping({"name": "video", "uri": video})
    return made(
        f"{case.name}-{digest}-int8", lambda path: quantization.quantize(spec, [source], _FRAMES_FOR_SCALES, path)
    )


def _exporter(python: Path, batch: int) -> Callable[[Path], None]:
    def export(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [str(python), str(_PROGRAM), "export", str(batch), str(path)]
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if result.returncode:
            raise SystemExit(f"Ultralytics cannot export YOLOv8n:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")

    return export


def made(name: str, make: Callable[[Path], object]) -> Path:
    """A model file that is kept where the tests keep what they make."""
    source = Path(graph.__file__).read_bytes() + _PROGRAM.read_bytes()
    path = media.folder() / f"{hashlib.sha256(source).hexdigest()[:12]}-{name}.onnx"
    if not path.exists():
        print(f"making {path.name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=media.folder()) as folder:
            unfinished = Path(folder) / path.name
            make(unfinished)
            unfinished.replace(path)
    return path
