"""Which columns of a DETR's logits are classes, and which family a file is of by their number."""

from __future__ import annotations

from collections.abc import Sequence

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_CATEGORIES, COCO_NAMES
from mpipeline.models.detr_head import DetrOutputs
from mpipeline.models.labels import choose_names

_NUMBERS_OF_COCO = 91  # 0, which is none, to 90
# The columns of models of COCO: its numbers with and without "no object", and its 80 classes alone.
_FAMILIES = {_NUMBERS_OF_COCO + 1: "detr", _NUMBERS_OF_COCO: "detr", len(COCO_NAMES): "rtdetr"}


def may_be(family: str, outputs: DetrOutputs) -> bool:
    """Whether outputs are those of that family, as far as they show it.

    Outputs that are named boxes and logits are those of all DETRs but RF-DETR's own exporter; the number of columns
    decides among them if it is that of a model of COCO, and else is no hint.
    """
    if not outputs.named:
        return family == "rfdetr"
    return family != "rfdetr" and _FAMILIES.get(outputs.logits.shape[2] or 0, family) == family


def has_no_object(columns: int | None, given: Sequence[str]) -> bool:
    """Whether the last column stands for "no object": told by the number of names, and else that of columns."""
    if columns in (len(given), len(given) + 1):
        return columns != len(given)
    return columns != _NUMBERS_OF_COCO


def every_column(count: int | None, given: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    """The columns that are classes, their names, and a sentence that says where these come from.

    All of `count` columns are; of 91 those that are numbers of COCO, unless 91 names are given. Raises ModelError if
    names do not fit, or if not even the number of classes is known.
    """
    if count is not None and count < 1:
        raise ModelError("the model's logits have no column for a class")
    if count == _NUMBERS_OF_COCO and len(given) in (0, len(COCO_CATEGORIES)):
        return COCO_CATEGORIES, tuple(given) or COCO_NAMES, "The columns are the numbers of COCO, of its 80 classes."
    names, note = choose_names(given, (), count)
    if not names:
        raise ModelError("the model file leaves open how many classes it has: set names")
    return tuple(range(len(names))), names, note
