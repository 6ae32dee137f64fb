"""Work on a GPU before and behind a model, in the stream of its batch: it writes inputs and reads outputs there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mpipeline.cuda.driver import Address, Gpu, Stream
from mpipeline.cuda.thread import GpuThread
from mpipeline.tensor import Tensor


@dataclass(frozen=True, slots=True)
class DeviceTensor:
    """An input or output in device memory, C-contiguous."""

    address: Address
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Step = Callable[[Gpu, DeviceTensor, Stream], None]
"""Puts work on a tensor into the stream; called on the GPU's thread."""


@dataclass(frozen=True, slots=True)
class Written:
    """An input of this shape that is written on the device."""

    shape: tuple[int, ...]
    write: Step


class ModelOnGpu(Protocol):
    """A model that takes and gives tensors where they are; by as many threads at the same time as it has streams."""

    @property
    def thread(self) -> GpuThread:
        """The thread of its GPU."""

    def run(
        self, inputs: Mapping[str, Tensor], written: Mapping[str, Written], read: Mapping[str, Step]
    ) -> dict[str, Tensor]:
        """Infers one batch, of inputs that are here and others that are `written` there.

        The outputs come down but those that are `read` there. They stay valid until the same thread calls again. When
        this returns, or raises, the stream has done all of it. Raises BackendError.
        """
