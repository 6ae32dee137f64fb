"""An NVIDIA GPU: copies from rings, kernels, engine, whole pipeline, each beside what bounds it in the same run.

    python -m benchmarks.gpu --json gpu.json --charts charts

* copies: frames of a ring in shared memory go up as they are, with the ring page-locked as a whole, and through
  page-locked staging; the limit is one large page-locked block.
* preprocessing: the kernels that make a model's input of frames, letterboxed or averaged and cropped, by batch, beside
  the passes on the processor; the limit is a fill of the GPU's memory.
* detection: the kernels that make boxes of the output of YOLOv8n, beside a download and the processor.
* engine: what `mpipeline run` takes, TensorRT if it comes up, else ONNX Runtime on the GPU, on random input, by batch
  and by the threads that call it; the best of them is the limit of the pipeline.
* pipeline: `mpipeline run` over files, beside the engine alone and the decoders alone.

The kernels must give what the processor gives, or nothing is told. They need pycuda; the engine needs TensorRT or
onnxruntime-gpu. A part for which something is missing, or that fails, is left out, and the last table says why.

`--simulated` runs all of it where there is no GPU, on the simulated one of the tests (which needs a C++ compiler) and
with the engine on the processor, in small sizes: to see that it works. Its figures mean nothing.
"""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks import machine, report
from benchmarks.gpu import copies, detection, engine, pipeline, preprocessing
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.engine import Engine
from benchmarks.report import Report, Table
from mpipeline.backends.devices import gpu_of
from mpipeline.cuda import probe
from mpipeline.cuda.driver import Gpu
from mpipeline.cuda.pycuda_driver import open_gpu
from mpipeline.errors import MpipelineError
from mpipeline.frame import FrameFormat, PixelFormat

Result = TypeVar("Result")

_DIRECT, _MODELS = ["copies", "preprocessing", "detection"], ["engine", "pipeline"]
_SMALL = {
    **{"device": "cpu", "size": (320, 180), "side": 64, "slots": 3, "calls": 1, "batches": [1, 2], "lanes": [1, 2]},
    **{"sources": [1, 2], "frames": 20, "seconds": 0.1, "repetitions": 2, "backend": "onnxruntime"},
}
_BACKENDS = ("auto", "tensorrt", "onnxruntime")
_LIBRARIES = ("pycuda", "tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx-cu13", "onnxruntime-gpu")


def arguments_given() -> argparse.Namespace:
    """What was typed, with small sizes for what was not if the GPU is simulated."""
    parser = report.parser(__doc__, 5, 10)
    parts = [*_DIRECT, *_MODELS]
    parser.add_argument("--parts", type=report.words(*parts), default=parts, help=f"(default: {','.join(parts)})")
    parser.add_argument("--device", type=device, default="cuda", help="cuda, cuda:1, or cpu for engine and pipeline")
    parser.add_argument("--simulated", action="store_true", help="on no GPU, in small sizes; the figures mean nothing")
    parser.add_argument("--size", type=size, default=(1920, 1080), help="of frames (default: 1920x1080)")
    parser.add_argument("--side", type=side, default=640, help="pixels of the kernels' model (default: 640)")
    parser.add_argument("--slots", type=report.count, default=16, help="of the ring (default: 16)")
    parser.add_argument("--calls", type=report.count, default=50, help="for each figure of the GPU (default: 50)")
    parser.add_argument("--batches", type=report.numbers, default=[1, 8, 16], help="by commas (default: 1,8,16)")
    parser.add_argument("--lanes", type=report.numbers, default=[1, 2, 3], help="by commas (default: 1,2,3)")
    parser.add_argument("--seconds", type=seconds, default=2.0, help="for each figure of the engine (default: 2)")
    parser.add_argument("--model", type=file, metavar="FILE", help="of engine and pipeline (default: made here)")
    parser.add_argument("--family", default="", help="of that model, if its file does not tell")
    parser.add_argument("--backend", choices=_BACKENDS, default="auto", help="of engine and pipeline (default: auto)")
    parser.add_argument("--precision", choices=("float32", "float16"), default="float32", help="of the engine")
    parser.add_argument("--sources", type=report.numbers, default=[1, 4, 8, 16], help="by commas (default: 1,4,8,16)")
    parser.add_argument("--frames", type=report.count, default=300, help="of each source (default: 300)")
    if "--simulated" in sys.argv:
        parser.set_defaults(**_SMALL)
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    """The value of an argument such as `1920x1080`."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or not (int(found[1]) and int(found[2])):
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1920x1080")
    return int(found[1]), int(found[2])


def side(text: str) -> int:
    """The value of an argument that is the side of a model's input."""
    if report.count(text) < 32:  # the largest stride of YOLOv8
        raise argparse.ArgumentTypeError(f"{text} pixels are too few: 32 at least")
    return int(text)


def seconds(text: str) -> float:
    """The value of an argument that is a time."""
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return float(text)


