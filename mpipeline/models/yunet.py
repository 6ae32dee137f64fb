"""YuNet: faces with five key points, as OpenCV's model zoo has it (Wu et al., 2023) and `cv2.FaceDetectorYN` reads it.

Input: BGR, levels 0..255 unscaled, letterboxed, top left, padded with 0. For each stride 8, 16, 32 four outputs
[B, cells, n]: cls and obj (1 each), bbox (4) and kps (10). With the cell's corner c and its stride s: score =
sqrt(cls * obj), both cut to 0..1; centre = (c + bbox[:2]) s; size = exp(bbox[2:]) s; key point = (c + kps) s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.anchors import Floats, anchor_grid
from mpipeline.models.architectures import KEY_POINTS
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.nms import Selection, from_centre_form
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor

STRIDES = (8, 16, 32)
RECIPE = Recipe(order="bgr", scale=1.0, pad=0.0, anchor="top_left")
KEYPOINTS = ("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner")
_NUMBERS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 2 * len(KEYPOINTS)}  # of each cell


class YuNet:
    """A YuNet model. Its one class is "face"; its key points are as sure as the face: their own score is 1."""

    task = KEY_POINTS

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image = image_input(info)
        _check_outputs(info)
        size, size_note = choose_size(image, options.size, None, max(STRIDES))
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self.names, names_note = choose_names(options.names or ("face",), (), 1)
        if not options.names:
            names_note = "The one class is a face."
        points_note = f"Each face has {len(KEYPOINTS)} key points: {', '.join(KEYPOINTS)}."
        self.notes: tuple[str, ...] = (size_note, batch_sentence(image.batch), names_note, points_note)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)
        self._grid, self._stride = anchor_grid(size, STRIDES)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Twelve outputs by their names."""
        try:
            image_input(info)
            _check_outputs(info)
        except ModelError:
            return None
        return f"its outputs have the names of YuNet's: {', '.join(_names_of('kps'))} and so on"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The faces of each row, highest score first; rows beyond `geometries` are padding."""
        cells = {kind: self._cells(outputs, kind, len(geometries)) for kind in _NUMBERS}
        return [
            self._faces({kind: value[i] for kind, value in cells.items()}, geometry)
            for i, geometry in enumerate(geometries)
        ]

    def _cells(self, outputs: Mapping[str, Tensor], kind: str, count: int) -> Floats:
        """(count, A, n): the numbers of one kind for every cell of all strides, of the rows that are frames."""
        parts = [outputs[name] for name in _names_of(kind)]
        shapes = [part.shape for part in parts]
        fits = all(len(shape) == 3 and shape[0] >= count and shape[2] == _NUMBERS[kind] for shape in shapes)
        if not fits or sum(shape[1] for shape in shapes) != len(self._grid):
            expected = f"(batch, cells, {_NUMBERS[kind]}) with {len(self._grid)} cells"
            raise ModelError(f"the model gave {kind} of shapes {shapes}; expected {expected} in all")
        return np.concatenate([part[:count].astype(np.float32, copy=False) for part in parts], axis=1)

    def _faces(self, cells: Mapping[str, Floats], geometry: Geometry) -> Detections:
        scores = np.sqrt(np.clip(cells["cls"], 0, 1) * np.clip(cells["obj"], 0, 1))[:, 0]
        anchor = np.flatnonzero(scores > self._confidence)
        cell, stride, raw = self._grid[anchor], self._stride[anchor], cells["bbox"][anchor]
        with np.errstate(over="ignore"):  # a size may overflow: the box is then clipped to the frame
            sizes = np.exp(raw[:, 2:]) * stride
        boxes = from_centre_form(np.concatenate([(raw[:, :2] + cell) * stride, sizes], axis=1))
        score, class_id = scores[anchor], np.zeros(len(anchor), np.int32)
        kept = self._selection.suppressed(boxes, score, class_id)
        found, real = self._selection.placed(boxes[kept], score[kept], class_id[kept], geometry)
        kept = kept[real]
        points = cells["kps"][anchor[kept]].reshape(-1, len(KEYPOINTS), 2) + cell[kept][:, None]
        points *= stride[kept][:, None]
        placed = np.ones((len(kept), len(KEYPOINTS), 3), np.float32)
        placed[:, :, 0] = (points[:, :, 0] - geometry.pad_x) / geometry.scale_x
        placed[:, :, 1] = (points[:, :, 1] - geometry.pad_y) / geometry.scale_y
        return replace(found, keypoints=placed, keypoint_name=KEYPOINTS)


def _names_of(kind: str) -> list[str]:
    return [f"{kind}_{stride}" for stride in STRIDES]


def _check_outputs(info: ModelInfo) -> None:
    there = {spec.name for spec in info.outputs}
    if any(name not in there for kind in _NUMBERS for name in _names_of(kind)):
        found = ", ".join(describe(spec) for spec in info.outputs) or "none"
        raise ModelError(
            f"a YuNet model has outputs cls_, obj_, bbox_ and kps_ for the strides {STRIDES}; this one has {found}"
        )
