"""YOLOX: anchor-free detectors of Megvii's YOLOX exporter (`tools/export_onnx.py`, boxes not decoded in the graph).

Input: BGR, levels 0..255 unscaled, resized by r = min(W/w, H/h) to (int(w r), int(h r)), top left, padded with 114.
Output [B, A, 5 + classes] over strides 8, 16, 32: cx, cy, w, h (raw), objectness, class scores (both after sigmoid).
xy = (xy + grid) stride; wh = exp(wh) stride; score = objectness * class. Source: YOLOX `yolox/utils/demo_utils.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.cuda.detect import Head
from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.anchors import anchor_count, anchor_grid
from mpipeline.models.architectures import DETECTION
from mpipeline.models.family import ModelOptions
from mpipeline.models.gpu_detection import GpuDetection, gpu_detection
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Selection, from_centre_form, select_candidates
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

STRIDES = (8, 16, 32)
RECIPE = Recipe(order="bgr", scale=1.0, pad=114.0, anchor="top_left", rounding="down")


class Yolox:
    """A YOLOX model. Of each anchor the best class counts."""

    task = DETECTION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, metadata = image_input(info), read_metadata(info.metadata)
        size, size_note = choose_size(image, options.size, metadata.size, max(STRIDES))
        self._output, class_count = _output(info, anchor_count(size, STRIDES))
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self.names, names_note = choose_names(options.names, metadata.names, class_count)
        self.notes = (size_note, batch_sentence(image.batch), names_note)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)
        self._grid, self._stride = anchor_grid(size, STRIDES)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """One row for each anchor of strides 8, 16, 32, without metadata of another exporter."""
        try:
            image, metadata = image_input(info), read_metadata(info.metadata)
        except ModelError:
            return None
        if image.width is None or image.height is None or metadata.from_ultralytics or len(info.outputs) != 1:
            return None
        shape, anchors = info.outputs[0].shape, anchor_count((image.width, image.height), STRIDES)
        if len(shape) != 3 or shape[1] != anchors or shape[2] is None or shape[2] < 6:
            return None
        return (
            f"its output {describe(info.outputs[0])} has one row for each of the {anchors} anchors of YOLOX at "
            f"{image.width} x {image.height}: a box, an objectness and {shape[2] - 5} class scores"
        )

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if output.ndim != 3 or output.shape[1] != len(self._grid) or len(output) < len(geometries):
            raise ModelError(
                f"the model gave {self._output} of shape {output.shape}; expected (batch, {len(self._grid)}, n)"
            )
        return [self._detections(rows, geometry) for rows, geometry in zip(output, geometries, strict=False)]

    def gpu_detection(self, outputs: Mapping[str, Tensor]) -> GpuDetection | None:
        """How a GPU finds the boxes in such outputs; None if it is not to."""
        size = (self.input_shape[2], self.input_shape[1])
        output = outputs[self._output]
        head = Head(output.shape[1], output.shape[2] - 5, objectness=True, grid=size, dtype=output.dtype.name)
        return gpu_detection(self._output, head, self._selection)

    def _detections(self, rows: Tensor, geometry: Geometry) -> Detections:
        rows = rows.astype(np.float32, copy=False)
        anchor, class_id, score = select_candidates(rows[:, 5:], self._confidence, rows[:, 4])
        raw, stride = rows[anchor, :4], self._stride[anchor]
        with np.errstate(over="ignore"):  # an untrained model's size may overflow: the box is then clipped to the frame
            sizes = np.exp(raw[:, 2:]) * stride
        boxes = from_centre_form(np.concatenate([(raw[:, :2] + self._grid[anchor]) * stride, sizes], axis=1))
        return self._selection.suppress(boxes, score, class_id, geometry)


def _output(info: ModelInfo, anchors: int) -> tuple[str, int]:
    """The name of the output and its number of classes."""
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    fitting: list[TensorSpec] = [spec for spec in info.outputs if len(spec.shape) == 3]
    if len(fitting) != 1:
        raise ModelError(f"a YOLOX model has one output [batch, {anchors}, 5 + classes]; this one has {found}")
    shape = fitting[0].shape
    if shape[1] not in (anchors, None) or shape[2] is None or shape[2] < 6:
        raise ModelError(
            f"a YOLOX model of this input size has an output [batch, {anchors}, 5 + classes]; this one has {found}"
        )
    return fitting[0].name, shape[2] - 5
