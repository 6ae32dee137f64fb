"""What models and backends say to each other: named tensors with a shape and a dtype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[Any]
Precision = Literal["float32", "bfloat16", "float16"]
"""In what a model's weights and activations are multiplied; its inputs and outputs keep their own dtypes."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model file. A dynamic dimension is None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Execution:
    """What executes a model, as it says itself: library and version, device, and the precision in effect.

    `streams` inferences run side by side, each with so many `threads`; 0 on a GPU, where that has no meaning.
    """

    library: str
    version: str
    device: str
    threads: int
    precision: str
    streams: int = 1

    def __str__(self) -> str:
        doing = f"{self.library} {self.version} infers in {self.precision} on {self.device}"
        if not self.threads:
            return f"{doing}, {self.streams} batches at a time" if self.streams > 1 else doing
        threads = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        side_by_side = f" for each of {self.streams} frames side by side" if self.streams > 1 else ""
        return f"{doing} with {threads}{side_by_side}"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a backend has read from the model file: enough for a family to say how to feed it; and how it executes it.

    `execution` is None where that is the business of code of the user's own. `max_batch`: the most frames that it
    takes at once, None where that is no matter.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    execution: Execution | None = None
    max_batch: int | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a frame was placed into the model's input: model = source * scale + pad, per axis, in pixels."""

    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float
    width: int
    height: int

    def to_source(self, xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) from model pixels to source pixels, clipped to the frame."""
        pad = np.array([self.pad_x, self.pad_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        limit = np.array([self.width, self.height] * 2, np.float32)
        placed: npt.NDArray[np.float32] = np.clip((xyxy - pad) / scale, 0.0, limit).astype(np.float32)
        return placed