def file(text: str) -> Path:
    """The value of an argument that is a file."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return Path(text).absolute()


def device(text: str) -> str:
    """The value of an argument that is a device."""
    if text != "cpu" and gpu_of(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither cuda, nor cuda:1 and so on, nor cpu")
    return text


@contextmanager
def chosen_gpu(arguments: argparse.Namespace) -> Iterator[Gpu]:
    """That of the machine, or a simulated one. Raises MpipelineError with what is missing."""
    if not arguments.simulated:
        yield open_gpu(gpu_of(arguments.device) or 0)
        return
    from support.plain_kernels import PlainKernels
    from support.simulated_gpu import SimulatedGpu

    with tempfile.TemporaryDirectory() as folder:
        try:
            kernels = PlainKernels(Path(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"--simulated needs a C++ compiler, c++ or what CXX names: {error}") from error
        simulated = SimulatedGpu(kernels=kernels.by_name)
        yield simulated  # type: ignore[misc]  # it takes its own streams only
        if simulated.misuses:
            raise SystemExit(f"this program misuses the GPU: {'; '.join(simulated.misuses)}")


def add_direct(made: Report, arguments: argparse.Namespace) -> None:
    """What uses the GPU without a backend."""
    form = FrameFormat(PixelFormat.I420, *arguments.size)
    with chosen_gpu(arguments) as one, one as gpu:
        facts = gpu.facts
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions(_LIBRARIES).items())
        rows = [
            ["GPU", f"{facts}, {facts.total_bytes / (1 << 30):.0f} GiB"],
            ["driver", "for CUDA {}.{}".format(*facts.driver_version)],
            ["page-locks memory that exists", "yes" if facts.registers else "no"],
            ["shares memory with the processor", "yes" if facts.integrated else "no"],
            ["libraries", versions],
        ]
        made.tables.append(Table("The GPU", ("", ""), rows))
        stream = gpu.stream()
        bench = Bench(
            *(gpu, stream, form, arguments.side, arguments.batches),
            *(arguments.calls, arguments.repetitions, arguments.minutes / len(arguments.parts)),
        )
        attempt(made, arguments, "copies", lambda: copies.add(made, bench, arguments.slots))
        attempt(made, arguments, "preprocessing", lambda: preprocessing.add(made, bench))
        attempt(made, arguments, "detection", lambda: detection.add(made, bench))
        stream.free()


def add_models(made: Report, arguments: argparse.Namespace) -> None:
    """Engine and pipeline."""
    minutes, repetitions = arguments.minutes / len(arguments.parts), arguments.repetitions
    model = engine.model(arguments.model, arguments.family)
    alone = Engine(model, arguments.backend, arguments.device, arguments.precision, arguments.seconds)
    shapes, work = (arguments.lanes, arguments.batches), (arguments.size, arguments.sources, arguments.frames)
    best = attempt(made, arguments, "engine", lambda: engine.add(made, alone, *shapes, repetitions, minutes))
    shape = best or (max(arguments.lanes), max(arguments.batches))
    attempt(made, arguments, "pipeline", lambda: pipeline.add(made, alone, shape, *work, repetitions, minutes))


def attempt(made: Report, arguments: argparse.Namespace, part: str, add: Callable[[], Result]) -> Result | None:
    """Adds a part, if it is asked for. If something is missing for it, or it fails, that is noted, and others go on."""
    if part not in arguments.parts:
        return None
    try:
        return add()
    except MpipelineError as error:
        made.data.setdefault("left out", {})[part] = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a machine with a GPU is rare: the other parts count
        traceback.print_exc()
        made.data.setdefault("failed", {})[part] = str(error) or type(error).__name__
    return None


def main() -> None:
    """Measures, prints, saves."""
    arguments = arguments_given()
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # which engine is taken, and why
    title = "On an NVIDIA GPU"
    if arguments.device == "cpu":
        title = "The programs for a GPU, on the processor"
    if arguments.simulated:
        title = "Simulated GPU: the figures mean nothing"
    made = Report("gpu", title, report.command("gpu"))
    try:
        if arguments.device != "cpu":
            probe.device(gpu_of(arguments.device) or 0)
        if set(_DIRECT) & set(arguments.parts):
            add_direct(made, arguments)
    except MpipelineError as error:
        remedy = "to try this program without a GPU, give --simulated; engine and pipeline alone: --parts, --device cpu"
        raise SystemExit(f"{error}; {remedy}") from error
    if set(_MODELS) & set(arguments.parts):
        add_models(made, arguments)
    left_out, failed = made.data.get("left out", {}), made.data.get("failed", {})
    if len(left_out) == len(arguments.parts):
        raise SystemExit("; ".join(dict.fromkeys(left_out.values())))
    if left_out or failed:
        made.tables.append(Table("Left out", ("part", "why"), list({**left_out, **failed}.items())))
    report.finish(made, arguments)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
