"""The head of an Ultralytics model: in which form its output has boxes, and what else stands beside each box.

Input: RGB, levels / 255, letterboxed to the nearest pixel, centred, padded with 114. Three forms of output, all with
boxes in input pixels and `more` numbers a box that belong to its task (none for detection) behind the others
(Ultralytics `nn/modules/head.py`, `engine/exporter.py`; YOLOv5 `models/yolo.py`):

* ANCHORS_LAST [B, 4 + classes + more, A]: cx, cy, w, h, class scores. v5u, v8, v9, 11, 12.
* OBJECTNESS [B, A, 5 + classes + more]: cx, cy, w, h, objectness, class scores. Older v5.
* END_TO_END [B, N, 6 + more]: x1, y1, x2, y2, score, class; unused rows score 0. v10, 26, and exports with `nms=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np

from mpipeline.cuda.detect import Head
from mpipeline.errors import ModelError
from mpipeline.models.anchors import anchor_count
from mpipeline.models.family import ModelOptions
from mpipeline.models.gpu_detection import Finish, GpuDetection, boxes_alone, gpu_detection
from mpipeline.models.image_input import ImageInput, batch_sentence, choose_size, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import ExportMetadata, read_metadata
from mpipeline.models.nms import Reading, Selection, from_centre_form, select_candidates
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(order="rgb", scale=1 / 255, pad=114.0, anchor="centre", rounding="nearest")
FAMILY_OF_TASK = {
    "detect": "yolo",
    "segment": "yolo_segmentation",
    "pose": "yolo_pose",
    "classify": "yolo_classification",
}
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))  # the usual heads, and those of the "6" models
_V5_ANCHORS = 3  # boxes that an older v5 predicts at each place
_MOST_OFF = 0.1  # by which a class id, however it was computed, differs from a whole number
_MOST_ROWS = 3000  # more than any export with suppression reports


class Layout(Enum):
    """The form of the output; the value is how the log tells it."""

    ANCHORS_LAST = "[batch, 4 + classes, anchors], suppression is done here"
    OBJECTNESS = "[batch, anchors, 5 + classes] with objectness, suppression is done here"
    END_TO_END = "[batch, boxes, 6], suppression is inside the model: iou_threshold has no effect"


class YoloHead:
    """What the families of Ultralytics have in common: input, names and boxes. Of each anchor the best class counts."""

    def __init__(
        self, info: ModelInfo, options: ModelOptions, output: TensorSpec, more: int = 0, beside: str = ""
    ) -> None:
        """`output` has the boxes, with `more` numbers beside each, which `beside` names in the log."""
        image, metadata = image_input(info), read_metadata(info.metadata)
        size, size_note = choose_size(image, options.size, metadata.size, metadata.stride or 32)
        self._output, self._size, self._more, self._end_to_end = output.name, size, more, metadata.end_to_end
        self._classes_known = len(options.names or metadata.names)
        layout, class_count = self._layout(output.shape[1], output.shape[2])
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        self.names, names_note = choose_names(options.names, metadata.names, class_count)
        form = layout.value if layout else "found out at the first frame, the model file leaves it open"
        form_note = f"The output is {form}{', with ' + beside if beside else ''}."
        self.notes = (size_note, batch_sentence(image.batch), form_note, names_note)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)

    def read(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Reading]:
        """One reading for each geometry; rows beyond them are padding."""
        output = outputs[self._output]
        if output.ndim != 3 or len(output) < len(geometries):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected three dimensions")
        layout, _ = self._layout(output.shape[1], output.shape[2])
        read = {
            Layout.ANCHORS_LAST: self._anchors_last,
            Layout.OBJECTNESS: self._objectness,
            Layout.END_TO_END: self._end_to_end_rows,
        }[layout or Layout.ANCHORS_LAST]
        pairs = zip(output, geometries, strict=False)
        return [read(rows.astype(np.float32, copy=False), geometry) for rows, geometry in pairs]

    def gpu_detection(
        self, outputs: Mapping[str, Tensor], finish: Finish = boxes_alone, others: tuple[str, ...] = ()
    ) -> GpuDetection | None:
        """How a GPU finds the boxes in such outputs; None if the model itself has, or it cannot."""
        output = outputs[self._output]
        if output.ndim != 3:
            return None
        _, second, third = output.shape
        layout, classes = self._layout(second, third)
        if layout is Layout.END_TO_END or classes is None or classes < 1:
            return None
        objectness = layout is Layout.OBJECTNESS
        anchors = second if objectness else third
        head = Head(anchors, classes, not objectness, objectness, more=self._more, dtype=output.dtype.name)
        return gpu_detection(self._output, head, self._selection, finish, others)

    def _anchors_last(self, rows: Tensor, geometry: Geometry) -> Reading:
        end = len(rows) - self._more
        anchor, class_id, score = select_candidates(rows[4:end].T, self._confidence)
        boxes = from_centre_form(rows[:4, anchor].T)
        kept = self._selection.suppressed(boxes, score, class_id)
        return self._selection.reading(boxes[kept], score[kept], class_id[kept], rows[end:, anchor[kept]].T, geometry)

    def _objectness(self, rows: Tensor, geometry: Geometry) -> Reading:
        end = rows.shape[1] - self._more
        anchor, class_id, score = select_candidates(rows[:, 5:end], self._confidence, rows[:, 4])
        boxes = from_centre_form(rows[anchor, :4])
        kept = self._selection.suppressed(boxes, score, class_id)
        return self._selection.reading(boxes[kept], score[kept], class_id[kept], rows[anchor[kept], end:], geometry)

    def _end_to_end_rows(self, rows: Tensor, geometry: Geometry) -> Reading:
        self._check_classes(rows[:, 5])
        rows = rows[rows[:, 4] > self._confidence]
        class_id, score = np.rint(rows[:, 5]).astype(np.int32), np.ascontiguousarray(rows[:, 4])
        kept = self._selection.ranked(score, class_id)
        return self._selection.reading(rows[kept, :4], score[kept], class_id[kept], rows[kept, 6:], geometry)

    def _check_classes(self, column: Tensor) -> None:
        """Tells a model of another family, such as YOLOX with one class, whose output has the same shape."""
        off = np.abs(column - np.rint(column)).max(initial=0.0)
        if off > _MOST_OFF:
            raise ModelError(
                f"the output {self._output} is not [batch, boxes, 6] with suppression inside the model: its last "
                "column holds no class ids, which are whole numbers. The model is of another family: set model.family "
                "to that one, to yolox for instance"
            )

    def _layout(self, second: int | None, third: int | None) -> tuple[Layout | None, int | None]:
        """The form of an output [batch, second, third] and its number of classes, None if it cannot be told yet."""
        layout = layout_of(second, third, self._size, self._classes_known, self._end_to_end, self._more)
        if layout is Layout.ANCHORS_LAST:
            return layout, None if second is None else second - 4 - self._more
        if layout is Layout.OBJECTNESS:
            return layout, None if third is None else third - 5 - self._more
        return layout, self._classes_known or None


def layout_of(
    second: int | None,
    third: int | None,
    size: tuple[int, int],
    class_count: int = 0,
    end_to_end: bool = False,
    more: int = 0,
) -> Layout | None:
    """The form of an output [batch, second, third] of a model with inputs of `size`; None if it cannot be told.

    `class_count` is 0 if unknown. With 6 columns, a v5 of one class and an end-to-end model look alike: the number of
    rows decides.
    """
    rows_of_v5 = [_V5_ANCHORS * anchor_count(size, strides) for strides in _STRIDES]
    if end_to_end and third in (6 + more, None):
        return Layout.END_TO_END
    if third == 6 + more and second is not None and second not in rows_of_v5:
        return Layout.END_TO_END
    if third == 6 + more and second is None:
        return Layout.OBJECTNESS if class_count == 1 else None
    if class_count and second == 4 + class_count + more and third != 5 + class_count + more:
        return Layout.ANCHORS_LAST
    if class_count and third == 5 + class_count + more and second != 4 + class_count + more:
        return Layout.OBJECTNESS
    if second is None or third is None:
        return None if second is third else Layout.OBJECTNESS if second is None else Layout.ANCHORS_LAST
    if second in rows_of_v5:
        return Layout.OBJECTNESS
    return Layout.ANCHORS_LAST if third > second else Layout.OBJECTNESS


def evident_layout(spec: TensorSpec, image: ImageInput) -> Layout | None:
    """The form of a detection output that no other family has; for files without metadata."""
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


def check_task(metadata: ExportMetadata, task: str, family: str) -> None:
    """Raises ModelError, with the family to set, if the model file says that it is for another task."""
    if metadata.task in (None, "", task):
        return
    other = FAMILY_OF_TASK.get(metadata.task)
    remedy = f"set model.family to {other}" if other else f"export a model of task {task!r}"
    raise ModelError(
        f"the model file says that its task is {metadata.task!r}; the family {family} is for {task!r}: {remedy}"
    )
