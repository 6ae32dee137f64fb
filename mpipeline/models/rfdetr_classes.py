"""Which columns of an RF-DETR model's logits are classes: the others are background, or numbers that nobody uses.

A model has one column more than classes: the last is "no object". Models of COCO have 91, one for each number that its
categories could have. Recent exports tell it in their metadata (`rfdetr_inference`, JSON: class_id_to_name, num_select,
means, stds). Whatever the columns are, classes are numbered from 0 here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_CATEGORIES, COCO_NAMES
from mpipeline.models.labels import named, unnamed

_KEY = "rfdetr_inference"
_COCO_COLUMNS = 91
_BACKGROUND = "background"

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ExportNotes:
    """What the exporter has written: name by column, the most pairs to look at (0: unknown), and the normalisation."""

    names: Mapping[int, str]
    most: int = 0
    mean: Triple | None = None
    std: Triple | None = None


def read_notes(metadata: Mapping[str, str]) -> ExportNotes:
    """The notes of a model file, empty ones if it has none. Raises ModelError if they cannot be read."""
    text = metadata.get(_KEY)
    if text is None:
        return ExportNotes({})
    try:
        notes: dict[str, Any] = json.loads(text)
        names = {int(column): str(name) for column, name in (notes.get("class_id_to_name") or {}).items()}
        most = int(notes.get("num_select") or 0)
        mean, std = _triple(notes.get("means")), _triple(notes.get("stds"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"the metadata of the model file has a {_KEY!r} that cannot be read: {error}") from error
    if any(column < 0 for column in names) or most < 0:
        raise ModelError(f"the metadata of the model file has a {_KEY!r} with a number below 0")
    return ExportNotes(names, most, mean, std)


def class_columns(
    count: int | None, given: Sequence[str], in_file: Mapping[int, str]
) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    """The columns that are classes, their names, and a sentence that says where these come from.

    `count` is the number of columns, None if the file leaves it open. Names that are given, one for each class or one
    for each column, go before those in the file; a name that begins with "background" is no class. Raises ModelError
    if their number is none that can be.
    """
    if given:
        return _from_config(count, tuple(given))
    if in_file:
        columns = tuple(column for column in sorted(in_file) if count is None or column < count)
        columns = tuple(column for column in columns if not _is_background(in_file[column]))
        return columns, tuple(in_file[column] for column in columns), "The class names are in the model file."
    if count is None:
        raise ModelError("the model file leaves open how many classes it has: set names")
    if count == _COCO_COLUMNS:
        note = "No class names are known: the 80 names of COCO are assumed; set names to change that."
        return COCO_CATEGORIES, COCO_NAMES, note
    classes = max(count - 1, 1)
    note = unnamed(classes)
    return tuple(range(classes)), tuple(str(i) for i in range(classes)), note


def _from_config(count: int | None, names: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    note = named(names, "given by the config or the sidecar file")
    if count == _COCO_COLUMNS and len(names) == len(COCO_CATEGORIES):
        return COCO_CATEGORIES, names, note
    if count is not None and len(names) not in (count, count - 1):
        raise ModelError(
            f"{len(names)} class names are given by the config or the sidecar file, but the model's output has {count} "
            f"columns, which is {count - 1} classes and one for no object"
        )
    columns = tuple(column for column, name in enumerate(names) if not _is_background(name))
    return columns, tuple(names[column] for column in columns), note


def _is_background(name: str) -> bool:
    return name.casefold().startswith(_BACKGROUND)


def _triple(values: Any) -> Triple | None:
    if values is None:
        return None
    first, second, third = (float(value) for value in values)
    return first, second, third
