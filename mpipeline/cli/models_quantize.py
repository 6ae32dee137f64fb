"""`mpipeline models quantize`: an 8-bit model of a float32 one, and what that changes on the user's own frames."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

from mpipeline.cli.models_compare import add_inputs, config_of, progress, told
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import EXIT_DONE, ConfigError, ModelError
from mpipeline.hosted.comparison import compare
from mpipeline.hosted.quantization import quantize
from mpipeline.models.sidecar import sidecar_path

_MOST_CHANGED = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb, less those of all verbs."""
    parser.description = (
        "Writes an 8-bit model of an ONNX file. Its scales are taken from your frames; then both models look at the "
        "same frames, and what the 8-bit one finds otherwise is told. If that is too much, no file is written."
    )
    parser.epilog = "Example:  mpipeline models quantize people.onnx lobby.mp4 yard.mp4 --frames 50"
    add_inputs(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: MODEL.int8.onnx beside the model")
    parser.add_argument(
        "--most-changed",
        type=float,
        default=_MOST_CHANGED,
        metavar="PERCENT",
        help="of the detections, those near the threshold left out, that may differ (default: 10)",
    )
    parser.add_argument("--symmetric", action="store_true", help="in the form that engines of TensorRT are made of")
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def command(arguments: argparse.Namespace) -> int:
    """Makes, compares, keeps. Raises ConfigError, SourceError, ModelError or BackendError."""
    config = config_of(arguments)
    first = config.every_model()[""]
    if first.path is None or first.path.suffix != ".onnx":
        raise ConfigError(f"{arguments.model}: expected an ONNX file (.onnx)")
    out = arguments.out or first.path.with_suffix(".int8.onnx")
    if out.suffix != ".onnx" or not out.parent.is_dir():
        raise ConfigError(f"--out {out}: expected a file that ends in .onnx, in a folder that exists")
    if out.exists() and not arguments.force:
        raise ConfigError(f"{out}: is there already; name another file with --out, or replace it with --force")
    backend = _backend(first.backend)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".quantize-") as folder:
        made = Path(folder) / out.name
        if (sidecar := sidecar_path(first.path)).exists():
            shutil.copyfile(sidecar, sidecar_path(made))
        with progress(2 * arguments.frames * len(config.sources), enabled=not arguments.json) as advance:
            count = quantize(first, config.sources, arguments.frames, made, advance, symmetric=arguments.symmetric)
            second = ModelSpec.from_mapping({**first.to_mapping(), "path": str(made), "backend": backend})
            result = compare(first, second, config.sources, arguments.frames, advance)
        changed = 100 * result.differences.changed
        if arguments.json:
            print(json.dumps({"convolutions": count, "changed_percent": changed, **result.as_dict()}, indent=1))
        else:
            many = "1 convolution is" if count == 1 else f"{count} convolutions are"
            print("\n".join([f"{many} 8 bit", *told(result)]))
        if changed > arguments.most_changed:
            raise ModelError(
                f"{first.path}: in 8 bit {changed:.1f} % of what it finds differ, more than "
                f"{arguments.most_changed:g} %; nothing was written (--most-changed allows more)"
            )
        for path in sorted(Path(folder).iterdir()):
            path.replace(out.parent / path.name)
    if not arguments.json:
        print(f"Written: {out}. In a config: model: {{path: {out}, backend: {backend}}}")
    return EXIT_DONE


def _backend(asked: str) -> str:
    """What the 8-bit model runs in: OpenVINO where it is installed, which gains more by it than ONNX Runtime."""
    return "openvino" if asked == "auto" and importlib.util.find_spec("openvino") is not None else asked
