"""The engine alone: the backend that `mpipeline run` takes on this GPU, on random input, by batch and lanes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.engines import cases, graph
from benchmarks.report import Chart, Report, Table, progress
from benchmarks.samples import Figures, Rounds, ratios, spread, take_turns, values
from mpipeline import registry
from mpipeline.backends.backend import Backend, BackendOptions
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import BackendError
from mpipeline.tensor import ModelInfo, Precision, Tensor
from mpipeline.workers.loading import backends_cache

_WARM = 3  # calls of each lane that do not count
Shape = tuple[int, int]  # lanes, rows of a batch


@dataclass(frozen=True)
class Model:
    """A model file, what it is, and its family where the file does not tell."""

    path: Path
    text: str
    family: str = ""


def model(given: Path | None, family: str) -> Model:
    """The file that was given, else a graph of the class of YOLOv8n, else what the package brings."""
    if given is not None:
        return Model(given, given.name, family)
    if not machine.versions(["onnx"]):
        text = "the demo's detector, 256 x 192 pixels (pip install onnx gives one of the class of YOLOv8n)"
        return Model(MODEL_PATH, text)
    path = cases.made("v8-any", lambda path: graph.build(path, batch=0))
    return Model(path, "a graph of the class of YOLOv8n with random weights, 640 pixels", "yolo")


@dataclass(frozen=True)
class Engine:
    """A model in a backend on a device, "cpu" or a GPU, in a precision, for so many seconds each time."""

    model: Model
    backend: str
    device: str
    precision: Precision
    seconds: float

    def open(self, shape: Shape) -> tuple[Backend, ModelInfo]:
        """For that many lanes, and batches of at most so many rows. Raises BackendError with what is missing."""
        lanes, batch = shape
        options = BackendOptions(
            str(self.model.path),
            self.device,
            cache=backends_cache(),
            streams=lanes,
            tell=progress,
            batch=batch,
            precision=self.precision,
        )
        backend: Backend = registry.load("backends", self.backend)(options)
        return backend, backend.open()

    def speed(self, backend: Backend, info: ModelInfo, shape: Shape) -> Figures:
        """Frames/s of so many threads that call without a pause."""
        lanes, batch = shape
        inputs = [_input(backend, info, batch, lane) for lane in range(lanes)]

        def warm(lane: int) -> None:
            for _ in range(_WARM):
                backend.run(inputs[lane])

        def timed(lane: int) -> float:
            begun, count = time.perf_counter(), 0
            while (lasted := time.perf_counter() - begun) < self.seconds:
                backend.run(inputs[lane])
                count += batch
            return count / lasted

        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(warm, range(lanes)))
            return {"frames_per_s": sum(pool.map(timed, range(lanes)))}

    def once(self, shape: Shape) -> Figures:
        """Opened for this figure alone."""
        backend, info = self.open(shape)
        try:
            return self.speed(backend, info, shape)
        finally:
            backend.close()


def _input(backend: Backend, info: ModelInfo, batch: int, seed: int) -> dict[str, Tensor]:
    """Random images, in memory of the backend's own where it has such."""
    found = {}
    for spec in info.inputs:
        sides = [side or 640 for side in spec.shape[1:]]
        rows = (spec.shape[0] or batch, *sides)
        if spec.shape[0] not in (None, batch):
            raise BackendError(f"the model takes batches of {spec.shape[0]}: give --batches {spec.shape[0]}")
        value = np.random.default_rng(seed).random(rows, np.float32).astype(spec.dtype)
        memory = getattr(backend, "input_memory", np.empty)(rows, spec.dtype)
        memory[:] = value
        found[spec.name] = memory
    return found


def name(shape: Shape) -> str:
    """As the table has it."""
    return f"{shape[0]} lane{'s' if shape[0] > 1 else ''}, batch {shape[1]}"


def add(
    report: Report, engine: Engine, lanes: Sequence[int], batches: Sequence[int], repetitions: int, minutes: float
) -> Shape:
    """Measures all shapes, puts table and chart into the report, and tells which was the best.

    Raises BackendError with what is missing if nothing executes the model there.
    """
    shapes = [(count, batch) for batch in batches for count in lanes]
    executions = {}
    ways: dict[str, Callable[[], Figures]] = {}
    with ExitStack() as opened:
        for batch in batches:
            progress(f"opening {engine.model.path.name} for batches of {batch}")
            backend, info = engine.open((max(lanes), batch))
            opened.callback(backend.close)
            executions[str(info.execution)] = None
            for shape in (shape for shape in shapes if shape[1] == batch):
                ways[name(shape)] = lambda b=backend, i=info, s=shape: engine.speed(b, i, s)
        rounds = take_turns(ways, repetitions, "engine", minutes=minutes)
    best = max(shapes, key=lambda shape: _median(rounds, shape))
    speeds = [
        [name(s), spread(values(rounds, name(s), "frames_per_s")).text("{:.0f}"), _beside(rounds, s, best)]
        for s in shapes
    ]
    text = f"{'; '.join(executions)}. Model: {engine.model.text}. Input and output lie in the processor's memory."
    report.tables.append(Table("The engine alone", ("threads that call it", "frames/s", "x of the best"), speeds, text))
    bars = {f"batch {batch}": [_median(rounds, (count, batch)) for count in lanes] for batch in batches}
    report.charts.append(Chart("gpu_engine", "The engine alone", "frames/s", lanes, bars, below="lanes"))
    report.data["engine"] = rounds
    return best


def _median(rounds: Rounds, shape: Shape) -> float:
    return spread(values(rounds, name(shape), "frames_per_s")).median


def _beside(rounds: Rounds, shape: Shape, best: Shape) -> str:
    return str(ratios(rounds, "frames_per_s", name(shape), name(best)))
