"""Custom code with a real key point model: faces with five points, for the `python` backend."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
from support.reference_families import Row, greedy

from mpipeline.frame import Frame
from mpipeline.prediction import Detections

MODEL = Path(os.environ.get("MPIPELINE_TEST_DATA", "../shared/data")) / "models" / "face_detection_yunet_2026may.onnx"
POINTS = ("right eye", "left eye", "nose", "right corner of the mouth", "left corner of the mouth")
CONFIDENCE, OVERLAP = 0.6, 0.3


class Faces:
    """YuNet of OpenCV's model zoo: BGR of levels 0..255, padded to multiples of 32, outputs for strides 8, 16, 32."""

    def open(self) -> None:
        """Loads the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])

    def infer(self, frames: list[Frame]) -> list[Detections]:
        """The faces of each frame."""
        return [self._faces(frame.bgr()) for frame in frames]

    def _faces(self, image: np.ndarray) -> Detections:
        height, width = (-(-side // 32) * 32 for side in image.shape[:2])
        tensor = np.zeros((1, 3, height, width), np.float32)
        tensor[0, :, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
        names = [output.name for output in self.session.get_outputs()]
        values = dict(zip(names, self.session.run(names, {"input": tensor}), strict=True))
        points: dict[Row, np.ndarray] = {}
        for stride in (8, 16, 32):
            y, x = np.mgrid[: height // stride, : width // stride]
            grid = np.stack([x, y], axis=2).reshape(-1, 2)
            kind, sure, box, marks = (values[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox", "kps"))
            scores = np.sqrt(np.clip(kind * sure, 0, 1)).ravel()
            for i in np.flatnonzero(scores > CONFIDENCE).tolist():
                cx, cy = (box[i, :2] + grid[i]) * stride
                w, h = np.exp(box[i, 2:]) * stride
                row = (float(cx - w / 2), float(cy - h / 2), float(cx + w / 2), float(cy + h / 2), float(scores[i]), 0)
                points[row] = (marks[i].reshape(5, 2) + grid[i]) * stride
        kept = greedy(list(points), OVERLAP)
        keypoints = np.ones((len(kept), 5, 3), np.float32)
        for place, row in zip(keypoints, kept, strict=True):
            place[:, :2] = points[row]
        return Detections(
            np.array([row[:4] for row in kept], np.float32).reshape(-1, 4),
            np.array([row[4] for row in kept], np.float32),
            np.zeros(len(kept), np.int32),
            ("face",) * len(kept),
            keypoints=keypoints,
            keypoint_name=POINTS,
        )
