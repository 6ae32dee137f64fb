"""Puts together what the config and the sidecar file say about a model; the rest the family reads in its file."""

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


def resolve_options(request: ModelRequest, sidecar: Sidecar | None) -> ResolvedOptions:
    """The config over the sidecar over the defaults of `ModelOptions`, key by key."""
    from_sidecar = _said_by(sidecar)
    from_config = {key: getattr(request, key) for key in (*_NUMBERS, "classes", "names", "family")}
    from_config = {key: value for key, value in from_config.items() if value is not None}
    merged: dict[str, Any] = {**from_sidecar, **from_config}
    family = merged.pop("family", None)
    if "classes" in merged:
        merged["classes"] = tuple(merged["classes"])
    if "names" in merged:
        merged["names"] = in_order(merged["names"])
    notes = []
    if sidecar is not None:
        used = [key for key in from_sidecar if key not in from_config]
        hidden = [key for key in from_sidecar if key in from_config]
        notes.append(f"The sidecar file says {', '.join(used) if used else 'nothing that is used'}.")
        if hidden:
            notes.append(f"The config says {', '.join(hidden)} otherwise and goes before the sidecar file.")
    return ResolvedOptions(family, ModelOptions(**merged), tuple(notes))


def _said_by(sidecar: Sidecar | None) -> dict[str, Any]:
    """The entries of a sidecar file under the names of `ModelOptions`, and its family."""
    if sidecar is None:
        return {}
    said: dict[str, Any] = {key: getattr(sidecar, key) for key in ("family", *_NUMBERS, "classes")}
    said["names"] = sidecar.class_names() or None
    if sidecar.normalisation is not None:
        said["normalisation"] = Normalisation(**sidecar.normalisation.model_dump())
    return {key: value for key, value in said.items() if value is not None}
