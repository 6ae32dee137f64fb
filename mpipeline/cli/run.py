"""`mpipeline run`: a config file, or videos and a model, until they end or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mpipeline import log
from mpipeline.cli.display import display
from mpipeline.cli.download_bar import with_model
from mpipeline.cli.systemd import notifier
from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config import RunConfig
from mpipeline.config.environment import log_settings
from mpipeline.config.load import config_from_arguments, load_config, model_key
from mpipeline.errors import EXIT_DONE, ConfigError
from mpipeline.messages import StreamState
from mpipeline.pipeline import Pipeline, Watch
from mpipeline.supervisor.status import RunStatus

logger = logging.getLogger("mpipeline.run")

_TROUBLES = {
    "frames_failed": "frames could not be inferred",
    "predictions_dropped": "predictions were not sent to a sink that was too slow for a live stream",
    "frames_missing": "predictions came without pixels, which a live stream had reused",
    "predictions_late": "predictions of a slow model came when their frame had been written without them",
    "sink_errors": "predictions were not taken by the sink",
}
_BY_DESIGN = {"predictions_filtered": "predictions were left out by the sink's filter"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_config_arguments(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run of this config broke off (killed, power cut, stopped): sinks keep what they "
        "have, files begin behind it; without it, older output is replaced",
    )
    parser.add_argument("--json", action="store_true", help="log JSON lines instead of text")
    parser.add_argument("--quiet", action="store_true", help="no progress, only warnings and errors")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="default: info")
    parser.epilog = (
        "Examples:  mpipeline run cameras.yaml   |   mpipeline run *.mp4 --model people.onnx --save out/   |   "
        "mpipeline run cameras.yaml --set model.confidence=0.5 --set sources.gate.max_fps=5   |   "
        "mpipeline run *.mp4 --model people.onnx --save out/ --resume.   "
        "Ctrl-C once finishes what is in flight, twice ends at once."
    )


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which config is meant; shared by commands."""
    parser.add_argument("inputs", nargs="+", metavar="CONFIG | VIDEO", help="one .yaml file, or videos and addresses")
    parser.add_argument("--model", help="model file, id such as yolov8n-640, or module:attribute")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write predictions.jsonl and annotated videos there")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a key of the config"
    )
    parser.add_argument("--name", help="the run's name, by which other programs find it")


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """The config that the arguments mean.

    Raises ConfigError.
    """
    inputs: list[str] = arguments.inputs
    overrides: list[str] = list(arguments.overrides)
    if arguments.name is not None:
        overrides.append(f"name={arguments.name}")
    if any(text.endswith((".yaml", ".yml")) for text in inputs):
        if len(inputs) > 1:
            raise ConfigError(f"expected one config file or videos, got {', '.join(inputs)}")
        if arguments.model is not None:
            key = model_key(arguments.model)
            overrides += [f"model.{other}=null" for other in ("path", "target", "id") if other != key]
            overrides.append(f"model.{key}={arguments.model}")
        if arguments.save is not None:
            raise ConfigError("--save goes with videos; in a config file, sinks say what is written")
        return load_config(Path(inputs[0]), overrides)
    if arguments.model is None:
        raise ConfigError("videos need --model FILE.onnx (or give one .yaml file that says everything)")
    save = arguments.save if arguments.save is not None else Path("out")
    return config_from_arguments(inputs, arguments.model, save, overrides)


def command(arguments: argparse.Namespace) -> int:
    """Runs; returns the run's exit code."""
    config = config_of(arguments)
    settings = log_settings()
    level = arguments.log_level or ("warning" if arguments.quiet else settings.level)
    json = arguments.json or settings.json
    log.configure(json=json, level=level)
    config = with_model(config, enabled=not (arguments.quiet or json))
    code = run_config(config, level, json=json, progress=not arguments.quiet, resume=arguments.resume)
    places = [str(path) for sink in config.sinks if (path := getattr(sink.options, "path", None)) is not None]
    if code == EXIT_DONE and places:
        logger.info("written: %s", ", ".join(places), extra={"event": "written"})
    return code


def run_config(config: RunConfig, level: str, *, json: bool, progress: bool, resume: bool = False) -> int:
    """Runs a config with progress on stderr and Ctrl-C handled; returns the exit code."""
    log.configure(json=json, level=level)
    pipeline = Pipeline(config, level, resume=resume)
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if previous[signal.SIGHUP] is signal.SIG_IGN:  # under nohup it stays that way
        del previous[signal.SIGHUP]
    for number in previous:
        signal.signal(number, lambda *_: pipeline.stop())
    clock = SystemClock()
    started_ns = clock.monotonic_ns()
    try:
        with display(config, json=json, level=level, enabled=progress, stream=sys.stderr) as watch:
            watches = [one for one in (watch, notifier(config)) if one is not None]
            code = pipeline.run(partial(_tell_all, watches) if watches else None)
        summarise(pipeline.status(), (clock.monotonic_ns() - started_ns) / NS_PER_S)
        return code
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tell_all(watches: Sequence[Watch], status: RunStatus) -> None:
    for watch in watches:
        watch(status)


def summarise(status: RunStatus, seconds: float) -> None:
    """Logs what the run has done, a line a source, and what has failed."""
    frames = status.frames_inferred
    fields = {"event": "finished", "frames": frames, "seconds": round(seconds, 2)}
    logger.info("%d frames in %.1f s, %.1f/s", frames, seconds, frames / max(seconds, 1e-9), extra=fields)
    for source in status.sources:
        dropped = ", ".join(f"{count} {reason}" for reason, count in source.dropped.items()) or "none"
        fields = {"event": "source_finished", "source": source.name, "state": source.state, "reason": source.reason}
        fields |= {"bytes_written": source.bytes_written, "bytes_copied": source.bytes_copied}
        text = "%s: %d frames, %s inferred, dropped: %s, decode errors: %d"
        inferred = ", ".join(f"{model} {count}" for model, count in source.by_model.items()) or str(source.inferred)
        numbers = (source.frames, inferred, dropped, source.decode_errors)
        logger.info(text, source.name, *numbers, extra={k: v for k, v in fields.items() if v})
        if not source.width and source.reason and source.state != StreamState.FAILED.value:
            fields = {"event": "never_connected", "source": source.name, "reason": source.reason}
            why = source.detail.removeprefix(f"source {source.name!r}: ")
            logger.warning("%s never connected: %s", source.name, why, extra=fields)
    for worker, metrics in status.metrics.items():
        for name, text in (_TROUBLES | _BY_DESIGN).items():
            count = int(sum(v for key, v in metrics.items() if key.partition("{")[0] == name))
            if count:
                fields = {"event": name, "worker": worker, "count": count}
                level = logging.WARNING if name in _TROUBLES else logging.INFO
                logger.log(level, "%s: %d %s", worker, count, text, extra=fields)
