"""RF-DETR: detection and instance segmentation exports of Roboflow's `rfdetr`.

Input: RGB, levels / 255, mean and deviation of ImageNet, stretched. Outputs: boxes [B, Q, 4], cx, cy, w, h as parts of
the input; logits [B, Q, C]; for segmentation masks [B, Q, h, w]. The best Q pairs of query and class by sigmoid count,
and those above the threshold are reported: nothing is suppressed, and one query may be reported with two classes.
Masks cover where they are above 0, enlarged to the frame (`rfdetr/models/lwdetr.py`, PostProcess).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.masks import Masks
from mpipeline.models.architectures import DETECTION, SEGMENTATION
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import resolve_classes
from mpipeline.models.mask_grid import GridArea, MaskPart, enlarge, grid_area, nothing
from mpipeline.models.nms import Selection, from_centre_form
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.models.rfdetr_classes import class_columns, read_notes
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="stretch")


class RfDetr:
    """An RF-DETR model; with masks if the file has an output for them."""

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, notes = image_input(info), read_notes(info.metadata)
        boxes, logits, masks = _outputs(info)
        self.task = DETECTION if masks is None else SEGMENTATION
        size, size_note = choose_size(image, options.size, None, 1)
        self._boxes, self._logits, self._masks = boxes.name, logits.name, masks.name if masks is not None else None
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        columns, self.names, names_note = class_columns(logits.shape[2], options.names, notes.names)
        self._class_of = np.full(max(columns, default=0) + 1, -1, np.int32)
        self._class_of[list(columns)] = np.arange(len(columns))
        form = "boxes, logits and masks" if masks is not None else "boxes and logits"
        form_note = f"The outputs are {form}, nothing is suppressed: iou_threshold has no effect."
        self.notes = (size_note, batch_sentence(image.batch), form_note, names_note)
        self._most, self._confidence = notes.most, options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        recipe = replace(RECIPE, mean=notes.mean or RECIPE.mean, std=notes.std or RECIPE.std)
        self._preprocessor = Preprocessor(recipe.overridden(options.normalisation), size)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Outputs with the names, or the forms, of boxes and logits for the same queries, and perhaps of masks."""
        try:
            image_input(info)
            boxes, logits, masks = _outputs(info)
        except ModelError:
            return None
        outputs = ", ".join(describe(spec) for spec in (boxes, logits, masks) if spec is not None)
        return f"its outputs {outputs} have the form of boxes, logits{' and masks' if masks else ''} of queries"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self._preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
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
        parts = (_mask(masks[i].astype(np.float32, copy=False), area) for i in query[kept][real].tolist())
        return replace(found, masks=Masks.joined(geometry.width, geometry.height, parts))

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(query, class id, score) of the best pairs above the threshold; of what is no class there is none."""
        flat = logits.ravel()
        with np.errstate(over="ignore"):  # exp of a very low logit: the score is 0
            scores = 1 / (1 + np.exp(-flat))
        above = np.flatnonzero(scores > self._confidence)
        above = above[np.argsort(-scores[above], kind="stable")][: self._most or len(logits)]
        query, column = np.divmod(above, logits.shape[1])
        class_id = self._class_of[np.minimum(column, len(self._class_of) - 1)]
        real = (class_id >= 0) & (column < len(self._class_of))
        return query[real], class_id[real], scores[above][real]


def _mask(grid: Tensor, area: GridArea) -> MaskPart:
    """One mask in the frame."""
    inside = grid[area.top : area.bottom, area.left : area.right]
    rows, columns = np.flatnonzero((inside > 0).any(axis=1)), np.flatnonzero((inside > 0).any(axis=0))
    if not len(rows):
        return nothing()
    left, top = max(int(columns[0]) - 1, 0), max(int(rows[0]) - 1, 0)
    patch = inside[top : int(rows[-1]) + 2, left : int(columns[-1]) + 2]
    return enlarge(patch, area.left + left, area.top + top, area)


def _outputs(info: ModelInfo) -> tuple[TensorSpec, TensorSpec, TensorSpec | None]:
    """The outputs for boxes, logits and masks; by their names, or else by their forms."""
    flat = [spec for spec in info.outputs if len(spec.shape) == 3]
    deep = [spec for spec in info.outputs if len(spec.shape) == 4]
    if len(flat) == 2 and len(deep) <= 1 and len(info.outputs) == len(flat) + len(deep):
        flat.sort(key=lambda spec: (spec.name != "dets", spec.shape[2] != 4))
        boxes, logits = flat
        of_same_queries = all(spec.shape[1] == boxes.shape[1] for spec in (logits, *deep))
        if of_same_queries and boxes.shape[2] in (4, None):
            return boxes, logits, deep[0] if deep else None
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "an RF-DETR model has outputs dets [batch, queries, 4], labels [batch, queries, classes] and perhaps masks "
        f"[batch, queries, height, width]; this one has {found}"
    )
