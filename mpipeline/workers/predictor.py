"""Frames in, findings out: a model family and a backend joined, or a backend that takes frames itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mpipeline.backends.backend import Backend, FrameBackend
from mpipeline.errors import BackendError
from mpipeline.frame import Frame
from mpipeline.models.family import Family
from mpipeline.prediction import Findings


class Predictor(Protocol):
    """What the inference loop calls. `max_batch` bounds the frames of one call."""

    max_batch: int

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame, in order."""

    def close(self) -> None:
        """Gives the engine back."""


class TensorPredictor:
    """Preprocesses into one preallocated batch, runs the backend, postprocesses."""

    def __init__(self, family: Family, backend: Backend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._family = family
        self._backend = backend
        rows = max(max_batch, family.batch or 1)
        self._rows = math.ceil(rows / family.batch) * family.batch if family.batch else rows
        self._input = np.zeros((self._rows, *family.input_shape), np.dtype(family.input_dtype))

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        geometries = [self._family.preprocess(frame, self._input[i]) for i, frame in enumerate(frames)]
        chunk = self._family.batch or len(frames)
        found: list[Findings] = []
        for start in range(0, len(frames), chunk):
            outputs = self._backend.run({self._family.input_name: self._input[start : start + chunk]})
            found += self._family.postprocess(outputs, geometries[start : start + chunk])
        return found

    def close(self) -> None:
        """As in Predictor."""
        self._backend.close()


class FramePredictor:
    """Hands the frames to a backend that has a model or logic of its own."""

    def __init__(self, backend: FrameBackend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._backend = backend

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        found = self._backend.infer(frames)
        if len(found) != len(frames):
            raise BackendError(f"the backend gave {len(found)} results for {len(frames)} frames")
        return found

    def close(self) -> None:
        """As in Predictor."""
        self._backend.close()
