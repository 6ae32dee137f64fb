"""YOLO: detection exports of Ultralytics, v5 to 12 and 26, with and without suppression inside the graph.

Input and output are those of `yolo_head`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import DETECTION
from mpipeline.models.family import ModelOptions
from mpipeline.models.gpu_detection import GpuDetection
from mpipeline.models.image_input import describe, image_input
from mpipeline.models.metadata import read_metadata
from mpipeline.models.yolo_head import FAMILY_OF_TASK, YoloHead, check_task, evident_layout
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec


class Yolo:
    """An Ultralytics detection model."""

    task = DETECTION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image_input(info)
        metadata = read_metadata(info.metadata)
        check_task(metadata, "detect", "yolo")
        if metadata.is_rtdetr:
            raise ModelError("the model file says that it is an RT-DETR: set model.family to rtdetr")
        self._head = head = YoloHead(info, options, _output(info))
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.names, self.notes = head.input_shape, head.names, head.notes

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Metadata of Ultralytics, or an output of one of the three forms."""
        try:
            image, metadata = image_input(info), read_metadata(info.metadata)
            spec = _output(info)
        except ModelError:
            return None
        if metadata.from_ultralytics:
            if FAMILY_OF_TASK.get(metadata.task or "detect", "yolo") != "yolo" or metadata.is_rtdetr:
                return None
            return f"its metadata is that of an Ultralytics export ({metadata.description or 'stride and names'})"
        layout = evident_layout(spec, image)
        return f"its output {describe(spec)} has the form {layout.value}" if layout else None

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        return [reading.found for reading in self._head.read(outputs, geometries)]

    def gpu_detection(self, outputs: Mapping[str, Tensor]) -> GpuDetection | None:
        """How a GPU finds the boxes in such outputs; None if it is not to."""
        return self._head.gpu_detection(outputs)


def _output(info: ModelInfo) -> TensorSpec:
    """The output with the detections: the first, or only one, of three dimensions."""
    for spec in info.outputs:
        if len(spec.shape) == 4:
            raise ModelError(
                f"the output {describe(spec)} belongs to a segmentation model: set model.family to yolo_segmentation"
            )
    for spec in info.outputs:
        if len(spec.shape) == 3:
            return spec
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        f"a YOLO model has an output [batch, 4 + classes, anchors] or [batch, boxes, 6]; this one has {found}"
    )
