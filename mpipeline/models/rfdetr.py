"""RF-DETR: detection and instance segmentation exports of Roboflow's `rfdetr`.

Input: RGB, levels / 255, mean and deviation of ImageNet, stretched. Outputs are those of `detr_head`, read with
sigmoid; which columns of the logits are classes, `rfdetr_classes` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import DETECTION, SEGMENTATION
from mpipeline.models.detr_classes import may_be
from mpipeline.models.detr_head import DetrHead, Scoring, detr_outputs
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import image_input
from mpipeline.models.preprocess import Recipe
from mpipeline.models.rfdetr_classes import class_columns, read_notes
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor

RECIPE = Recipe(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="stretch")


class RfDetr:
    """An RF-DETR model; with masks if the file has an output for them."""

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, notes, outputs = image_input(info), read_notes(info.metadata), detr_outputs(info)
        self.task = DETECTION if outputs.masks is None else SEGMENTATION
        columns, self.names, names_note = class_columns(outputs.logits.shape[2], options.names, notes.names)
        recipe = replace(RECIPE, mean=notes.mean or RECIPE.mean, std=notes.std or RECIPE.std)
        scoring = Scoring(columns, self.names, most=notes.most)
        self._head = head = DetrHead(image, outputs, options, recipe, scoring)
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.notes = head.input_shape, (*head.notes, names_note)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Outputs with the names, or the forms, of boxes and logits for the same queries, and perhaps of masks."""
        try:
            image_input(info)
            outputs = detr_outputs(info)
        except ModelError:
            return None
        if not may_be("rfdetr", outputs):
            return None
        return f"its outputs {outputs} have the form of boxes, logits{' and masks' if outputs.masks else ''} of queries"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        return self._head.read(outputs, geometries)
