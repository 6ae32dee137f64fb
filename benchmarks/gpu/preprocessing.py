"""Preprocessing: the kernels over batches of frames in the GPU's memory, beside the passes on the processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from support.pictures import frame_of

from benchmarks.gpu.bench import GB, Bench, Kept, payload_of
from benchmarks.report import Report, Table
from benchmarks.samples import Figures, ratios, spread, take_turns, values
from mpipeline.cuda.kernels import Kernels
from mpipeline.cuda.preprocess import DeviceFrame, Preprocessing, Target
from mpipeline.frame import plane_views
from mpipeline.models.preprocess import Preprocessor, Recipe, place
from mpipeline.models.yolo_classification import RECIPE as AVERAGED
from mpipeline.models.yolo_head import RECIPE as LETTERBOXED

PROCESSOR, FILL = "the processor, one thread", "fill of the GPU's memory"
_IN_FLIGHT = 8  # batches, each with a job of its own
_SIDE_OF_CLASSIFIERS = 224
_FILL_FRAMES = 64  # far more than caches hold


@dataclass(frozen=True)
class Case:
    """A recipe, for an input of `side` x `side`."""

    recipe: Recipe
    side: int
    how: str

    @property
    def target(self) -> Target:
        """In single precision."""
        target = self.recipe.gpu_target((self.side, self.side), "float32")
        assert target is not None
        return target


def add(report: Report, bench: Bench) -> None:
    """Measures, checks that GPU and processor make the same numbers, and puts the tables into the report."""
    letterboxed = Case(LETTERBOXED, bench.side, "letterboxed")
    averaged = Case(AVERAGED, min(bench.side, _SIDE_OF_CLASSIFIERS), "averaged and cropped")
    report.data["preprocessing"] = {case.how: _measured(report, bench, case) for case in (letterboxed, averaged)}


def _measured(report: Report, bench: Bench, case: Case) -> list[dict[str, Figures]]:
    form, side = bench.form, case.side
    bytes_of_frame = form.pixel_bytes() + case.target.row_bytes
    with Kept() as kept:
        ways = {PROCESSOR: _on_processor(bench, case), FILL: _fill(bench, _FILL_FRAMES * bytes_of_frame, kept)}
        kernels = kept.keep(Kernels(bench.gpu))
        ways |= {_name(batch): _on_gpu(bench, case, batch, kernels, kept) for batch in bench.batches}
        rounds = take_turns(ways, bench.repetitions, f"preprocessing, {case.how}", minutes=bench.minutes)
    rows: list[list[object]] = [[PROCESSOR, spread(values(rounds, PROCESSOR, "ms")).text("{:.3f}"), "", "", ""]]
    for name in map(_name, bench.batches):
        faster = [taken[PROCESSOR]["ms"] / taken[name]["ms"] for taken in rounds]
        time_of, rate = spread(values(rounds, name, "ms")).text("{:.4f}"), spread(values(rounds, name, "GB/s"))
        rows.append([name, time_of, spread(faster).text("{:.1f}"), rate, ratios(rounds, "GB/s", name, FILL)])
    rows.append([FILL, "", "", spread(values(rounds, FILL, "GB/s")), ""])
    text = (
        f"A frame counts with all its pixels and its row of the input, {bytes_of_frame / 1e6:.1f} MB, though a "
        "resize skips some rows, or cuts some off. The time of a batch is that of its launch and of the job that goes "
        f"up before, {_IN_FLIGHT} batches one behind the other. The driver interface copies nothing within the GPU: "
        "the limit (x) is a fill."
    )
    title = f"{form.width} x {form.height} I420 to {side} x {side} planar float32, {case.how}"
    heads = ("by", "ms a frame", "times the processor", "GB/s", "x")
    report.tables.append(Table(title, heads, rows, text))
    return rounds


def _name(batch: int) -> str:
    return f"the GPU, batch {batch}"


def _on_processor(bench: Bench, case: Case) -> Callable[[], Figures]:
    form, side = bench.form, case.side
    frames = [frame_of(form, plane_views(form, payload_of(form))) for _ in range(max(bench.batches))]
    rows = np.zeros((len(frames), 3, side, side), np.float32)
    work = Preprocessor(case.recipe, (side, side))

    def run() -> Figures:
        begun = time.perf_counter()
        for frame, row in zip(frames, rows, strict=True):
            work.run(frame, row)
        return {"ms": 1000 * (time.perf_counter() - begun) / len(frames)}

    return run


def _on_gpu(bench: Bench, case: Case, batch: int, kernels: Kernels, kept: Kept) -> Callable[[], Figures]:
    gpu, form, side, target = bench.gpu, bench.form, case.side, case.target
    payload, size = payload_of(form), form.payload_bytes()
    there, out = kept.keep(gpu.allocate(batch * size)), kept.keep(gpu.allocate(batch * target.row_bytes))
    for number in range(batch):
        gpu.upload(there.address + number * size, payload, bench.stream)
    bench.stream.synchronize()
    placed = place(case.recipe, (side, side), (form.width, form.height))
    where = (placed.width, placed.height, placed.left, placed.top)
    frames = [DeviceFrame.of_payload(form, there.address + number * size, where) for number in range(batch)]
    works = [kept.keep(Preprocessing(gpu, kernels, target, batch)) for _ in range(_IN_FLIGHT)]

    def once() -> None:
        for work in works:
            work.run(frames, out.address, bench.stream)
        bench.stream.synchronize()

    def run() -> Figures:
        seconds = bench.seconds(once) / (batch * len(works))
        return {"ms": 1000 * seconds, "GB/s": (form.pixel_bytes() + target.row_bytes) / seconds / GB}

    once()
    made, expected = np.zeros((2, 3, side, side), np.float32)
    gpu.download(made.reshape(-1).view(np.uint8), out.address + (batch - 1) * target.row_bytes, bench.stream)
    bench.stream.synchronize()
    Preprocessor(case.recipe, (side, side)).run(frame_of(form, plane_views(form, payload)), expected)
    if not np.array_equal(made, expected):
        raise SystemExit(f"{case.how}, batch {batch}: GPU and processor make different numbers of the same frame")
    return run


def _fill(bench: Bench, size: int, kept: Kept) -> Callable[[], Figures]:
    there = kept.keep(bench.gpu.allocate(size))
    return lambda: {"GB/s": size / bench.seconds(lambda: bench.gpu.fill(there.address, 1, size, bench.stream)) / GB}
