"""A model package: a folder with a model file and with files that say how it is to be used.

Two layouts, both with `weights.onnx` and `class_names.txt` (a name a line):

* `model_config.json` (model_architecture, task_type) and `inference_config.json`;
* `model_type.json` (project_task_type, model_type) and `environment.json`.

What a package says goes behind the config and a sidecar file (`weights.yaml`), before the model file's own metadata.
What it asks for and cannot be had is an error: a model that is fed otherwise than it was trained is silently wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpipeline.errors import ModelError
from mpipeline.models.architectures import DETECTION, family_of
from mpipeline.models.package_input import PackageInput, from_environment, from_inference_config
from mpipeline.models.sidecar import NormalisationSection, Sidecar

WEIGHTS = "weights.onnx"
CONFIG, INFERENCE_CONFIG = "model_config.json", "inference_config.json"
LEGACY_TYPE, LEGACY_ENVIRONMENT = "model_type.json", "environment.json"
CLASS_NAMES = "class_names.txt"
_ENGINES = (".engine", ".plan", ".trt")
_LARGEST_TEXT = 8 << 20  # bytes of a file that is no weights


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """A model file and what is said about it. `said` has family, names, size and normalisation, None where open.

    `directory` is None for a model file without a package. `max_batch`: the most frames that it takes at once.
    """

    weights: Path
    directory: Path | None = None
    task: str = DETECTION
    architecture: str = ""
    said: Sidecar = field(default_factory=Sidecar)
    max_batch: int | None = None


def open_package(path: Path) -> ModelPackage:
    """The model at `path`: an ONNX file, a file of a TensorRT engine, or a package's folder.

    Raises ModelError if there is none, or if it asks for what is not supported.
    """
    if path.is_dir():
        return read_package(path)
    if path.suffix.lower() != ".onnx" and not is_engine(path):
        expected = "an ONNX file (.onnx), a TensorRT engine (.engine) or the folder of a model package"
        raise ModelError(f"{path}: expected {expected}")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file")
    return ModelPackage(path)


def read_package(directory: Path, *, with_weights: bool = True) -> ModelPackage:
    """The package in a folder; `with_weights=False` reads one whose model file is not there yet.

    Raises ModelError that names the file and what is wrong with it.
    """
    if with_weights:
        _check_weights(directory)
    said, architecture, task = _described(directory)
    try:
        family = family_of(architecture, task)
    except ModelError as error:
        raise ModelError(f"{directory}: {error}") from error
    names = _class_names(directory / CLASS_NAMES)
    normalisation = NormalisationSection(
        order=said.order, scale=said.scale, mean=said.mean, std=said.std, pad=said.pad, resize=said.resize
    )
    sidecar = Sidecar(family=family, names=names, size=said.size, normalisation=normalisation)
    return ModelPackage(directory / WEIGHTS, directory, task, architecture, sidecar, said.max_batch)


def is_package(directory: Path) -> bool:
    """Whether a folder looks like a package of either layout, complete or not."""
    return any((directory / name).is_file() for name in (CONFIG, LEGACY_TYPE, LEGACY_ENVIRONMENT))


def is_engine(path: Path) -> bool:
    """Whether a file is called as those of TensorRT are."""
    return path.suffix.lower() in _ENGINES


def _described(directory: Path) -> tuple[PackageInput, str, str]:
    """Input, architecture and task, in whichever layout."""
    if (directory / CONFIG).is_file():
        content = _json(directory / CONFIG)
        backend = content.get("backend_type", "onnx")
        if backend != "onnx":
            raise ModelError(f"{directory / CONFIG}: the package is for {backend!r}; only 'onnx' is supported")
        keys, path, read = ("model_architecture", "task_type"), directory / INFERENCE_CONFIG, from_inference_config
    elif (directory / LEGACY_TYPE).is_file():
        content = _json(directory / LEGACY_TYPE)
        keys, path, read = ("model_type", "project_task_type"), directory / LEGACY_ENVIRONMENT, from_environment
    else:
        raise ModelError(f"{directory}: is no model package: it has neither {CONFIG} nor {LEGACY_TYPE}")
    texts = [content.get(key) for key in keys]
    for key, text in zip(keys, texts, strict=True):
        if not isinstance(text, str) or not text:
            raise ModelError(f"{directory}: {key} is missing, or is no text")
    environment = _json(path)
    try:
        return read(environment), str(texts[0]), str(texts[1])
    except ModelError as error:
        hint = f"to use the model file by itself, give its path: {directory / WEIGHTS}"
        raise ModelError(f"{path}: {error}; {hint}") from error


def _check_weights(directory: Path) -> None:
    if (directory / WEIGHTS).is_file():
        return
    try:
        others = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        raise ModelError(f"{directory}: cannot be read: {error.strerror}") from error
    if any(is_engine(Path(name)) for name in others):
        raise ModelError(f"{directory}: has a TensorRT engine, but no {WEIGHTS}; give the path of the engine itself")
    raise ModelError(f"{directory}: there is no {WEIGHTS}; found: {', '.join(others[:10]) or 'nothing'}")


def _class_names(path: Path) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    lines = [line.strip() for line in _text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise ModelError(f"{path}:{lines.index('') + 1}: an empty line; expected a class name on each")
    return tuple(lines) or None


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_TEXT + 1)
        if len(raw) > _LARGEST_TEXT:
            raise ModelError(f"{path}: is larger than {_LARGEST_TEXT >> 20} MiB, which no such file is")
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ModelError(f"{path}: is missing from the model package") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
