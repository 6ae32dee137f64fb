"""RT-DETR and D-FINE: exports of `transformers`, with boxes and logits, of their own tools, with finished boxes, and of
Ultralytics, with rows of queries.

Input: RGB, levels / 255, stretched. Either the outputs are those of `detr_head`, read with sigmoid; or the best pairs
were chosen in the graph, outputs are labels [B, N], boxes [B, N, 4] and scores [B, N], and a second input,
`orig_target_sizes` [B, 2], is the width and height in whose pixels the boxes are (RT-DETR `tools/export_onnx.py`).
Those of Ultralytics are told by their metadata; their output is that of `query_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import DETECTION
from mpipeline.models.detr_classes import every_column, may_be
from mpipeline.models.detr_head import DetrHead, Scoring, detr_outputs
from mpipeline.models.family import ModelOptions
from mpipeline.models.finished_boxes import FinishedBoxes
from mpipeline.models.image_input import describe, image_input, input_beside
from mpipeline.models.metadata import read_metadata
from mpipeline.models.preprocess import Recipe
from mpipeline.models.query_rows import QueryRows
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor

RECIPE = Recipe(order="rgb", scale=1 / 255, resize="stretch")
_SIZES = "orig_target_sizes"


class RtDetr:
    """An RT-DETR, a D-FINE, or another DETR that has no column for "no object"."""

    task = DETECTION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, sizes = image_input(info, beside=(_SIZES,)), input_beside(info, _SIZES)
        self.constants: dict[str, Tensor] = {}
        head: DetrHead | FinishedBoxes | QueryRows
        if read_metadata(info.metadata).is_rtdetr:
            head = QueryRows(image, info, options, RECIPE)
            self.names, names_note = head.names, head.names_note
        elif sizes is None:
            outputs = detr_outputs(info)
            columns, self.names, names_note = every_column(outputs.logits.shape[2], options.names)
            head = DetrHead(image, outputs, options, RECIPE, Scoring(columns, self.names))
        else:
            head = FinishedBoxes(image, info, options, RECIPE)
            self.names, names_note = head.names, head.names_note
            self.constants[_SIZES] = np.array(head.input_shape[:0:-1], sizes.dtype)
        self._head = head
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.notes = head.input_shape, (*head.notes, names_note)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """The second input, metadata of Ultralytics, or outputs named boxes and logits, with fitting columns."""
        try:
            image_input(info, beside=(_SIZES,))
            if (sizes := input_beside(info, _SIZES)) is not None:
                return f"it has the input {describe(sizes)}, as exports of RT-DETR and D-FINE have"
            if (metadata := read_metadata(info.metadata)).is_rtdetr:
                return f"its metadata is that of an RT-DETR of Ultralytics ({metadata.description})"
            outputs = detr_outputs(info)
        except ModelError:
            return None
        if not may_be("rtdetr", outputs):
            return None
        return f"its outputs {outputs} have the form of RT-DETR's boxes and logits"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        return self._head.read(outputs, geometries)
