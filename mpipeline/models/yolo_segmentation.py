"""YOLO instance segmentation: exports of Ultralytics of task `segment`, v5 to 12 and 26.

Input and boxes are those of `yolo_head`, with C mask coefficients beside each box. A second output [B, C, h, w] has the
prototypes, on a grid four times as coarse as the input. The mask of a box is above 0 where the sum of coefficient times
prototype is, inside the box (its corners rounded to cells), enlarged to the frame (`ultralytics/utils/ops.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.masks import Masks
from mpipeline.models.architectures import SEGMENTATION
from mpipeline.models.family import ModelOptions
from mpipeline.models.gpu_detection import GpuDetection
from mpipeline.models.image_input import describe, image_input
from mpipeline.models.mask_grid import Floats, GridArea, MaskPart, enlarge, grid_area, nothing
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Reading
from mpipeline.models.yolo_head import YoloHead, check_task
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec


class YoloSegmentation:
    """An Ultralytics instance segmentation model."""

    task = SEGMENTATION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image_input(info)
        check_task(read_metadata(info.metadata), "segment", "yolo_segmentation")
        boxes, prototypes, coefficients = _outputs(info)
        beside = f"{coefficients} mask coefficients behind each box"
        self._head = head = YoloHead(info, options, boxes, coefficients, beside)
        self._prototypes, self._coefficients = prototypes.name, coefficients
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.names, self.notes = head.input_shape, head.names, head.notes

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Metadata of Ultralytics with this task, or exactly boxes and prototypes."""
        try:
            image_input(info)
            metadata = read_metadata(info.metadata)
            boxes, prototypes, coefficients = _outputs(info)
        except ModelError:
            return None
        if metadata.from_ultralytics:
            said = metadata.task in (None, "", "segment")
            return "its metadata is that of an Ultralytics export for segmentation" if said else None
        return (
            f"its outputs {describe(boxes)} and {describe(prototypes)} have the form of boxes and {coefficients} "
            "prototypes of masks"
        )

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """Detections with masks of each row, highest score first; rows beyond `geometries` are padding."""
        return self._finished(self._head.read(outputs, geometries), outputs, geometries)

    def gpu_detection(self, outputs: Mapping[str, Tensor]) -> GpuDetection | None:
        """How a GPU finds the boxes in such outputs; None if it is not to."""
        return self._head.gpu_detection(outputs, self._finished, (self._prototypes,))

    def _finished(
        self, readings: Sequence[Reading], outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]
    ) -> list[Detections]:
        prototypes = outputs[self._prototypes]
        if prototypes.ndim != 4 or prototypes.shape[1] != self._coefficients or len(prototypes) < len(geometries):
            expected = f"(batch, {self._coefficients}, height, width)"
            raise ModelError(f"the model gave {self._prototypes} of shape {prototypes.shape}; expected {expected}")
        rows = zip(readings, prototypes, geometries, strict=False)
        return [self._with_masks(reading, grids, geometry) for reading, grids, geometry in rows]

    def _with_masks(self, reading: Reading, grids: Tensor, geometry: Geometry) -> Detections:
        _, height, width = self.input_shape
        area = grid_area((grids.shape[2], grids.shape[1]), (width, height), geometry)
        scale = np.array([grids.shape[2] / width, grids.shape[1] / height] * 2, np.float32)
        corners = np.rint(reading.boxes * scale).astype(np.int64)
        parts = (_mask(grids, weights, box, area) for weights, box in zip(reading.more, corners.tolist(), strict=True))
        return replace(reading.found, masks=Masks.joined(geometry.width, geometry.height, parts))


def _mask(grids: Tensor, weights: Floats, box: list[int], area: GridArea) -> MaskPart:
    """One mask in the frame; `box` are the cells that it may cover: left, top, right, bottom."""
    left, right = max(box[0], area.left), min(box[2], area.right)
    top, bottom = max(box[1], area.top), min(box[3], area.bottom)
    if right <= left or bottom <= top:
        return nothing()
    inside = np.tensordot(weights, grids[:, top:bottom, left:right].astype(np.float32, copy=False), 1)
    begin, end = max(left - 1, area.left), min(right + 1, area.right)
    first, last = max(top - 1, area.top), min(bottom + 1, area.bottom)
    patch = np.zeros((last - first, end - begin), np.float32)
    patch[top - first : bottom - first, left - begin : right - begin] = inside
    return enlarge(patch, begin, first, area)


def _outputs(info: ModelInfo) -> tuple[TensorSpec, TensorSpec, int]:
    """The output with boxes, that with prototypes, and their number."""
    boxes = [spec for spec in info.outputs if len(spec.shape) == 3]
    prototypes = [spec for spec in info.outputs if len(spec.shape) == 4]
    if len(boxes) == len(prototypes) == 1 and prototypes[0].shape[1] is not None:
        return boxes[0], prototypes[0], prototypes[0].shape[1]
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "a YOLO segmentation model has two outputs, boxes [batch, 4 + classes + masks, anchors] or "
        f"[batch, boxes, 6 + masks], and prototypes [batch, masks, height, width]; this one has {found}"
    )
