"""Semantic segmentation: models that give every pixel a class (SegFormer, DeepLab, U-Net and their like).

Input: RGB, levels / 255, mean and deviation of ImageNet, stretched. The output is one of three:

* numbers of each class [B, C, h, w], logits or probabilities, on a grid that may be coarser than the input. Enlarged to
  the frame, bilinear, the largest wins (`transformers`, post_process_semantic_segmentation). A pixel where more than
  two classes meet may go to none of them;
* those of the only class, [B, 1, h, w]: it is there where its probability is above one half;
* class ids, whole numbers [B, h, w] or [B, 1, h, w]: each pixel of the frame is of the nearest one.

Each class that is there is one detection. Its mask is all that it covers, in however many parts, its box goes around
that, and its score is the mean probability of the cells that it wins; of class ids it is 1. A class whose name begins
with "background" is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.masks import Masks
from mpipeline.models.architectures import SEMANTIC_SEGMENTATION
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import ImageInput, batch_sentence, choose_size, describe, image_input
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.mask_grid import GridArea, MaskPart, covered, grid_area
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Selection
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="stretch")
_BACKGROUND = "background"
_MAIN = "out"  # of several outputs, what torchvision calls the one that counts

Region = tuple[int, float, MaskPart]  # class id, score, what it covers


class SemanticSegmentation:
    """A model that gives every pixel a class."""

    task = SEMANTIC_SEGMENTATION

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, metadata, output = image_input(info), read_metadata(info.metadata), _output(info)
        size, size_note = choose_size(image, options.size, metadata.size, 1)
        self._output, self._of_ids = output.name, _is_ids(output)
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        count = None if self._of_ids else output.shape[1]
        self.names, names_note = choose_names(options.names, metadata.names, count)
        form = "the class of each cell" if self._of_ids else "a number of each class for each cell"
        form_note = f"The output {describe(output)} has {form}: each class that is there is one detection."
        self.notes = (size_note, batch_sentence(image.batch), form_note, names_note)
        self._background = [i for i, name in enumerate(self.names) if name.casefold().startswith(_BACKGROUND)]
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(RECIPE.overridden(options.normalisation), size)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """One output of class ids as large as the input, or one of four dimensions that is called logits."""
        try:
            image, output = image_input(info), _output(info)
        except ModelError:
            return None
        if not _is_evident(output, image):
            return None
        return f"its output {describe(output)} has the form of classes for each pixel"

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """A detection for each class of each row, the surest first; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if self._of_ids and output.ndim == 4 and output.shape[1] == 1:
            output = output[:, 0]
        if output.ndim != (3 if self._of_ids else 4) or len(output) < len(geometries):
            form = "(batch, height, width)" if self._of_ids else "(batch, classes, height, width)"
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected {form}")
        return [self._detections(grid, geometry) for grid, geometry in zip(output, geometries, strict=False)]

    def _detections(self, grid: Tensor, geometry: Geometry) -> Detections:
        _, height, width = self.input_shape
        area = grid_area((grid.shape[-1], grid.shape[-2]), (width, height), geometry)
        inside = grid[..., area.top : area.bottom, area.left : area.right]
        read = _of_ids if self._of_ids else _of_numbers
        told = [region for region in read(inside, area) if region[0] not in self._background and region[2][0][2]]
        class_id = np.array([region[0] for region in told], np.int32)
        score = np.array([region[1] for region in told], np.float32)
        kept = self._selection.ranked(score, class_id)
        parts = [told[i][2] for i in kept.tolist()]
        windows = np.array([window for window, _ in parts], np.float32).reshape(-1, 4)
        boxes = np.concatenate([windows[:, :2], windows[:, :2] + windows[:, 2:]], axis=1)
        masks = Masks.joined(geometry.width, geometry.height, parts)
        return Detections(boxes, score[kept], class_id[kept], self._selection.names_of(class_id[kept]), masks)


def _of_numbers(numbers: Tensor, area: GridArea) -> Iterable[Region]:
    """The regions of (C, rows, columns): where a class is ahead of the best of the others, interpolated."""
    numbers = numbers.astype(np.float32, copy=False)
    if not numbers.size:
        return
    likely = bool(numbers.min() >= 0 and numbers.max() <= 1)  # these are probabilities
    if len(numbers) == 1:
        ahead = numbers[0] - (0.5 if likely else 0.0)
        won = ahead > 0
        if won.any():
            values = numbers[0][won]
            yield 0, float((values if likely else 1 / (1 + np.exp(-values))).mean()), covered(ahead, area)
        return
    winner, best = numbers.argmax(axis=0), numbers.max(axis=0)
    others = numbers.copy()
    np.put_along_axis(others, winner[None], -np.inf, axis=0)
    second = others.max(axis=0)
    sure = best if likely else 1 / np.exp(numbers - best).sum(axis=0)
    for class_id in np.unique(winner).tolist():
        won = winner == class_id
        yield class_id, float(sure[won].mean()), covered(numbers[class_id] - np.where(won, second, best), area)


def _of_ids(ids: Tensor, area: GridArea) -> Iterable[Region]:
    """The regions of (rows, columns) of class ids, each pixel of the frame being of the nearest cell."""
    if not ids.size:
        return
    width, height = area.frame
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(int)
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(int)
    enlarged = ids.astype(np.int32)[rows[:, None], columns]
    for class_id in np.unique(enlarged).tolist():
        if class_id >= 0:
            masks = Masks.of(width, height, [(0, 0, enlarged == class_id)])
            left, top, across, down = masks.window[0].tolist()
            yield class_id, 1.0, ((left, top, across, down), masks.runs)


def _output(info: ModelInfo) -> TensorSpec:
    named = [spec for spec in info.outputs if spec.name == _MAIN]
    found = named or info.outputs
    if len(found) == 1 and (_is_ids(found[0]) or (len(found[0].shape) == 4 and found[0].dtype.kind == "f")):
        return found[0]
    there = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "a segmentation model has one output [batch, classes, height, width], or of whole numbers [batch, height, "
        f"width], or several of which one is called {_MAIN!r}; this one has {there}"
    )


def _is_ids(output: TensorSpec) -> bool:
    return output.dtype.kind in "iu" and (len(output.shape) == 3 or output.shape[1] in (1, None))


def _is_evident(output: TensorSpec, image: ImageInput) -> bool:
    if _is_ids(output):
        return output.shape[-2:] == (image.height, image.width)
    return "logits" in output.name
