"""Puts together what the config, the sidecar file and the model package say; the rest the family reads in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpipeline.models.family import ModelOptions, Normalisation
from mpipeline.models.labels import in_order
from mpipeline.models.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What the config says about a model; None is what it does not say. Meanings as in `ModelOptions`."""

    family: str | None = None
    confidence: float | None = None
    iou_threshold: float | None = None
    max_detections: int | None = None
    class_agnostic_nms: bool | None = None
    classes: Sequence[int | str] | None = None
    names: Sequence[str] | Mapping[int, str] | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ResolvedOptions:
    """The family that is asked for (None: to be inferred), the options, and sentences for the log on their origin."""

    family: str | None
    options: ModelOptions
    notes: tuple[str, ...]


_NUMBERS = ("confidence", "iou_threshold", "max_detections", "class_agnostic_nms", "size")


def resolve_options(request: ModelRequest, sidecar: Sidecar | None, package: Sidecar | None = None) -> ResolvedOptions:
    """The config over the sidecar over the model package over the defaults of `ModelOptions`, key by key."""
    from_config = {key: getattr(request, key) for key in (*_NUMBERS, "classes", "names", "family")}
    from_config = {key: value for key, value in from_config.items() if value is not None}
    from_sidecar, from_package = _said_by(sidecar), _said_by(package)
    merged: dict[str, Any] = {**from_package, **from_sidecar, **from_config}
    family = merged.pop("family", None)
    if "classes" in merged:
        merged["classes"] = tuple(merged["classes"])
    if "names" in merged:
        merged["names"] = in_order(merged["names"])
    notes = []
    if sidecar is not None:
        notes += _origin_notes("sidecar file", from_sidecar, {"the config": from_config})
    if package is not None:
        before = {"the config": from_config, "the sidecar file": from_sidecar}
        notes += _origin_notes("model package", from_package, before)
    return ResolvedOptions(family, ModelOptions(**merged), tuple(notes))


def _origin_notes(origin: str, said: Mapping[str, Any], before: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is taken from `origin`, and who of those `before` it says something else."""
    used = [key for key in said if not any(key in others for others in before.values())]
    notes = [f"The {origin} says {', '.join(used) if used else 'nothing that is used'}."]
    for name, others in before.items():
        hidden = [key for key in said if key in others]
        if hidden:
            notes.append(
                f"{name[0].upper()}{name[1:]} says {', '.join(hidden)} otherwise and goes before the {origin}."
            )
    return notes


def _said_by(sidecar: Sidecar | None) -> dict[str, Any]:
    """The entries of a sidecar file, or of what takes its form, under the names of `ModelOptions`, and its family."""
    if sidecar is None:
        return {}
    said: dict[str, Any] = {key: getattr(sidecar, key) for key in ("family", *_NUMBERS, "classes")}
    said["names"] = sidecar.class_names() or None
    if sidecar.normalisation is not None:
        said["normalisation"] = Normalisation(**sidecar.normalisation.model_dump())
    return {key: value for key, value in said.items() if value is not None}
