"""NanoDet and NanoDet-Plus: exports of its `tools/export_onnx.py`.

Input: BGR, levels less the mean and by the deviation of ImageNet, stretched. Output [B, A, classes + 32] for the cells
of strides 8, 16, 32 and, of NanoDet-Plus, 64: class scores (after sigmoid), and for left, top, right and bottom a
distribution over 0 to 7 strides, before softmax, whose mean is the distance of that edge from the cell's point: its
corner (NanoDet-Plus), or its middle (NanoDet). Source: `nanodet/model/head/nanodet_plus_head.py`, `gfl_head.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.anchors import anchor_count, anchor_grid
from mpipeline.models.architectures import DETECTION
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Floats, Selection, select_candidates
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

PLUS, FIRST = (8, 16, 32, 64), (8, 16, 32)  # strides
RECIPE = Recipe(order="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395), resize="stretch")
_BINS = 8
_SIDES = 4 * _BINS


class NanoDet:
    """A NanoDet model. Of each cell the best class counts."""

    task = DETECTION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, metadata = image_input(info), read_metadata(info.metadata)
        size, size_note = choose_size(image, options.size, metadata.size, 32)
        output = _output(info)
        strides: tuple[int, ...] = FIRST
        if output.shape[1] in (anchor_count(size, PLUS), None):
            strides = PLUS
        elif output.shape[1] != anchor_count(size, FIRST):
            expected = " or ".join(str(anchor_count(size, each)) for each in (PLUS, FIRST))
            raise ModelError(f"a NanoDet model of this input size has {expected} cells; this has {describe(output)}")
        self._output = output.name
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        count = None if output.shape[2] is None else output.shape[2] - _SIDES
        self.names, names_note = choose_names(options.names, metadata.names, count)
        form_note = f"The output is that of NanoDet{'-Plus' if strides == PLUS else ''}, with strides {strides}."
        self.notes = (size_note, batch_sentence(image.batch), form_note, names_note)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)
        cells, self._stride = anchor_grid(size, strides)
        self._points = (cells if strides == PLUS else cells + 0.5) * self._stride

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """One row for each cell of the four strides of NanoDet-Plus; with three it looks like YOLOX."""
        try:
            image, output, metadata = image_input(info), _output(info), read_metadata(info.metadata)
        except ModelError:
            return None
        if image.width is None or image.height is None or metadata.from_ultralytics:
            return None
        cells = anchor_count((image.width, image.height), PLUS)
        if output.shape[1] != cells or output.shape[2] is None:
            return None
        return (
            f"its output {describe(output)} has a row for each of the {cells} cells of NanoDet-Plus at {image.width} x "
            f"{image.height}: {output.shape[2] - _SIDES} class scores and four distributions"
        )

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        cells = len(self._points)
        if output.ndim != 3 or output.shape[1] != cells or output.shape[2] <= _SIDES or len(output) < len(geometries):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected (batch, {cells}, n)")
        return [self._detections(rows, geometry) for rows, geometry in zip(output, geometries, strict=False)]

    def _detections(self, rows: Tensor, geometry: Geometry) -> Detections:
        rows = rows.astype(np.float32, copy=False)
        anchor, class_id, score = select_candidates(rows[:, :-_SIDES], self._confidence)
        away = _means(rows[anchor, -_SIDES:].reshape(-1, 4, _BINS)) * self._stride[anchor]
        point = self._points[anchor]
        corners = np.concatenate([point - away[:, :2], point + away[:, 2:]], axis=1)
        _, height, width = self.input_shape
        boxes = np.clip(corners, 0, np.array([width, height] * 2, np.float32))
        return self._selection.suppress(boxes, score, class_id, geometry)


def _means(distributions: Floats) -> Floats:
    """The mean of each distribution (..., bins) over 0, 1, 2, …, given as logits."""
    weights = np.exp(distributions - distributions.max(axis=-1, keepdims=True))
    means: Floats = (weights / weights.sum(axis=-1, keepdims=True)) @ np.arange(_BINS, dtype=np.float32)
    return means


def _output(info: ModelInfo) -> TensorSpec:
    found = [spec for spec in info.outputs if len(spec.shape) == 3]
    if len(found) == len(info.outputs) == 1 and (found[0].shape[2] is None or found[0].shape[2] > _SIDES):
        return found[0]
    there = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(f"a NanoDet model has one output [batch, cells, classes + {_SIDES}]; this one has {there}")
