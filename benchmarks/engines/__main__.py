"""What becomes of a model's speed in a pipeline: detectors over 720p H.264 files, beside rivals and the engine alone.

    python -m benchmarks.engines --json engines.json --charts charts

Models: `light_person_detector` of the test data, which sees the frame at 192 pixels, a small detector at 640 pixels
written here, and YOLOv8n with random weights, exported by Ultralytics, or a graph of its class written here where
Ultralytics cannot be had. Contenders:

* `mpipeline run` with each backend and precision that is installed (`auto` is what it takes by itself), and with the
  8-bit model that `mpipeline models quantize` makes,
* the rival's `InferencePipeline` with a callable as its user would write it (benchmarks/engines/callables.py):
  preprocessing of the models' authors by OpenCV and NumPy, ONNX Runtime, OpenCV's NMS; ONNX Runtime in its default
  settings, a thread a core, and in one thread: what is faster counts,
* for YOLOv8n also Ultralytics' predictor, `YOLO(file).predict(source=video, stream=True)`, one video after the other.

The sink only notes the time. Frames/s count from the first arrival (of the first batch, where a batch arrives at
once) to the last, so that start-up and loading are left out. The limit is the engine alone, in a process that does
nothing else, on random input: one or two streams (sessions of ONNX Runtime, streams of OpenVINO) of one or two
threads, batches of one, for YOLOv8n also of four; the best of them counts. Contenders take turns, in changing order;
figures are medians of the repetitions with the least and the largest, ratios are of runs of the same repetition.

Before that, each path in float32 finds what it finds in the whole 720p video with the trained models,
`light_person_detector` and `yolox_nano` (416 pixels) of the test data, and the detections are matched with those of
the rival (same class, overlap of at least 0.9). Their pixels are not the same: the rival's BGR comes from OpenCV, whose
conversion is darker by a level (docs/side-by-side.md). What a precision that is opted for changes is told by the same
comparison with mpipeline's own float32.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import cameras, machine, report, rivals, samples
from benchmarks.engines import contenders as programs
from benchmarks.engines import tables
from benchmarks.engines.cases import NAMES, Case, cases
from benchmarks.engines.contenders import Contender, Ours, Predictor, Rival
from benchmarks.samples import Figures
from benchmarks.side_by_side import equality
from mpipeline import registry

_PRECISIONS = ("float32", "bfloat16")
_ALONE_S = 0.5


def ours() -> list[Ours]:
    """`mpipeline run` in all ways that are installed."""
    found = [Ours("auto")]
    for backend in ("onnxruntime", "openvino"):
        if backend not in registry.kinds("backends"):
            _left_out(f"backend {backend}", "this mpipeline has none")
        elif not machine.versions([backend]):
            _left_out(f"backend {backend}", f"{backend} is not installed")
        else:
            known = getattr(registry.load("backends", backend), "precisions", _PRECISIONS[:1])
            found += [Ours(backend, precision) for precision in _PRECISIONS if precision in known]
    if machine.versions(["openvino"]) and machine.versions(["onnx"]):
        found.append(Ours("openvino", programs.EIGHT_BIT))
    return found


def engines() -> list[tuple[str, str]]:
    """Engine and precision, of those that are measured alone."""
    found = [("onnxruntime", "float32")]
    if machine.versions(["openvino"]):
        found += [("openvino", precision) for precision in _PRECISIONS]
    return found


def rival(name: str, install: Callable[[], Path]) -> Path | None:
    """Its Python, or None if it cannot be had."""
    try:
        return install()
    except rivals.NotToBeHad as error:
        _left_out(name, str(error))
        return None


def compared(case: Case, among: Sequence[Contender], video: Path) -> dict[str, dict[str, Any]]:
    """Detections of the float32 paths with the rival's, those of other precisions with the same backend's float32."""
    seen = {}
    for each in among:
        if not isinstance(each, Predictor) and each.name != Rival(Path(), 1).name:
            print(f"detections {case.name}: {each.name}", file=sys.stderr, flush=True)
            seen[each.name] = programs.found(each, case, video)
    pairs = []
    for each in (each for each in among if isinstance(each, Ours)):
        other = programs.RIVAL if each.precision == "float32" else Ours(each.backend).name
        pairs += [(each.name, other)] if other in seen else []
    return {f"{one} / {other}": equality.detections(seen[one], seen[other]) for one, other in pairs}


def pipelines(
    case: Case, among: Sequence[Contender], video: Path, numbers: Sequence[int], part: float
) -> dict[str, Callable[[], Figures]]:
    """What measures each contender with each number of sources, and the engines alone."""
    turns: dict[str, Callable[[], Figures]] = {}
    for sources in numbers:
        length = int(case.frames * part) // sources
        for each in among:
            turns[tables.key(case, each.name, sources)] = partial(programs.run, each, case, video, sources, length)
    for engine, precision in engines():
        turns[tables.alone(case, engine, precision)] = partial(programs.alone, engine, precision, case.models, _ALONE_S)
    return turns


def measured(arguments: argparse.Namespace) -> report.Report:
    """Everything."""
    result = report.Report("engines", "Real models on the CPU", report.command("engines"))
    streamvision = rival(programs.RIVAL, lambda: rivals.streamvision(arguments.rival_python))
    ultralytics = rival(programs.PREDICTOR, lambda: rivals.ultralytics(arguments.ultralytics_python))
    video = machine.recorded("derived/retail_720p15_h264.mp4") or cameras.video()
    chosen = [case for case in cases(ultralytics) if case.name in arguments.models]
    mine = ours()
    among: dict[str, list[Contender]] = {}
    turns: dict[str, Callable[[], Figures]] = {}
    detections = {}
    for case in chosen:
        among[case.name] = [*mine, *([Rival(streamvision), Rival(streamvision, 1)] if streamvision else [])]
        if case.is_yolov8n and ultralytics is not None:
            among[case.name].append(Predictor(ultralytics))
        if case.has_weights and not arguments.quick:
            detections[case.name] = compared(case, among[case.name], video)
        if case.frames:
            turns |= pipelines(case, among[case.name], video, arguments.sources, 0.5 if arguments.quick else 1)
    rounds = samples.take_turns(turns, arguments.repetitions, minutes=arguments.minutes)
    for case in chosen:
        names = [each.name for each in among[case.name]]
        if case.frames:
            result.tables += tables.speeds(case, names, arguments.sources, rounds)
            result.charts.append(tables.chart(case, names, arguments.sources, rounds))
        if case.name in detections:
            result.tables.append(tables.detections(case, detections[case.name]))
    result.data = {"rounds": rounds, "detections": detections}
    return result


def _left_out(what: str, why: str) -> None:
    print(f"left out: {what}: {why}", file=sys.stderr, flush=True)


def main() -> None:
    """Measures and tells."""
    parser = report.parser(__doc__, 3, 9)
    parser.add_argument("--sources", type=report.numbers, default=[1, 4], help="how many, by commas (default: 1,4)")
    parser.add_argument("--models", type=report.words(*NAMES), default=NAMES, help=",".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="one repetition of half the frames, no detections")
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    parser.add_argument(
        "--ultralytics-python", type=report.executable, metavar="PATH", help="a Python with ultralytics"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repetitions = 1
    report.finish(measured(arguments), arguments)


if __name__ == "__main__":
    main()
