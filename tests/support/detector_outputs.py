"""Outputs of detectors full of ties, and of each the family that reads it on the processor and tells a GPU how to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mpipeline.models.family import ModelOptions
from mpipeline.models.yolo import Yolo
from mpipeline.models.yolo_pose import YoloPose
from mpipeline.models.yolo_segmentation import YoloSegmentation
from mpipeline.models.yolox import Yolox
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

SIZE = (96, 64)  # width, height
ANCHORS = 12 * 8 + 6 * 4 + 3 * 2

UNSHOWN = Geometry(1.0, 1.0, -10000.0, -10000.0, 40000, 40000)  # clips no box
LETTERBOXED = Geometry(0.5, 0.5, 8.0, 0.0, 160, 128)  # into an input of SIZE

Outputs = npt.NDArray[Any]
AnyFamily = Yolo | YoloPose | YoloSegmentation | Yolox


@dataclass(frozen=True)
class Detector:
    """A layout: how to make outputs of (rows, classes), its family, and by how much a GPU's boxes may differ.

    `others` are the shapes of a row of further outputs. The file of a model for another task than detection has
    metadata, without which its output could be one of more classes; `point_shape` stands in it.
    """

    name: str
    outputs: Callable[[np.random.Generator, int, int], Outputs]
    kind: type[AnyFamily]
    tolerance: float = 0.0
    others: dict[str, tuple[int, ...]] = field(default_factory=dict)
    point_shape: tuple[int, int] | None = None
    geometry: Geometry = UNSHOWN

    def family(self, outputs: Outputs, options: ModelOptions, classes: int) -> AnyFamily:
        """The family of a model that gives such outputs."""
        image = TensorSpec("images", (None, 3, SIZE[1], SIZE[0]), outputs.dtype)
        told = [TensorSpec("output", (None, *outputs.shape[1:]), outputs.dtype)]
        told += [TensorSpec(name, (None, *shape), outputs.dtype) for name, shape in self.others.items()]
        metadata = {"kpt_shape": str(self.point_shape)} if self.point_shape else {}
        if self.others or self.point_shape:
            metadata["names"] = str([f"class {number}" for number in range(classes)])
        return self.kind(ModelInfo((image,), tuple(told), metadata), options)

    def further(self, rng: np.random.Generator, outputs: Outputs) -> dict[str, Outputs]:
        """The other outputs beside these."""
        return {
            name: rng.normal(0, 1, (len(outputs), *shape)).astype(outputs.dtype) for name, shape in self.others.items()
        }


def _scores(rng: np.random.Generator, *shape: int) -> Outputs:
    """Of few values, so that many are equal."""
    return rng.integers(0, 33, shape).astype(np.float32) / 32


def _boxes(rng: np.random.Generator, rows: int, anchors: int) -> Outputs:
    """Centres and sizes on a raster, so that intersections over unions are often equal to a threshold."""
    places = rng.integers(0, 24, (rows, anchors, 2)) * 4
    return np.concatenate([places, rng.integers(1, 10, (rows, anchors, 2)) * 4], axis=2).astype(np.float32)


def _more(rng: np.random.Generator, rows: int, anchors: int, count: int) -> Outputs:
    """Points in the input, and what else is such a number."""
    return rng.uniform(-1, 100, (rows, anchors, count)).astype(np.float32)


def _anchors_last(rng: np.random.Generator, rows: int, classes: int, more: int = 0) -> Outputs:
    scores = _scores(rng, rows, ANCHORS, classes) ** 3
    whole = np.concatenate([_boxes(rng, rows, ANCHORS), scores, _more(rng, rows, ANCHORS, more)], axis=2)
    return np.ascontiguousarray(whole.transpose(0, 2, 1))


def _objectness(rng: np.random.Generator, rows: int, classes: int, more: int = 0) -> Outputs:
    anchors = 3 * ANCHORS
    scores = _scores(rng, rows, anchors, 1 + classes)
    return np.concatenate([_boxes(rng, rows, anchors), scores, _more(rng, rows, anchors, more)], axis=2)


def _yolox(rng: np.random.Generator, rows: int, classes: int) -> Outputs:
    boxes = rng.normal(0, 0.8, (rows, ANCHORS, 4)).astype(np.float32)
    return np.concatenate([boxes, _scores(rng, rows, ANCHORS, 1 + classes)], axis=2)


def _pose(name: str, outputs: Callable[..., Outputs], points: int, numbers: int) -> Detector:
    made = partial(outputs, more=points * numbers)
    return Detector(name, made, YoloPose, point_shape=(points, numbers), geometry=LETTERBOXED)


def _segmentation(name: str, outputs: Callable[..., Outputs], masks: int) -> Detector:
    prototypes = {"prototypes": (masks, SIZE[1] // 4, SIZE[0] // 4)}
    return Detector(name, partial(outputs, more=masks), YoloSegmentation, others=prototypes, geometry=LETTERBOXED)


DETECTORS = (
    Detector("yolo", _anchors_last, Yolo),
    Detector("yolov5", _objectness, Yolo),
    Detector("yolox", _yolox, Yolox, 0.01),
    _pose("yolo pose", _anchors_last, 17, 3),
    _pose("yolov5 pose", _objectness, 4, 2),
    _segmentation("yolo segmentation", _anchors_last, 32),
    _segmentation("yolov5 segmentation", _objectness, 6),
)
