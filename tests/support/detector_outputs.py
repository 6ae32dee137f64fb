"""Outputs of detectors full of ties, and of each the family that reads it on the processor and tells a GPU how to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.models.family import ModelOptions
from mpipeline.models.yolo import Yolo
from mpipeline.models.yolox import Yolox
from mpipeline.tensor import ModelInfo, TensorSpec

SIZE = (96, 64)  # width, height
ANCHORS = 12 * 8 + 6 * 4 + 3 * 2

Outputs = npt.NDArray[Any]


@dataclass(frozen=True)
class Detector:
    """A layout: how to make outputs of (rows, classes), its family, and by how much a GPU's boxes may differ."""

    name: str
    outputs: Callable[[np.random.Generator, int, int], Outputs]
    kind: type[Yolo] | type[Yolox]
    tolerance: float = 0.0

    def family(self, outputs: Outputs, options: ModelOptions) -> Yolo | Yolox:
        """The family of a model that gives such outputs."""
        image = TensorSpec("images", (None, 3, SIZE[1], SIZE[0]), outputs.dtype)
        told = TensorSpec("output", (None, *outputs.shape[1:]), outputs.dtype)
        return self.kind(ModelInfo((image,), (told,), {}), options)


def _scores(rng: np.random.Generator, *shape: int) -> Outputs:
    """Of few values, so that many are equal."""
    return rng.integers(0, 33, shape).astype(np.float32) / 32


def _boxes(rng: np.random.Generator, rows: int, anchors: int) -> Outputs:
    """Centres and sizes on a raster, so that intersections over unions are often equal to a threshold."""
    places = rng.integers(0, 24, (rows, anchors, 2)) * 4
    return np.concatenate([places, rng.integers(1, 10, (rows, anchors, 2)) * 4], axis=2).astype(np.float32)


def _anchors_last(rng: np.random.Generator, rows: int, classes: int) -> Outputs:
    whole = np.concatenate([_boxes(rng, rows, ANCHORS), _scores(rng, rows, ANCHORS, classes) ** 3], axis=2)
    return np.ascontiguousarray(whole.transpose(0, 2, 1))


def _objectness(rng: np.random.Generator, rows: int, classes: int) -> Outputs:
    boxes = _boxes(rng, rows, 3 * ANCHORS)
    return np.concatenate([boxes, _scores(rng, rows, 3 * ANCHORS, 1 + classes)], axis=2)


def _yolox(rng: np.random.Generator, rows: int, classes: int) -> Outputs:
    boxes = rng.normal(0, 0.8, (rows, ANCHORS, 4)).astype(np.float32)
    return np.concatenate([boxes, _scores(rng, rows, ANCHORS, 1 + classes)], axis=2)


DETECTORS = (
    Detector("yolo", _anchors_last, Yolo),
    Detector("yolov5", _objectness, Yolo),
    Detector("yolox", _yolox, Yolox, 0.01),
)
