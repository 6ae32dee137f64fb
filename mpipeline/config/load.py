"""Reads a config: a YAML file or the arguments of `mpipeline run`, with overrides; tells all errors at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mpipeline import registry
from mpipeline.config import names
from mpipeline.config.checks import missing_files, overwritten_files
from mpipeline.config.document import Document, parse, show
from mpipeline.config.locate import Place, Problem
from mpipeline.config.overrides import apply_overrides
from mpipeline.config.schema import RunConfig, SourceSpec
from mpipeline.config.spec import validated
from mpipeline.errors import ConfigError

_LARGEST_FILE = 4 << 20  # bytes; whoever gives more has mistaken a video for a config
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_IS_PIPELINE = "mpipeline.sources.selection:is_pipeline"  # looked up when needed: config and sources are neighbours
_MODEL_FILES = (".onnx", ".engine", ".plan", ".trt", ".pt", ".pth", ".tflite", ".xml", ".yaml", ".zip")


def load_config(path: Path, overrides: Sequence[str] = (), *, sinks_required: bool = True) -> RunConfig:
    """The config in the YAML file `path`, changed by `overrides` such as "model.confidence=0.5".

    Programs that take the predictions themselves pass `sinks_required=False`. Raises ConfigError with one line for each
    thing that is wrong, beginning with file, line, column and key.
    """
    return config_from_text(_text_of(path), path, overrides, sinks_required=sinks_required)


def config_from_text(text: str, path: Path, overrides: Sequence[str] = (), *, sinks_required: bool = True) -> RunConfig:
    """The config in a text that is, or will be, the file `path`; as `load_config`."""
    document = parse(text, Place(str(path), 1, 1))
    document.file = str(path)
    if document.data is None and not overrides:
        raise ConfigError(f"{path}:1:1: empty; expected at least 'sources' and 'model'")
    if document.data is not None and not isinstance(document.data, dict):
        found = show(document.data, document.shown.get(()))
        raise ConfigError(f"{path}:1:1: expected a mapping with 'sources' and 'model', got {found}")
    return _finished(document, overrides, names.run_name(path.stem), path.parent, sinks_required)


def config_from_arguments(
    videos: Sequence[str],
    model: str,
    save: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    sinks_required: bool = True,
) -> RunConfig:
    """The config of `mpipeline run VIDEO… --model M --save DIR`: predictions.jsonl and a video per source in DIR.

    `model` is as in `model_key`. Raises ConfigError as `load_config` does.
    """
    document = Document({}, Place("arguments"))
    document.data["sources"] = [{_key_of(video): video} for video in videos]
    for index, video in enumerate(videos):
        document.places.set(("sources", index), Place(f"VIDEO {index + 1}"))
        document.hide_address(video)
    document.data["model"] = {model_key(model): model}
    document.places.set(("model",), Place("--model"))
    if save is not None:
        document.data["sinks"] = [
            {"kind": "jsonl", "path": str(save / "predictions.jsonl")},
            {"kind": "video", "path": str(save / "{source}.mp4")},
        ]
        document.places.set(("sinks",), Place("--save"))
    return _finished(document, overrides, "run", None, sinks_required)


def source_from_arguments(uri: str, overrides: Sequence[str] = ()) -> SourceSpec:
    """The source of that address, with keys such as "transport=udp".

    Raises ConfigError as `load_config` does; that a file is missing is left to whoever opens it.
    """
    key = _key_of(uri)
    document = Document({key: uri}, Place("arguments"))
    document.places.set((key,), Place("URI"))
    document.hide_address(uri)
    apply_overrides(document, overrides)
    spec, problems = validated(SourceSpec, document.data, document.shown, document.scrub)
    problems = document.problems + _without(document.problems, problems)
    if problems or spec is None:
        raise ConfigError(document.places.lines(problems))
    name = spec.name or names.source_base(getattr(spec.options, "uri", None), spec.kind, 0)
    return spec.model_copy(update={"name": name})


def model_key(model: str) -> Literal["path", "target", "id"]:
    """Which key of the config's model a word of the command line means.

    What exists is a path; else "module:attribute" is Python of the user's own, and a plain word, or two with a slash
    between them, the id of a model ("yolov8n-640", "coco/3"). Anything else is a path that is not there.
    """
    try:
        exists = Path(model).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or ~ of nobody
        return "path"
    if exists:
        return "path"
    if _TARGET.fullmatch(model):
        return "target"
    return "id" if _MODEL_ID.fullmatch(model) and not model.lower().endswith(_MODEL_FILES) else "path"


def _key_of(source: str) -> str:
    """Which key of a source a word of the command line means."""
    return "gstreamer" if registry.resolve(_IS_PIPELINE)(source) else "uri"


def _finished(
    document: Document, overrides: Sequence[str], name: str, directory: Path | None, sinks_required: bool
) -> RunConfig:
    """Overrides, defaults, checks; the config or a ConfigError with all that is wrong."""
    apply_overrides(document, overrides)
    data = document.data
    if isinstance(data, dict) and data.get("name") is None:
        data = {**data, "name": name}
    config, problems = validated(RunConfig, data, document.shown, document.scrub)
    problems += _without(problems, [*missing_files(document, directory), *overwritten_files(document)])
    if sinks_required and isinstance(data, dict) and data.get("sinks", []) in ([], None):
        message = "missing; expected at least one sink, such as {kind: jsonl, path: predictions.jsonl}"
        problems.append(Problem(("sinks",), message))
    problems = document.problems + _without(document.problems, problems)
    if problems or config is None:
        raise ConfigError(document.places.lines(problems))
    return config


def _without(known: Sequence[Problem], later: Sequence[Problem]) -> list[Problem]:
    """Those of `later` whose key has no known problem yet: one cause, one line."""
    paths = {problem.path for problem in known if problem.place is None or problem.path}
    return [problem for problem in later if problem.path not in paths]


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        reasons: dict[type[Any], str] = {
            FileNotFoundError: "no such file",
            IsADirectoryError: "expected a YAML file, got a directory",
            PermissionError: "no permission to read it",
        }
        raise ConfigError(f"{path}: {reasons.get(type(error), str(error.strerror))}") from error
    if len(raw) > _LARGEST_FILE:
        raise ConfigError(f"{path}: expected a YAML file, got one of more than 4 MB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}:1: not a text file in UTF-8") from None
