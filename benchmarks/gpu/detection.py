"""Detection: the kernels over outputs of YOLOv8n in the GPU's memory, beside a download and the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import box_paths
from benchmarks.gpu.bench import Bench, Kept
from benchmarks.report import Report, Table
from benchmarks.samples import Figures, ratios, spread, take_turns, values
from mpipeline.cuda.detect import Detection
from mpipeline.cuda.kernels import Kernels
from mpipeline.models.family import ModelOptions
from mpipeline.models.yolo import Yolo
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

_CLASSES = 80
_STRIDES = (8, 16, 32)
_FOUND = 300  # anchors with a score that counts
_OUTPUT = "output0"
Floats = npt.NDArray[np.float32]


def outputs(batch: int, side: int) -> Floats:
    """(batch, 4 + classes, anchors): boxes around some objects, a few hundred of them with a good score."""
    anchors = sum((side // stride) ** 2 for stride in _STRIDES)
    found = np.zeros((batch, 4 + _CLASSES, anchors), np.float32)
    for number, rows in enumerate(found):
        rng = np.random.default_rng(number)
        given = box_paths.boxes(anchors, number)
        rows[:2] = (given.xyxy[:, :2] + given.xyxy[:, 2:]).T / 2
        rows[2:4] = (given.xyxy[:, 2:] - given.xyxy[:, :2]).T
        rows[4:] = rng.beta(0.3, 40, (_CLASSES, anchors))
        good = rng.choice(anchors, min(_FOUND, anchors // 2), replace=False)
        rows[4 + rng.integers(0, _CLASSES, len(good)), good] = rng.uniform(0.4, 0.95, len(good))
    return found


def add(report: Report, bench: Bench) -> None:
    """Measures, checks that both find the same boxes, and puts the table into the report."""
    ways: dict[str, Callable[[], Figures]] = {}
    with Kept() as kept:
        kernels = kept.keep(Kernels(bench.gpu))
        for batch in bench.batches:
            ways |= _pair(bench, batch, kernels, kept)
        rounds = take_turns(ways, bench.repetitions, "detection", minutes=bench.minutes)
    rows = []
    for batch in bench.batches:
        gpu, processor = _names(batch)
        for name, beside in ((gpu, ratios(rounds, "ms", gpu, processor)), (processor, "")):
            rows.append([name, spread(values(rounds, name, "ms")).text("{:.4f}"), beside])
    text = (
        "From the end of the model to the boxes of the whole batch on the processor's side, one batch at a time. x is "
        "the GPU's time over that of the download and the processor."
    )
    anchors = sum((bench.side // stride) ** 2 for stride in _STRIDES)
    title = f"Boxes of an output of YOLOv8n, {4 + _CLASSES} x {anchors} float32"
    report.tables.append(Table(title, ("by", "ms a frame", "x"), rows, text))
    report.data["detection"] = rounds


def _names(batch: int) -> tuple[str, str]:
    return f"the GPU, batch {batch}", f"download and processor, batch {batch}"


def _pair(bench: Bench, batch: int, kernels: Kernels, kept: Kept) -> dict[str, Callable[[], Figures]]:
    """Both ways for one size of batch."""
    gpu, stream, given = bench.gpu, bench.stream, outputs(batch, bench.side)
    family = Yolo(_info(given, bench.side), ModelOptions(max_detections=_FOUND))
    plan = family.gpu_detection({_OUTPUT: given})
    assert plan is not None
    there, here = kept.keep(gpu.allocate(given.nbytes)), kept.keep(gpu.allocate_host(given.nbytes))
    gpu.upload(there.address, given.reshape(-1).view(np.uint8), stream)
    work = kept.keep(Detection(gpu, kernels, plan.head, plan.rules, batch, stream))
    geometries = [Geometry(1.0, 1.0, 0.0, 0.0, bench.side, bench.side)] * batch

    def by_gpu() -> Any:
        work.run(there.address, batch, stream)
        stream.synchronize()
        return plan.findings(work.found(batch), geometries, {})

    def by_processor() -> Any:
        gpu.download(here.array, there.address, stream)
        stream.synchronize()
        return family.postprocess({_OUTPUT: here.array.view(np.float32).reshape(given.shape)}, geometries)

    for ours, theirs in zip(by_gpu(), by_processor(), strict=True):
        if not (np.array_equal(ours.xyxy, theirs.xyxy) and np.array_equal(ours.class_id, theirs.class_id)):
            raise SystemExit(f"detection, batch {batch}: GPU and processor find different boxes in the same output")
    both = zip(_names(batch), (by_gpu, by_processor), strict=True)
    return {name: lambda way=way: {"ms": 1000 * bench.seconds(way) / batch} for name, way in both}


def _info(given: Floats, side: int) -> ModelInfo:
    image = TensorSpec("images", (None, 3, side, side), given.dtype)
    return ModelInfo((image,), (TensorSpec(_OUTPUT, (None, *given.shape[1:]), given.dtype),), {})
