"""YOLO classification: exports of Ultralytics of task `classify`, v8, 11 and 26.

Input: RGB, levels / 255. The shorter side is resized to that of the (square) input by an averaging bilinear filter, and
the middle is cut out (`ultralytics/data/augment.py`, classify_transforms). Output [B, classes], after softmax. Exports
from before v8.1 also wanted mean and std of ImageNet: set `normalisation` in the sidecar file for those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import CLASSIFICATION
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Selection
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.models.yolo_head import check_task
from mpipeline.prediction import Classification
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(order="rgb", scale=1 / 255, pad=0.0, resize="crop", smooth=True)


class YoloClassification:
    """An Ultralytics classification model: of which one class a frame is."""

    task = CLASSIFICATION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, metadata = image_input(info), read_metadata(info.metadata)
        check_task(metadata, "classify", "yolo_classification")
        size, size_note = choose_size(image, options.size, metadata.size or (224, 224), 1)
        output = _output(info)
        self._output = output.name
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self.names, names_note = choose_names(options.names, metadata.names, output.shape[1])
        form = "[batch, classes] after softmax: classes as likely as confidence, or more, are told"
        self.notes = (size_note, batch_sentence(image.batch), f"The output is {form}.", names_note)
        self._options = options
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Metadata of Ultralytics with this task."""
        try:
            image_input(info)
            metadata = read_metadata(info.metadata)
            _output(info)
        except ModelError:
            return None
        if not metadata.from_ultralytics or metadata.task != "classify":
            return None
        return "its metadata is that of an Ultralytics export for classification"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Classification]:
        """The classes of each row, the likeliest first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if output.ndim != 2 or len(output) < len(geometries) or (self.names and output.shape[1] != len(self.names)):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected (batch, classes)")
        return [self._classes(row.astype(np.float32, copy=False)) for row in output[: len(geometries)]]

    def _classes(self, scores: Tensor) -> Classification:
        class_id = np.arange(len(scores), dtype=np.int32)
        likely = np.flatnonzero((scores >= self._options.confidence) & self._selection.wanted(class_id))
        order = likely[np.argsort(-scores[likely], kind="stable")][: self._options.max_detections]
        chosen = class_id[order]
        names = self._selection.names_of(chosen)
        return Classification(scores[order], chosen, names, threshold=self._options.confidence)


def _output(info: ModelInfo) -> TensorSpec:
    found = [spec for spec in info.outputs if len(spec.shape) == 2]
    if len(found) == 1 and len(info.outputs) == 1:
        return found[0]
    there = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(f"a YOLO classification model has one output [batch, classes]; this one has {there}")
