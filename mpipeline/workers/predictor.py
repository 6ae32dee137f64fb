"""Frames in, findings out: a model family and a backend joined, or a backend that takes frames itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Protocol

import numpy as np

from mpipeline.backends.backend import Backend, FrameBackend
from mpipeline.errors import BackendError
from mpipeline.frame import Frame
from mpipeline.models.family import Family
from mpipeline.prediction import Findings
from mpipeline.tensor import Tensor


class Predictor(Protocol):
    """What the inference loop calls. `max_batch` bounds the frames of one call."""

    max_batch: int

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame, in order."""

    def close(self) -> None:
        """Gives the engine back."""


class TensorPredictor:
    """Preprocesses into one preallocated batch, runs the backend, postprocesses.

    With several `families`, which differ in nothing, the frames are shared out among as many threads, each of which
    calls the backend for its own: engines on a processor lose much by working on one frame with several threads.
    """

    def __init__(self, families: Sequence[Family], backend: Backend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._families = families
        self._backend = backend
        family = families[0]
        rows = max(max_batch, family.batch or 1)
        self._rows = math.ceil(rows / family.batch) * family.batch if family.batch else rows
        self._input = np.zeros((self._rows, *family.input_shape), np.dtype(family.input_dtype))
        constants: Mapping[str, Tensor] = getattr(family, "constants", {})
        self._constants = {name: np.repeat(row[None], self._rows, axis=0) for name, row in constants.items()}
        self._helpers = ThreadPoolExecutor(len(families) - 1, "inference") if len(families) > 1 else None

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        size = self._families[0].batch or math.ceil(len(frames) / len(self._families))
        chunks = [(start, frames[start : start + size]) for start in range(0, len(frames), size)]
        if self._helpers is None or len(chunks) == 1:
            return [one for start, chunk in chunks for one in self._infer(self._families[0], start, chunk)]
        lanes = [chunks[lane :: len(self._families)] for lane in range(min(len(chunks), len(self._families)))]
        work = [partial(self._infer_all, family, lane) for family, lane in zip(self._families, lanes, strict=False)]
        others = [self._helpers.submit(one) for one in work[1:]]
        try:
            found = work[0]()
        finally:
            wait(others)  # whatever happens: they look at pixels that the caller gives back
        for other in others:
            found |= other.result()
        return [one for start, _ in chunks for one in found[start]]

    def close(self) -> None:
        """As in Predictor."""
        if self._helpers is not None:
            self._helpers.shutdown()
        self._backend.close()

    def _infer_all(
        self, family: Family, chunks: Sequence[tuple[int, Sequence[Frame]]]
    ) -> dict[int, Sequence[Findings]]:
        return {start: self._infer(family, start, chunk) for start, chunk in chunks}

    def _infer(self, family: Family, start: int, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in frames that go into the rows from `start` on."""
        geometries = [family.preprocess(frame, self._input[start + i]) for i, frame in enumerate(frames)]
        rows = self._input[start : start + (family.batch or len(frames))]
        constants = {name: value[: len(rows)] for name, value in self._constants.items()}
        return family.postprocess(self._backend.run({family.input_name: rows, **constants}), geometries)


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
