"""Looks into a model that is here: its family and why, inputs, outputs, names, and which line of a config it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpipeline import registry
from mpipeline.backends.backend import BackendOptions
from mpipeline.errors import ModelError
from mpipeline.hosted.model import Model, get_model
from mpipeline.models.image_input import describe, image_input
from mpipeline.models.labels import are_known
from mpipeline.models.package import ModelPackage
from mpipeline.models.selection import choose_family
from mpipeline.store.resolve import resolve
from mpipeline.tensor import ModelInfo

_QUICK = "onnxruntime"  # to load


@dataclass(frozen=True, slots=True)
class Gap:
    """What the model does not tell, and the line below `model:` in a config that does."""

    text: str
    line: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. `family`, `task` and `size` are empty or None where `error` says why the model cannot be used."""

    name: str
    package: ModelPackage
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    family: str = ""
    task: str = ""
    size: tuple[int, int] | None = None
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    error: str = ""


def inspect(name: str) -> Inspection:
    """The model of an id or at a path, which is loaded; nothing is fetched.

    Raises ModelError if the file cannot be loaded at all, ModelUnavailable if it is not here.
    """
    resolved = resolve(name, fetch=False)
    shown, package = resolved.model_id or str(resolved.path), resolved.package
    try:
        with get_model(name, fetch=False, backend=_backend()) as model:
            return _usable(shown, package, model)
    except ModelError as error:
        info = _info(package.weights)
        inputs, outputs = _tensors(info)
        return Inspection(shown, package, inputs, outputs, gaps=tuple(_gap_of_family(info)), error=str(error))


def _gap_of_family(info: ModelInfo) -> Iterator[Gap]:
    """The family, if that is what keeps the model from being used."""
    try:
        choose_family(info, None)
    except ModelError:
        families = "|".join(sorted(registry.kinds("models")))
        yield Gap("of which family it is, if of any: the file does not show it", f"family: …   # {families}")


def _usable(shown: str, package: ModelPackage, model: Model) -> Inspection:
    return Inspection(
        name=shown,
        package=package,
        inputs=_tensors(model.info)[0],
        outputs=_tensors(model.info)[1],
        family=model.family_name,
        task=model.task_type,
        size=model.input_size,
        class_names=tuple(model.class_names),
        notes=model.notes,
        gaps=tuple(_gaps(model)),
    )


def _gaps(model: Model) -> list[Gap]:
    gaps = []
    if not all(are_known(note) for note in model.notes):
        count = len(model.class_names)
        gaps.append(Gap("names of its classes", f"names: [{'…, ' * min(count, 3)}]".replace(", ]", "]")))
    image = image_input(model.info)
    if image.width is None or image.height is None:
        width, height = model.input_size
        gaps.append(Gap("the size of its input, which it leaves open", f"size: [{width}, {height}]"))
    return gaps


def _info(weights: Path) -> ModelInfo:
    """What stands in a file of which no family is known."""
    backend = registry.load("backends", _backend())(BackendOptions(str(weights), "cpu"))
    try:
        info: ModelInfo = backend.open()
        return info
    finally:
        backend.close()


def _backend() -> str:
    return _QUICK if _QUICK in registry.kinds("backends") else "auto"


def _tensors(info: ModelInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(map(describe, info.inputs)), tuple(map(describe, info.outputs))
