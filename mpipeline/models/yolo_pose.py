"""YOLO key points: exports of Ultralytics of task `pose`, v8, 11 and 26.

Input and boxes are those of `yolo_head`, with K points beside each box, in input pixels: x, y and a visibility in 0..1,
which models of `kpt_shape` [K, 2] lack (Ultralytics `nn/modules/head.py`, class Pose).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import KEY_POINTS
from mpipeline.models.coco import COCO_KEYPOINTS
from mpipeline.models.family import ModelOptions
from mpipeline.models.gpu_detection import GpuDetection
from mpipeline.models.image_input import describe, image_input
from mpipeline.models.metadata import ExportMetadata, read_metadata
from mpipeline.models.nms import Reading
from mpipeline.models.yolo_head import YoloHead, check_task
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec


class YoloPose:
    """An Ultralytics key point model. Without names in the file, 17 points are taken for those of COCO."""

    task = KEY_POINTS

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image_input(info)
        metadata = read_metadata(info.metadata)
        check_task(metadata, "pose", "yolo_pose")
        output = _output(info)
        self._points, self._numbers = _shape(output, metadata, len(options.names or metadata.names))
        beside = f"{self._points} key points of {self._numbers} numbers behind each box"
        self._head = head = YoloHead(info, options, output, self._points * self._numbers, beside)
        self._point_names, names_note = _names(metadata.keypoint_names, self._points)
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.names, self.notes = head.input_shape, head.names, (*head.notes, names_note)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Metadata of Ultralytics with this task: the outputs alone could be those of a detection model."""
        try:
            image_input(info)
            metadata = read_metadata(info.metadata)
            _output(info)
        except ModelError:
            return None
        if not metadata.from_ultralytics or metadata.task != "pose":
            return None
        return "its metadata is that of an Ultralytics export for key points"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """Detections with key points of each row, highest score first; rows beyond `geometries` are padding."""
        return self._finished(self._head.read(outputs, geometries), outputs, geometries)

    def gpu_detection(self, outputs: Mapping[str, Tensor]) -> GpuDetection | None:
        """How a GPU finds the boxes in such outputs; None if it is not to."""
        return self._head.gpu_detection(outputs, self._finished)

    def _finished(
        self, readings: Sequence[Reading], _: Mapping[str, Tensor], geometries: Sequence[Geometry]
    ) -> list[Detections]:
        return [
            replace(reading.found, keypoints=self._placed(reading.more, geometry), keypoint_name=self._point_names)
            for reading, geometry in zip(readings, geometries, strict=True)
        ]

    def _placed(self, numbers: Tensor, geometry: Geometry) -> npt.NDArray[np.float32]:
        """(N, K, 3) in source pixels, those outside the frame at its edge, as Ultralytics has them."""
        given = numbers.reshape(len(numbers), self._points, self._numbers)
        points = np.ones((len(numbers), self._points, 3), np.float32)
        points[:, :, : self._numbers] = given
        points[:, :, 0] = ((points[:, :, 0] - geometry.pad_x) / geometry.scale_x).clip(0, geometry.width)
        points[:, :, 1] = ((points[:, :, 1] - geometry.pad_y) / geometry.scale_y).clip(0, geometry.height)
        return points


def _output(info: ModelInfo) -> TensorSpec:
    found = [spec for spec in info.outputs if len(spec.shape) == 3]
    if len(found) == 1 and len(info.outputs) == 1:
        return found[0]
    there = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "a YOLO key point model has one output [batch, 4 + classes + points, anchors] or [batch, boxes, 6 + points]; "
        f"this one has {there}"
    )


def _shape(output: TensorSpec, metadata: ExportMetadata, class_count: int) -> tuple[int, int]:
    """(points, numbers of each): what the file says, or else what the output leaves beside boxes and classes."""
    if metadata.keypoints is not None:
        return metadata.keypoints
    _, second, third = output.shape
    if second is not None and third is not None:
        end_to_end = second > third
        room = third - 6 if end_to_end else second - 4 - (class_count or 1)
        if room >= 3 and room % 3 == 0:
            return room // 3, 3
    raise ModelError(
        f"the model file does not say how many key points it has, and its output {describe(output)} does not show it "
        f"with {class_count or 1} class{'es' if class_count > 1 else ''}: export it with its metadata, or set names"
    )


def _names(in_file: tuple[str, ...], count: int) -> tuple[tuple[str, ...], str]:
    if len(in_file) == count:
        return in_file, f"The {count} names of key points are in the model file."
    if count == len(COCO_KEYPOINTS):
        return COCO_KEYPOINTS, "No names of key points are known: the 17 names of COCO are assumed."
    return tuple(str(i) for i in range(count)), f"No names of key points are known: the {count} are called by number."
