"""The whole pipeline: `mpipeline run` over files, beside the engine alone and the decoders alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support import media

from benchmarks import videos
from benchmarks.engines import contenders
from benchmarks.engines.cases import Case
from benchmarks.gpu import engine
from benchmarks.gpu.engine import Engine, Shape
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import Figures, Rounds, ratios, spread, take_turns, values
from benchmarks.transport import bare

ENGINE = "the engine alone"
_SPEED = "frames_per_s"


@dataclass(frozen=True)
class Run:
    """`mpipeline run` with a model on a device, in batches of at most so many. As `contenders.Contender`."""

    alone: Engine
    batch: int
    name: str = "mpipeline run"

    def command(self, case: Case, files: Sequence[str], folder: Path, detections: bool) -> list[str]:
        """Without detections."""
        alone = self.alone
        model = {"path": case.path, "backend": alone.backend, "device": alone.device, "precision": alone.precision}
        config = {
            "sources": [{"uri": file, "name": str(number)} for number, file in enumerate(files)],
            "model": {**model, "family": case.family} if case.family else model,
            "batching": {"max_size": self.batch},
            "sinks": [{"kind": "python", "target": "arriving:Moments", "options": {"path": "moments"}}],
        }
        (folder / "run.yaml").write_text(json.dumps(config), encoding="utf-8")
        return [str(Path(sys.executable).with_name("mpipeline")), "run", "run.yaml"]


def video(width: int, height: int) -> Path:
    """A picture of numbers, in H.264 without frames that look ahead."""
    return media.video(media.VideoSpec(width=width, height=height, frames=60, rate=30, gop=30))


def decoded(path: Path, sources: int) -> Figures:
    """Frames/s of so many decoders alone, each with the threads that mpipeline gives it."""
    with ThreadPoolExecutor(sources) as pool:
        begun = time.perf_counter()
        frames = sum(pool.map(bare.by_pyav, [str(path)] * sources, [bare.share(sources)] * sources))
        return {_SPEED: frames / (time.perf_counter() - begun)}


def add(
    report: Report,
    alone: Engine,
    best: Shape,
    size: tuple[int, int],
    sources: Sequence[int],
    frames: int,
    repetitions: int,
    minutes: float,
) -> None:
    """Measures with each number of sources, `frames` of each, and puts table and chart into the report."""
    film = video(*size)
    whole = videos.of_length(film, frames)
    case = Case("gpu", alone.model.text, alone.model.family, (alone.model.path,), frames)
    run = Run(alone, best[1])
    ways: dict[str, Callable[[], Figures]] = {ENGINE: partial(alone.once, best)}
    for count in sources:
        ways[_run(count)] = partial(contenders.run, run, case, film, count, frames)
        ways[_decoders(count)] = partial(decoded, whole, count)
    rounds = take_turns(ways, repetitions, "pipeline", minutes=minutes)
    rows = [
        [
            count,
            _speed(rounds, _run(count)),
            ratios(rounds, _SPEED, _run(count), ENGINE),
            ratios(rounds, _SPEED, _run(count), _decoders(count)),
            _speed(rounds, _decoders(count)),
        ]
        for count in sources
    ]
    text = (
        f"The engine alone, with {engine.name(best)}, gives {_speed(rounds, ENGINE)} frames/s in the same repetitions. "
        f"Each source is a file of {frames} frames, {size[0]} x {size[1]} in H.264; the decoders are on the processor, "
        "and share it with the rest. Nothing goes faster than the slower of both limits."
    )
    heads = ("sources", "frames/s", "x of the engine alone", "x of the decoders alone", "decoders alone, frames/s")
    report.tables.append(Table("The whole pipeline", heads, rows, text))
    lines = {
        name: [spread(values(rounds, of(count), _SPEED)).median for count in sources]
        for name, of in (("mpipeline run", _run), ("decoders alone", _decoders))
    }
    limit = (ENGINE, spread(values(rounds, ENGINE, _SPEED)).median)
    report.charts.append(
        Chart("gpu_pipeline", "The whole pipeline", "frames/s", sources, lines, "lines", "sources", limit)
    )
    report.data["pipeline"] = rounds


def _run(count: int) -> str:
    return f"mpipeline run, {count} sources"


def _decoders(count: int) -> str:
    return f"decoders, {count} sources"


def _speed(rounds: Rounds, way: str) -> str:
    return spread(values(rounds, way, _SPEED)).text("{:.0f}")
