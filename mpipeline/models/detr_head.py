"""The head of a DETR: boxes, class logits and perhaps masks of queries, read as detections.

Boxes [B, Q, 4] are cx, cy, w, h as parts of the input; logits [B, Q, C]; masks [B, Q, h, w] cover where they are above
0, enlarged to the frame. Nothing is suppressed. There are two ways to read the logits:

* sigmoid: of all pairs of query and class the best Q count, so one query may be reported with two classes
  (Deformable DETR, RT-DETR, RF-DETR; `rfdetr/models/lwdetr.py`, PostProcess);
* softmax: the last column is "no object", and each query is of its best class (DETR; `detr/models/detr.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.masks import Masks
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import ImageInput, batch_sentence, choose_size, describe
from mpipeline.models.labels import resolve_classes
from mpipeline.models.mask_grid import covered, grid_area
from mpipeline.models.nms import Selection, from_centre_form
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

Found = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class DetrOutputs:
    """Which outputs are boxes, logits and masks; `named` if that is told by their names."""

    boxes: TensorSpec
    logits: TensorSpec
    masks: TensorSpec | None
    named: bool = False

    def __str__(self) -> str:
        return ", ".join(describe(spec) for spec in (self.boxes, self.logits, self.masks) if spec is not None)


@dataclass(frozen=True, slots=True)
class Scoring:
    """How logits become classes: `columns` are those that are classes, in the order of their ids, with their names.

    `most`: how many pairs count with sigmoid, 0 for as many as there are queries.
    """

    columns: tuple[int, ...]
    names: tuple[str, ...]
    softmax: bool = False
    most: int = 0


class DetrHead:
    """What the families of DETR have in common: input, boxes, scores and masks."""

    def __init__(
        self, image: ImageInput, outputs: DetrOutputs, options: ModelOptions, recipe: Recipe, scoring: Scoring
    ) -> None:
        size, size_note = choose_size(image, options.size, None, 1)
        self._boxes, self._logits = outputs.boxes.name, outputs.logits.name
        self._masks = outputs.masks.name if outputs.masks is not None else None
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self._class_of = np.full(max(scoring.columns, default=0) + 1, -1, np.int32)
        self._class_of[list(scoring.columns)] = np.arange(len(scoring.columns))
        form = "boxes, logits and masks" if self._masks is not None else "boxes and logits"
        form_note = f"The outputs are {form}, nothing is suppressed: iou_threshold has no effect."
        self.notes = (size_note, batch_sentence(image.batch), form_note)
        self._confidence, self._most = options.confidence, scoring.most
        self._best = self._best_queries if scoring.softmax else self._best_pairs
        self._selection = Selection(options, scoring.names, resolve_classes(options.classes, scoring.names))
        self.preprocessor = Preprocessor(recipe.overridden(options.normalisation), size)

    def read(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        boxes, logits = outputs[self._boxes], outputs[self._logits]
        if boxes.ndim != 3 or logits.ndim != 3 or boxes.shape[2] != 4 or boxes.shape[:2] != logits.shape[:2]:
            raise ModelError(f"the model gave boxes of shape {boxes.shape} and logits of shape {logits.shape}")
        masks = None if self._masks is None else outputs[self._masks]
        if len(boxes) < len(geometries) or (masks is not None and masks.shape[:2] != boxes.shape[:2]):
            raise ModelError(f"the model gave {len(boxes)} rows of boxes, and masks that do not belong to them")
        return [
            self._row(boxes[i], logits[i], None if masks is None else masks[i], geometry)
            for i, geometry in enumerate(geometries)
        ]

    def _row(self, boxes: Tensor, logits: Tensor, masks: Tensor | None, geometry: Geometry) -> Detections:
        query, class_id, score = self._best(logits.astype(np.float32, copy=False))
        kept = self._selection.ranked(score, class_id)
        _, height, width = self.input_shape
        scale = np.array([width, height] * 2, np.float32)
        chosen = from_centre_form(boxes[query[kept]].astype(np.float32, copy=False)) * scale
        found, real = self._selection.placed(chosen, score[kept], class_id[kept], geometry)
        if masks is None:
            return found
        area = grid_area((masks.shape[2], masks.shape[1]), (width, height), geometry)
        inside = masks[:, area.top : area.bottom, area.left : area.right]
        parts = (covered(inside[i].astype(np.float32, copy=False), area) for i in query[kept][real].tolist())
        return replace(found, masks=Masks.joined(geometry.width, geometry.height, parts))

    def _best_pairs(self, logits: Tensor) -> Found:
        """(query, class id, score) of the best pairs above the threshold; of what is no class there is none."""
        flat = logits.ravel()
        with np.errstate(over="ignore"):  # exp of a very low logit: the score is 0
            scores = 1 / (1 + np.exp(-flat))
        above = np.flatnonzero(scores > self._confidence)
        above = above[np.argsort(-scores[above], kind="stable")][: self._most or len(logits)]
        query, column = np.divmod(above, logits.shape[1])
        return self._classes(query, column, scores[above])

    def _best_queries(self, logits: Tensor) -> Found:
        """(query, class id, score) of the queries whose best class, "no object" aside, is above the threshold."""
        with np.errstate(invalid="ignore"):  # of what is infinite
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (weights / weights.sum(axis=1, keepdims=True))[:, :-1]
        column = scores.argmax(axis=1)
        score = scores[np.arange(len(scores)), column]
        query = np.flatnonzero(score > self._confidence)
        return self._classes(query, column[query], score[query])

    def _classes(self, query: Tensor, column: Tensor, score: Tensor) -> Found:
        class_id = self._class_of[np.minimum(column, len(self._class_of) - 1)]
        real = (class_id >= 0) & (column < len(self._class_of))
        return query[real], class_id[real], score[real]


def detr_outputs(info: ModelInfo) -> DetrOutputs:
    """The outputs for boxes, logits and masks; by their names, or else by their forms. Raises ModelError."""
    flat = [spec for spec in info.outputs if len(spec.shape) == 3]
    deep = [spec for spec in info.outputs if len(spec.shape) == 4]
    boxes = [spec for spec in flat if "box" in spec.name and spec.shape[2] in (4, None)]
    logits = [spec for spec in flat if "logits" in spec.name]
    masks = [spec for spec in deep if "masks" in spec.name]
    if len(boxes) == len(logits) == 1:  # others may be there: the states of layers
        return DetrOutputs(boxes[0], logits[0], masks[0] if masks else None, named=True)
    if len(flat) == 2 and len(deep) <= 1 and len(info.outputs) == len(flat) + len(deep):
        flat.sort(key=lambda spec: (spec.name != "dets", spec.shape[2] != 4))
        first, second = flat
        of_same_queries = all(spec.shape[1] == first.shape[1] for spec in (second, *deep))
        if of_same_queries and first.shape[2] in (4, None):
            return DetrOutputs(first, second, deep[0] if deep else None)
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "a DETR has outputs for boxes [batch, queries, 4], logits [batch, queries, classes] and perhaps masks "
        f"[batch, queries, height, width]; this one has {found}"
    )
