"""YOLO: detection exports of Ultralytics, v5 to 12 and 26, with and without suppression inside the graph.

Input: RGB, levels / 255, letterboxed to the nearest pixel, centred, padded with 114. Three forms of output, all with
boxes in input pixels (Ultralytics `nn/modules/head.py`, `engine/exporter.py`; YOLOv5 `models/yolo.py`):

* ANCHORS_LAST [B, 4 + classes, A]: cx, cy, w, h, class scores. v5u, v8, v9, 11, 12.
* OBJECTNESS [B, A, 5 + classes]: cx, cy, w, h, objectness, class scores. Older v5.
* END_TO_END [B, N, 6]: x1, y1, x2, y2, score, class; unused rows score 0. v10, 26, and exports with `nms=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import ImageInput, anchor_count, batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import ExportMetadata, read_metadata
from mpipeline.models.nms import Selection, from_centre_form, select_candidates
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(order="rgb", scale=1 / 255, pad=114.0, anchor="centre", rounding="nearest")
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))  # the usual heads, and those of the "6" models
_V5_ANCHORS = 3  # boxes that an older v5 predicts at each place
_MOST_ROWS = 3000  # more than any export with suppression reports


class Layout(Enum):
    """The form of the output; the value is how the log tells it."""

    ANCHORS_LAST = "[batch, 4 + classes, anchors], suppression is done here"
    OBJECTNESS = "[batch, anchors, 5 + classes] with objectness, suppression is done here"
    END_TO_END = "[batch, boxes, 6], suppression is inside the model: iou_threshold has no effect"


class Yolo:
    """An Ultralytics detection model. Of each anchor the best class counts."""

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, metadata = image_input(info), read_metadata(info.metadata)
        _check_task(metadata)
        size, size_note = choose_size(image, options.size, metadata.size, metadata.stride or 32)
        spec = _output(info)
        self._output, self._size, self._end_to_end = spec.name, size, metadata.end_to_end
        self._classes_known = len(options.names or metadata.names)
        layout, class_count = self._layout(spec.shape[1], spec.shape[2])
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self.names, names_note = choose_names(options.names, metadata.names, class_count)
        form = layout.value if layout else "found out at the first frame, the model file leaves it open"
        self.notes = (size_note, batch_sentence(image.batch), f"The output is {form}.", names_note)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self._preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Metadata of Ultralytics, or an output of one of the three forms."""
        try:
            image, metadata = image_input(info), read_metadata(info.metadata)
            spec = _output(info)
        except ModelError:
            return None
        if metadata.from_ultralytics:
            return f"its metadata is that of an Ultralytics export ({metadata.description or 'stride and names'})"
        layout = _evident_layout(spec, image)
        return f"its output {describe(spec)} has the form {layout.value}" if layout else None

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self._preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if output.ndim != 3 or len(output) < len(geometries):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected three dimensions")
        layout, _ = self._layout(output.shape[1], output.shape[2])
        decode = {
            Layout.ANCHORS_LAST: self._anchors_last,
            Layout.OBJECTNESS: self._objectness,
            Layout.END_TO_END: self._end_to_end_rows,
        }[layout or Layout.ANCHORS_LAST]
        pairs = zip(output, geometries, strict=False)
        return [decode(rows.astype(np.float32, copy=False), geometry) for rows, geometry in pairs]

    def _anchors_last(self, rows: Tensor, geometry: Geometry) -> Detections:
        anchor, class_id, score = select_candidates(rows[4:].T, self._confidence)
        return self._selection.suppress(from_centre_form(rows[:4, anchor].T), score, class_id, geometry)

    def _objectness(self, rows: Tensor, geometry: Geometry) -> Detections:
        anchor, class_id, score = select_candidates(rows[:, 5:], self._confidence, rows[:, 4])
        return self._selection.suppress(from_centre_form(rows[anchor, :4]), score, class_id, geometry)

    def _end_to_end_rows(self, rows: Tensor, geometry: Geometry) -> Detections:
        rows = rows[rows[:, 4] > self._confidence]
        class_id = np.rint(rows[:, 5]).astype(np.int32)
        return self._selection.rank(rows[:, :4], np.ascontiguousarray(rows[:, 4]), class_id, geometry)

    def _layout(self, second: int | None, third: int | None) -> tuple[Layout | None, int | None]:
        """The form of an output [batch, second, third] and its number of classes, None if it cannot be told yet."""
        layout = layout_of(second, third, self._size, self._classes_known, self._end_to_end)
        if layout is Layout.ANCHORS_LAST:
            return layout, None if second is None else second - 4
        if layout is Layout.OBJECTNESS:
            return layout, None if third is None else third - 5
        return layout, self._classes_known or None


def layout_of(
    second: int | None, third: int | None, size: tuple[int, int], class_count: int = 0, end_to_end: bool = False
) -> Layout | None:
    """The form of an output [batch, second, third] of a model with inputs of `size`; None if it cannot be told.

    `class_count` is 0 if unknown. With 6 columns, a v5 of one class and an end-to-end model look alike: the number of
    rows decides.
    """
    rows_of_v5 = [_V5_ANCHORS * anchor_count(size, strides) for strides in _STRIDES]
    if end_to_end and third in (6, None):
        return Layout.END_TO_END
    if third == 6 and second is not None and second not in rows_of_v5:
        return Layout.END_TO_END
    if third == 6 and second is None:
        return Layout.OBJECTNESS if class_count == 1 else None
    if class_count and second == 4 + class_count and third != 5 + class_count:
        return Layout.ANCHORS_LAST
    if class_count and third == 5 + class_count and second != 4 + class_count:
        return Layout.OBJECTNESS
    if second is None or third is None:
        return None if second is third else Layout.OBJECTNESS if second is None else Layout.ANCHORS_LAST
    if second in rows_of_v5:
        return Layout.OBJECTNESS
    return Layout.ANCHORS_LAST if third > second else Layout.OBJECTNESS


def _evident_layout(spec: TensorSpec, image: ImageInput) -> Layout | None:
    """The form of an output that no other family has; for files without metadata."""
    _, second, third = spec.shape
    if second is None or third is None or image.width is None or image.height is None:
        return None
    counts = [anchor_count((image.width, image.height), strides) for strides in _STRIDES]
    if third in counts and second > 4:
        return Layout.ANCHORS_LAST
    if second in [_V5_ANCHORS * count for count in counts] and third > 5:
        return Layout.OBJECTNESS
    if third == 6 and second not in counts and second <= _MOST_ROWS:
        return Layout.END_TO_END
    return None


def _output(info: ModelInfo) -> TensorSpec:
    """The output with the detections: the first, or only one, of three dimensions."""
    for spec in info.outputs:
        if len(spec.shape) == 4:
            raise ModelError(
                f"the output {describe(spec)} belongs to a segmentation model; only detection is supported"
            )
    for spec in info.outputs:
        if len(spec.shape) == 3:
            return spec
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        f"a YOLO model has an output [batch, 4 + classes, anchors] or [batch, boxes, 6]; this one has {found}"
    )


def _check_task(metadata: ExportMetadata) -> None:
    if metadata.task not in (None, "", "detect"):
        raise ModelError(
            f"the model file says that its task is {metadata.task!r}; the yolo family does detection, export a model "
            "of task 'detect'"
        )
