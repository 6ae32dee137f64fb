"""`mpipeline engine build`: builds the engine of a model before a run needs it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from mpipeline.backends.engines.engine_file import ENGINES, Request
from mpipeline.backends.engines.library import FLAVOURS, Library, load_library, usual_flavour
from mpipeline.backends.engines.names import TENSORRT_RTX
from mpipeline.backends.engines.recipe import Recipe, Shape, Shapes
from mpipeline.backends.engines.supply import Engine, engine_for
from mpipeline.config import BatchingSpec
from mpipeline.cuda import probe
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import EXIT_DONE, BackendError, ConfigError
from mpipeline.models.onnx_file import check_whole
from mpipeline.store.resolve import resolve
from mpipeline.workers.loading import backends_cache

_MIB = 1 << 20
_SHORT = {"fp32": "float32", "fp16": "float16"}
_DEVICE = re.compile(r"cuda(?::(\d{1,3}))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb, less those of all verbs."""
    parser.description = (
        "Makes of an ONNX file what TensorRT executes, for the GPU of this machine, and keeps it where runs look. "
        "That may take minutes. What was built before and still fits is not built again. A run takes the one that was "
        "asked for with its precision, its size, and its batching.max_size as --batch N, and no other option; of "
        "others, give it the file as the model."
    )
    parser.epilog = (
        "Examples:  mpipeline engine build people.onnx --precision fp16   |   "
        "mpipeline engine build people.int8.onnx --precision int8   |   "
        "mpipeline engine build open.onnx --size 320,640,1280 --batch 4"
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="an ONNX file, a model package's folder, or an id")
    add(
        "--precision",
        default="float32",
        metavar="P",
        help="float32 (the file as it is), float16, or int8; or fp32, fp16",
    )
    usual = BatchingSpec().max_size
    add(
        "--batch",
        default=str(usual),
        metavar="N | MIN,USUAL,MAX",
        help=f"frames at once; N: up to so many, which a run wants to be its batching.max_size (default: {usual})",
    )
    add("--size", metavar="WxH | MIN,USUAL,MAX", help="of pictures, where the model leaves that open")
    add("--shape", action="append", default=[], metavar="NAME=MIN,USUAL,MAX", help="of an input, as in x=1x8,4x8,4x8")
    add("--workspace", type=int, metavar="MIB", help="GPU memory that kernels may take (default: as much as there is)")
    add("--level", type=int, metavar="0-5", help="how much time is spent on finding fast kernels (default: 3)")
    add("--device", default="auto", metavar="D", help="cuda, cuda:1, or none, which needs --library tensorrt_rtx")
    add("--library", choices=sorted(FLAVOURS), help="default: tensorrt where it is installed")
    add("--hardware-compatible", action="store_true", help="for all GPUs from Ampere on; slower")
    add("--version-compatible", action="store_true", help="for later versions of the library too; slower")
    add("--no-tf32", action="store_true", help="multiply float32 in full")
    add("--force", action="store_true", help="build it even if it is kept already")
    add("--out", type=Path, metavar="FILE", help="write the bare engine there as well, for other programs")


def command(arguments: argparse.Namespace, folder: Path) -> int:
    """Builds and tells. Raises ConfigError, ModelError or BackendError."""
    recipe = recipe_of(arguments)
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise ConfigError(f"--out {arguments.out}: expected a file in a folder that exists")
    weights = resolve(arguments.model).package.weights
    check_whole(weights)
    library = load_library(arguments.library or usual_flavour())
    request = Request(weights, recipe, library, _gpu(arguments.device, library))
    with _shown(enabled=not arguments.json) as tell:
        engine = engine_for(request, folder, tell, fresh=arguments.force)
    if arguments.out is not None:
        try:
            arguments.out.write_bytes(engine.plan)
        except OSError as error:
            raise ConfigError(f"--out {arguments.out}: cannot be written: {error.strerror}") from error
    print(json.dumps(_facts(engine), indent=1) if arguments.json else "\n".join(_told(engine, request)))
    return EXIT_DONE


