"""The contracts of a backend: one executes tensors for a model family, the other takes frames as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from mpipeline.frame import Frame
from mpipeline.prediction import Findings
from mpipeline.tensor import ModelInfo, Precision, Tensor


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What to execute, on what, with how many threads (0: the backend's choice), in which precision.

    `target` is a path of a model file, or "module:attribute" for the `python` backend. `cache` is a folder, which need
    not exist, where a backend may keep what it has found out or made for later runs; None: nothing is kept. `streams`:
    how many threads will call `run` at the same time; they share `threads`. `tell` is to be called once a second while
    `open` takes long, with what is being done: who waits would else take the process for dead. `batch`: the most rows
    of the inputs, where the model leaves that open; `size`: width and height of pictures, likewise, None for the usual
    one.
    """

    target: str
    device: str = "auto"
    threads: int = 0
    precision: Precision = "float32"
    cache: Path | None = None
    streams: int = 1
    tell: Callable[[str], object] = lambda text: None
    batch: int = 1
    size: tuple[int, int] | None = None

    def threads_of_stream(self, cores: int) -> int:
        """How many threads each stream has, where `cores` are all that may be used."""
        return max(1, (self.threads or cores) // self.streams)


class Backend(Protocol):
    """Executes a model file: made as `Kind(options)`. Errors are BackendError or ModelError.

    It is used by one thread, but `run` by as many at the same time as `options.streams` says. That is one, unless the
    kind has an attribute `concurrent` that is true; `ModelInfo.execution.streams` says how many are worth it.
    `precisions` are those that may be asked for; a kind without that attribute has float32 alone. A kind with a method
    `input_memory(shape, dtype)` gives arrays of zeros from which `run` reads without a copy, until it is closed. One
    that lets others work in its streams has `on_gpu`, a `ModelOnGpu` or None, until it is closed.
    """

    takes: ClassVar[str]  # "tensors"
    precisions: ClassVar[tuple[Precision, ...]]

    def __init__(self, options: BackendOptions) -> None: ...

    def open(self) -> ModelInfo:
        """Loads the file and says what it wants; may take long."""

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Infers one batch. The outputs stay valid until the same thread calls again."""

    def close(self) -> None:
        """Gives everything back; harmless when repeated."""


class FrameBackend(Protocol):
    """Takes frames and gives findings, with a model or logic of its own."""

    takes: ClassVar[str]  # "frames"

    def __init__(self, options: BackendOptions) -> None: ...

    def open(self) -> ModelInfo:
        """Makes ready; inputs and outputs of the info are empty."""

    def infer(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame, in source pixels."""

    def close(self) -> None:
        """Gives everything back; harmless when repeated."""
