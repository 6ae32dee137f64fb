"""End-to-end detectors of any make: exports whose graph suppresses itself, YOLO-NAS, YOLOv7, MMDeploy's, SSD.

Outputs are those of `finished_boxes`. Input: RGB, letterboxed, centred, padded with 114; levels / 255, or, if the file
takes uint8, levels as they are: it scales them itself. What a model wants otherwise, its sidecar file says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import DETECTION
from mpipeline.models.family import ModelOptions
from mpipeline.models.finished_boxes import FinishedBoxes, layout_of
from mpipeline.models.image_input import FLOATS, image_input
from mpipeline.models.preprocess import Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor

RECIPE = Recipe(order="rgb", scale=1 / 255, pad=114.0)
BYTES = Recipe(order="rgb", pad=114.0)
_DTYPES = (*FLOATS, "uint8")
_FLAT = "flat_predictions"  # rows of seven numbers could be classes as well, but for their name


class EndToEnd:
    """A detector that gives finished boxes."""

    task = DETECTION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image = image_input(info, dtypes=_DTYPES)
        recipe, wanted = RECIPE, options.normalisation
        if image.dtype == "uint8":
            recipe = BYTES
            if any(value is not None for value in (wanted.scale, wanted.mean, wanted.std)):
                raise ModelError(
                    "normalisation has scale, mean or std, but the model takes bytes: it scales them itself"
                )
        self._head = head = FinishedBoxes(image, info, options, recipe)
        self.preprocessor = head.preprocessor
        self.input_name, self.input_dtype, self.batch = head.input_name, head.input_dtype, head.batch
        self.input_shape, self.names = head.input_shape, head.names
        self.notes = (*head.notes, head.names_note)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Outputs for boxes, scores and classes, or rows that are called predictions."""
        try:
            image_input(info, dtypes=_DTYPES)
            layout = layout_of(info)
        except ModelError:
            return None
        if layout.rows is not None and _FLAT not in layout.rows.name:
            return None
        return f"its outputs {layout} have the form of finished boxes"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        return self._head.read(outputs, geometries)
