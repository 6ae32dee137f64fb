"""The contract of a model family: preprocess and postprocess, and what it needs to know for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mpipeline.frame import Frame
from mpipeline.prediction import Findings
from mpipeline.tensor import Geometry, ModelInfo, Tensor


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What a model wants otherwise than its family usually does; None: as the family does.

    The input is (level * scale - mean) / std with levels 0..255; `mean` and `std` have one number a channel, in the
    order of the channels. `pad` is the level around a letterboxed picture.
    """

    order: Literal["rgb", "bgr"] | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    pad: float | None = None
    resize: Literal["letterbox", "stretch"] | None = None


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How a model is to be used, from the config and the sidecar file; what both leave open the model file may say.

    `names`: class id → name, empty if unknown. `classes`: ids or names of those that are kept, None for all. `size`:
    (width, height) for models whose input size is dynamic.
    """

    confidence: float = 0.4
    iou_threshold: float = 0.3
    max_detections: int = 300
    class_agnostic_nms: bool = False
    classes: tuple[int | str, ...] | None = None
    names: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    normalisation: Normalisation = Normalisation()


class Family(Protocol):
    """A family, made as `Family(info, options)`; raises ModelError if the file is not of this family.

    `task` is what it does with this file, in the words of model packages (`architectures`): "object-detection".
    `input_shape` is (channels, height, width) of one row of the batch; `input_dtype` what `preprocess` writes.
    `batch` is the model's fixed batch size, None if it takes any. `input_name` is the tensor to feed. `names` has the
    name of each class, empty if not even their number is known. `notes` are sentences for the log: what was inferred
    from the file, what was missing in it, and what is done instead.

    A family may also have `constants`: a row for each further input, which is the same for every frame; `preprocessor`:
    the `Preprocessor` that is all of `preprocess`, so that a GPU may do the same; and `gpu_detection(outputs)`,
    which says how a GPU finds the boxes in outputs of these names, shapes and dtypes, or None.
    """

    task: str
    input_name: str
    input_shape: tuple[int, int, int]
    input_dtype: str
    batch: int | None
    names: tuple[str, ...]
    notes: tuple[str, ...]

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None: ...

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """Why this file looks like one of this family, as a sentence for people; None if it does not."""

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, a C-contiguous view of shape `input_shape`; says how it was placed."""

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> Sequence[Findings]:
        """What was found in each row, in source pixels, highest score first; rows beyond `geometries` are padding."""
