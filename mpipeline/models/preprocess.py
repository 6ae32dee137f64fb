"""Preprocessing of a frame: the native pass with what a family wants, and where the picture lies in the input.

The result equals an OpenCV reference (`cv2.resize` INTER_LINEAR of the picture as `Frame.bgr` gives it, then padding
and normalisation) within 0.5 of 255 levels on average and 1.5 at most, for every format, size and mode: the pass does
not round to bytes between its steps, and clamps colours after resizing instead of before it, which shows only where a
source holds YUV values that are no colours. With `smooth` it equals Pillow's resize with BILINEAR as closely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mpipeline import _native
from mpipeline.cuda.preprocess import Target
from mpipeline.frame import Frame, FrameFormat
from mpipeline.models.family import Normalisation
from mpipeline.tensor import Geometry, Tensor

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a family feeds its models: value = (level * scale - mean) / std per channel, and the placement.

    `resize`: keep the proportions and fill the rest with level `pad`, or stretch, or let the shorter side fit and cut
    off what is over of the longer, at both ends. `anchor`: where a letterboxed picture lies. `rounding` of its size: to
    the nearest pixel (ties to even), or down. `smooth`: what shrinks is averaged, so that nothing aliases; slower.
    """

    order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    pad: float = 114.0
    resize: Literal["letterbox", "stretch", "crop"] = "letterbox"
    anchor: Literal["centre", "top_left"] = "centre"
    rounding: Literal["nearest", "down"] = "nearest"
    smooth: bool = False

    @property
    def levels_to_values(self) -> tuple[Triple, Triple]:
        """Scale and bias of each channel: value = level * scale + bias."""
        mean, std = self.mean, self.std
        scale = (self.scale / std[0], self.scale / std[1], self.scale / std[2])
        return scale, (-mean[0] / std[0], -mean[1] / std[1], -mean[2] / std[2])

    @property
    def averages(self) -> bool:
        """Whether it takes the pass that averages, which alone cuts off."""
        return self.smooth or self.resize == "crop"

    def gpu_target(self, size: tuple[int, int], dtype: str) -> Target | None:
        """The same for the kernels of a GPU and an input of (width, height); None if they do not write that dtype."""
        if dtype not in ("float32", "float16", "uint8"):
            return None
        scale, bias = self.levels_to_values
        return Target(*size, self.order == "bgr", scale, bias, self.pad, dtype, self.averages)

    def overridden(self, by: Normalisation) -> Recipe:
        """This recipe with what `by` says."""
        named = {key: getattr(by, key) for key in ("order", "scale", "mean", "std", "pad", "resize")}
        return replace(self, **{key: value for key, value in named.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Placement:
    """The rectangle, in pixels of the input, that the resized picture covers; a cropped one reaches beyond it."""

    width: int
    height: int
    left: int
    top: int


def letterbox_ratio(target: tuple[int, int], source: tuple[int, int]) -> float:
    """By how much a picture shrinks (or grows) so that it just fits; both sizes are (width, height)."""
    return min(target[1] / source[1], target[0] / source[0])


def place(recipe: Recipe, target: tuple[int, int], source: tuple[int, int]) -> Placement:
    """Where a picture of size `source` lies in an input of size `target`, both (width, height)."""
    if recipe.resize == "stretch":
        return Placement(*target, 0, 0)
    if recipe.resize == "crop":
        return _cropped(target, source)
    ratio = letterbox_ratio(target, source)
    rounded = int if recipe.rounding == "down" else round
    width, height = (max(1, min(rounded(side * ratio), limit)) for side, limit in zip(source, target, strict=True))
    if recipe.anchor == "top_left":
        return Placement(width, height, 0, 0)
    return Placement(width, height, (target[0] - width) // 2, (target[1] - height) // 2)


def _cropped(target: tuple[int, int], source: tuple[int, int]) -> Placement:
    """As torchvision's Resize of the shorter side and CenterCrop do; a target that is not square is filled as it is."""
    if target[0] != target[1]:
        return Placement(*target, 0, 0)
    side, shorter = target[0], min(source)
    width, height = (side if each == shorter else int(side * each / shorter) for each in source)
    return Placement(width, height, -round((width - side) / 2), -round((height - side) / 2))


class Preprocessor:
    """Writes frames of any size and format into rows of one input size; keeps its tables between frames."""

    def __init__(self, recipe: Recipe, size: tuple[int, int]) -> None:
        """`size` is (width, height) of the model's input."""
        self._recipe = recipe
        self._size = size
        scale, bias = recipe.levels_to_values
        self._native: _native.Preprocessor | _native.SmoothPreprocessor
        if recipe.averages:
            self._native = _native.SmoothPreprocessor(*size, recipe.order == "bgr", scale, bias, recipe.pad)
        else:
            self._native = _native.Preprocessor(*size, recipe.order == "bgr", scale, bias, recipe.pad)

    def gpu_target(self, dtype: str) -> Target | None:
        """The same for the kernel of a GPU; None if that cannot do it."""
        return self._recipe.gpu_target(self._size, dtype)

    def placed(self, form: FrameFormat) -> tuple[Placement, Geometry]:
        """Where a frame of that format lies in the input, and how that is undone."""
        placement = place(self._recipe, self._size, (form.width, form.height))
        return placement, self._geometry(placement, form.width, form.height)

    def run(self, frame: Frame, row: Tensor) -> Geometry:
        """Fills `row`, C-contiguous (3, height, width) of float32, float16 or uint8; says how the frame was placed.

        The interpreter lock is released meanwhile. Raises ValueError if shapes do not fit.
        """
        form = frame.format
        placed, geometry = self.placed(form)
        numbers = np.empty(row.shape, np.float32) if row.dtype == np.uint8 else row
        self._native.run(
            numbers,
            form.pixel_format,
            form.width,
            form.height,
            form.matrix,
            form.full_range,
            list(frame.planes),
            (placed.width, placed.height, placed.left, placed.top),
        )
        if numbers is not row:
            np.rint(np.clip(numbers, 0, 255, out=numbers), out=row, casting="unsafe")
        return geometry

    def _geometry(self, placed: Placement, width: int, height: int) -> Geometry:
        """Boxes go back by the size that the picture has in the input; where that was rounded down, by the ratio.

        So do Ultralytics (since 8.4) and YOLOX, and users compare with them; it is less than one model pixel.
        """
        if self._recipe.resize != "letterbox" or self._recipe.rounding == "nearest":
            scale_x, scale_y = placed.width / width, placed.height / height
        else:
            scale_x = scale_y = letterbox_ratio(self._size, (width, height))
        return Geometry(scale_x, scale_y, placed.left, placed.top, width, height)
