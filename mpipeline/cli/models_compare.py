"""`mpipeline models compare`: what another precision or backend changes, measured on the user's own frames."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mpipeline.cli.download_bar import with_model
from mpipeline.config.load import config_from_arguments
from mpipeline.config.schema import ModelSpec, RunConfig
from mpipeline.errors import EXIT_DONE, ConfigError
from mpipeline.hosted.comparison import Comparison, compare
from mpipeline.hosted.differences import NEAR


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb, less those of all verbs."""
    parser.description = (
        "Runs a model twice over the same frames, as it is (in float32) and with the precision or the backend that is "
        "asked for, and tells how much faster the second is and what it finds otherwise."
    )
    parser.epilog = "Example:  mpipeline models compare people.onnx lobby.mp4 --precision bfloat16"
    add_inputs(parser)
    parser.add_argument("--precision", help="bfloat16 or float16")
    parser.add_argument("--backend", help="the backend of the second run; default: that of the first")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What is said of a model and the frames for it."""
    parser.add_argument("model", metavar="MODEL", help="a model file, a package's folder, or an id")
    parser.add_argument(
        "inputs", nargs="+", metavar="VIDEO", help="videos, pictures or addresses that show what matters"
    )
    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="of each video, spread over it (default: 100)"
    )
    parser.add_argument(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="a key of the config, as in --set model.confidence=0.3",
    )


def command(arguments: argparse.Namespace) -> int:
    """Compares and prints. Raises ConfigError, SourceError, ModelError or BackendError."""
    if arguments.precision is None and arguments.backend is None:
        raise ConfigError("say what the model is to be compared with: --precision bfloat16, or --backend NAME")
    config = config_of(arguments)
    first = with_model(config, enabled=not arguments.json).every_model()[""]
    if first.target is not None:
        raise ConfigError(f"{first.target} is code of your own; only model files are compared")
    changes = {"precision": arguments.precision, "backend": arguments.backend}
    changed = {key: value for key, value in changes.items() if value is not None}
    second = ModelSpec.from_mapping({**first.to_mapping(), **changed})
    with progress(arguments.frames * len(config.sources), enabled=not arguments.json) as advance:
        result = compare(first, second, config.sources, arguments.frames, advance)
    if arguments.json:
        print(json.dumps(result.as_dict(), indent=1))
    else:
        print("\n".join(told(result)))
    return EXIT_DONE


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """The config that the arguments of `add_inputs` make."""
    if arguments.frames < 1:
        raise ConfigError(f"--frames: expected a number from 1 on, got {arguments.frames}")
    return config_from_arguments(arguments.inputs, arguments.model, None, arguments.overrides, sinks_required=False)


def told(result: Comparison) -> Iterator[str]:
    """Figures, then what they mean, line by line."""
    found = result.differences
    for way, time in ((result.first, result.first_ms), (result.second, result.second_ms)):
        yield f"{str(way) + ':':<70} {time:8.2f} ms a frame"
    if found.cosines:
        yield f"frames {found.frames}"
    elif found.classified:
        yield f"frames {found.frames}, of the same class {found.same_top}"
    else:
        yield f"frames {found.frames}, detections {found.detections}"
        yield f"  found again {found.same}, with another class {found.flipped}"
        near = f"near the threshold, {found.threshold:g} to {found.threshold + NEAR:g}"
        yield f"  lost {found.lost} ({found.lost_near} of them {near}), new {found.new} ({found.new_near})"
    sums = found.as_dict()
    if sums["score_change_max"] is not None:
        yield f"  scores change by {sums['score_change_median']:.4f} (median), {sums['score_change_max']:.4f} (most)"
    if sums.get("iou_median") is not None:
        yield f"  boxes overlap by {sums['iou_median']:.4f} (median IoU)"
    if found.cosines:
        yield f"  cosines between vectors are {sums['cosine_median']:.5f} (median), {sums['cosine_min']:.5f} (least)"
    yield _verdict(result)


def _verdict(result: Comparison) -> str:
    found = result.differences
    speed = f"The second is {result.speed:.2f} times as fast"
    if found.cosines:
        return f"{speed}."
    if found.classified:
        other = found.classified - found.same_top
        return f"{speed}; it takes {other} of {found.classified} frames for another class."
    if not found.detections and not found.new:
        return f"{speed}; neither has found anything, so give it frames that show what it is for."
    if not found.lost + found.new + found.flipped:
        return f"{speed} and finds the same."
    if not found.changed:
        return f"{speed}; only detections near the threshold come and go."
    share = 100 * found.changed
    return f"{speed}; {share:.1f} % of {found.detections} detections differ, those near the threshold left out."


@contextmanager
def progress(total: int, *, enabled: bool) -> Iterator[Callable[[], object]]:
    """A bar on a terminal; gives what is called after each frame."""
    if not (enabled and sys.stderr.isatty()):
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        task = bars.add_task("frames", total=total)
        yield lambda: bars.advance(task)
