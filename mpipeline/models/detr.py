"""DETR and those that are fed as it is (Conditional, Deformable DETR): exports of `transformers`, boxes and logits.

Input: RGB, levels / 255, mean and deviation of ImageNet, stretched; a second input, `pixel_mask`, says that all of it
is picture. Outputs are those of `detr_head`: read with softmax if the last column is "no object" (DETR; Carion et al.,
2020), else with sigmoid. Models of COCO have 92 columns with it, and 91 without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import DETECTION, SEGMENTATION
from mpipeline.models.detr_classes import every_column, has_no_object, may_be
from mpipeline.models.detr_head import DetrHead, Scoring, detr_outputs
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import image_input, input_beside
from mpipeline.models.preprocess import Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor

RECIPE = Recipe(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="stretch")
_MASK = "pixel_mask"


class Detr:
    """A DETR; with masks if the file has an output for them."""

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, outputs = image_input(info, beside=(_MASK,)), detr_outputs(info)
        self.task = DETECTION if outputs.masks is None else SEGMENTATION
        count = outputs.logits.shape[2]
        softmax = has_no_object(count, options.names)
        columns, self.names, names_note = every_column(
            count - 1 if count is not None and softmax else count, options.names
        )
        self._head = head = DetrHead(image, outputs, options, RECIPE, Scoring(columns, self.names, softmax))
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        last = "The last column of the logits is no object" if softmax else "Every column of the logits is a class"
        self.notes: tuple[str, ...] = (*head.notes, f"{last}: set names if that is wrong.", names_note)
        self.input_shape = head.input_shape
        self.constants: dict[str, Tensor] = {}
        if (mask := input_beside(info, _MASK)) is not None:
            sides = (side or whole for side, whole in zip(mask.shape[1:], head.input_shape[1:], strict=True))
            self.constants[_MASK] = np.ones(tuple(sides), mask.dtype)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Outputs that are named boxes and logits, with the columns of COCO or of unknown classes."""
        try:
            image_input(info, beside=(_MASK,))
            outputs = detr_outputs(info)
        except ModelError:
            return None
        return f"its outputs {outputs} have the form of DETR's boxes and logits" if may_be("detr", outputs) else None

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        return self._head.read(outputs, geometries)
