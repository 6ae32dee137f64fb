"""Rows of queries: RT-DETR as Ultralytics exports it.

One output, a row for each query: cx, cy, w, h as parts of the input, and then either score and class, [B, Q, 6] (since
8.4), or the scores of all classes, [B, Q, 4 + classes], of which the best counts (before). Nothing is suppressed
(`ultralytics/models/rtdetr/predict.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import ImageInput, batch_sentence, choose_size, describe
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Selection, from_centre_form, select_candidates
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

_CHOSEN = 6  # numbers of a row of which score and class are told


class QueryRows:
    """Input and output of such a model."""

    def __init__(self, image: ImageInput, info: ModelInfo, options: ModelOptions, recipe: Recipe) -> None:
        metadata, output = read_metadata(info.metadata), query_rows(info)
        size, size_note = choose_size(image, options.size, metadata.size, metadata.stride or 32)
        self._output = output.name
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        count = None if output.shape[2] in (_CHOSEN, None) else output.shape[2] - 4
        self.names, self.names_note = choose_names(options.names, metadata.names, count)
        form = f"The output {describe(output)} has a row for each query: iou_threshold has no effect."
        self.notes = (size_note, batch_sentence(image.batch), form)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(recipe.overridden(options.normalisation), size)

    def read(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if output.ndim != 3 or output.shape[2] < 5 or len(output) < len(geometries):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected (batch, queries, n)")
        return [
            self._row(rows.astype(np.float32, copy=False), one) for rows, one in zip(output, geometries, strict=False)
        ]

    def _row(self, rows: Tensor, geometry: Geometry) -> Detections:
        if rows.shape[1] == _CHOSEN and (rows[:, 5] == np.rint(rows[:, 5])).all():
            query = np.flatnonzero(rows[:, 4] > self._confidence)
            class_id, score = rows[query, 5].astype(np.int32), rows[query, 4]
        else:
            query, class_id, score = select_candidates(rows[:, 4:], self._confidence)
        _, height, width = self.input_shape
        boxes = from_centre_form(rows[query, :4]) * np.array([width, height] * 2, np.float32)
        return self._selection.rank(boxes, score, class_id, geometry)


def query_rows(info: ModelInfo) -> TensorSpec:
    """The output with the rows. Raises ModelError if the file is not one of Ultralytics with an RT-DETR."""
    spec = info.outputs[0] if len(info.outputs) == 1 else None
    if read_metadata(info.metadata).is_rtdetr and spec is not None and len(spec.shape) == 3:
        return spec
    raise ModelError("the file is no RT-DETR that Ultralytics has exported")
