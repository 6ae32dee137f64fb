"""How a few frames become findings: a family prepares them, a backend infers, the family reads what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from mpipeline.backends.backend import Backend
from mpipeline.frame import Frame, Pixels
from mpipeline.models.family import Family
from mpipeline.prediction import Findings
from mpipeline.tensor import Tensor

LetGo = Callable[[Sequence[Frame]], object]
"""Told of frames whose pixels are not needed any more, by any thread, before their findings are there."""


class Way(Protocol):
    """Used by one thread."""

    def infer(self, frames: Sequence[Frame], let_go: LetGo) -> Sequence[Findings]:
        """What was found in each frame, in order; `let_go` need not be called. Raises what the engine raises."""

    def close(self) -> None:
        """Gives back what is its own. No thread may be in `infer`."""


class RingMemory(Protocol):
    """Memory of rings that an engine looks at by itself."""

    def lend(self, name: str, memory: Pixels) -> None:
        """Frames will lie in this memory, a whole segment, until it is taken back."""

    def take_back(self, name: str) -> None:
        """None will any more; what is under way with those before goes on."""

    def close(self) -> None:
        """Takes all back. Nothing may be under way."""


class HostWay:
    """Preprocesses into rows of its own, `rows` of them, and postprocesses, on the processor."""

    def __init__(self, family: Family, backend: Backend, rows: int) -> None:
        self._family = family
        self._backend = backend
        memory = getattr(backend, "input_memory", np.zeros)  # that of a GPU goes up from where it lies
        self._rows: Tensor = memory((rows, *family.input_shape), np.dtype(family.input_dtype))
        self._constants = constants_of(family, rows)

    def infer(self, frames: Sequence[Frame], let_go: LetGo) -> Sequence[Findings]:
        """As in Way; a model with a fixed batch has rows beyond the frames."""
        family, rows = self._family, self._rows if self._family.batch else self._rows[: len(frames)]
        geometries = [family.preprocess(frame, row) for frame, row in zip(frames, rows, strict=False)]
        constants = {name: value[: len(rows)] for name, value in self._constants.items()}
        return family.postprocess(self._backend.run({family.input_name: rows, **constants}), geometries)

    def close(self) -> None:
        """As in Way: the memory may be the backend's, and go with it."""


def constants_of(family: Family, rows: int) -> dict[str, Tensor]:
    """The further inputs of a family, for so many rows."""
    constants: Mapping[str, Tensor] = getattr(family, "constants", {})
    return {name: np.repeat(row[None], rows, axis=0) for name, row in constants.items()}


def rows_of_way(family: Family, max_batch: int, ways: int) -> int:
    """How many rows each of so many ways needs, among which the frames are shared out."""
    return family.batch or math.ceil(max_batch / ways)