def folder() -> Path:
    """Where engines are kept. Raises ConfigError if there is no such place."""
    cache = backends_cache()
    if cache is None:
        raise ConfigError("MODEL_CACHE_DIR: must name a folder for engines: this user has no home")
    return cache / ENGINES


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """What the options ask for. Raises ConfigError."""
    size = None if arguments.size is None else _sizes(arguments.size)
    given = dict(_named_shapes(text) for text in arguments.shape)
    mebibytes = arguments.workspace
    return Recipe(
        precision=_SHORT.get(arguments.precision, arguments.precision),
        batch=_batch(arguments.batch),
        size=size,
        shapes=given,
        workspace=None if mebibytes is None else mebibytes * _MIB,
        level=arguments.level,
        hardware_compatible=arguments.hardware_compatible,
        version_compatible=arguments.version_compatible,
        tf32=not arguments.no_tf32,
    )


def _batch(text: str) -> tuple[int, int, int]:
    numbers = [_numbers("--batch", part) for part in text.split(",")]
    if any(len(one) != 1 for one in numbers) or len(numbers) not in (1, 3):
        raise ConfigError(f"--batch {text}: expected a number, or three as in 1,8,16")
    (usual,) = numbers[0]
    return (1, usual, usual) if len(numbers) == 1 else (usual, numbers[1][0], numbers[2][0])


def _sizes(text: str) -> Any:
    sizes = [_numbers("--size", part) for part in text.split(",")]
    if any(len(one) > 2 for one in sizes) or len(sizes) not in (1, 3):
        raise ConfigError(f"--size {text}: expected 640, 640x480, or three of them with commas between")
    pairs = [(one[0], one[-1]) for one in sizes]
    return tuple(pairs * 3) if len(pairs) == 1 else tuple(pairs)


def _named_shapes(text: str) -> tuple[str, Shapes]:
    name, equals, values = text.partition("=")
    shapes = [_numbers("--shape", part) for part in values.split(",")]
    if not (name and equals) or len(shapes) not in (1, 3):
        raise ConfigError(f"--shape {text}: expected NAME=SHAPE or NAME=MIN,USUAL,MAX, a shape as in 1x3x640x640")
    least, usual, most = shapes * 3 if len(shapes) == 1 else shapes
    return name, (least, usual, most)


def _numbers(option: str, text: str) -> Shape:
    if not re.fullmatch(r"\d{1,9}(x\d{1,9})*", text):
        raise ConfigError(f"{option}: expected numbers with x between, as in 640x480, got {text!r}")
    return tuple(int(part) for part in text.split("x"))


def _gpu(device: str, library: Library) -> DeviceFacts | None:
    """The GPU that is meant; None for none, which only TensorRT-RTX can do without."""
    can_do_without = library.flavour == TENSORRT_RTX
    if device == "none" and can_do_without:
        return None
    if device == "auto":
        try:
            return probe.device(0)
        except BackendError:
            if can_do_without:
                return None
            raise
    found = _DEVICE.fullmatch(device)
    if found is None:
        raise ConfigError(f"--device {device}: expected cuda, cuda:1 and so on, or none with --library {TENSORRT_RTX}")
    return probe.device(int(found[1] or 0))


@contextmanager
def _shown(*, enabled: bool) -> Iterator[Callable[[str], object]]:
    """On a terminal a line that changes; elsewhere the log has a line now and then."""
    if not (enabled and sys.stderr.isatty()):
        yield lambda text: None
        return
    with Console(file=sys.stderr).status("building engine") as status:
        yield status.update


def _facts(engine: Engine) -> dict[str, Any]:
    return {
        "path": None if engine.path is None else str(engine.path),
        "built": engine.built,
        "seconds": round(engine.seconds, 2),
        "bytes": len(engine.plan),
        "told": engine.told,
    }


def _told(engine: Engine, request: Request) -> Iterator[str]:
    how = f"built in {engine.seconds:.1f} s" if engine.built else "was here"
    size = f"{len(engine.plan) / _MIB:.1f} MiB"
    yield f"{request.model.name}: {how}, {request.recipe.precision}, {size}, {request.library}"
    for kind, tensors in engine.told["tensors"].items():
        yield from (f"  {kind:<7} {name} {shown}" for name, shown in tensors.items())
    yield from (f"  note    {note}" for note in engine.told["notes"])
    yield f"  {engine.path if engine.path is not None else 'it could not be kept'}"
