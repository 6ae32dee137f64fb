"""The kernels that are shipped with the package, loaded on a GPU.

They are PTX, which the driver compiles for its GPU when it is loaded and keeps (in ~/.nv); no other compiler is needed.
Their source is native/cuda, and native/cuda/build_ptx.py makes the file of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np

from mpipeline.cuda.driver import Function, Gpu, Stream

_THREADS = 256  # of a block: kThreads in native/cuda/block.hpp


def shipped_ptx() -> bytes:
    """The code of all kernels."""
    return resources.files("mpipeline.cuda").joinpath("kernels.ptx").read_bytes()


class Kernels:
    """All kernels on one GPU."""

    def __init__(self, gpu: Gpu) -> None:
        """Raises BackendError if the driver does not take the code."""
        self._gpu = gpu
        self._module = gpu.module(shipped_ptx())
        self._functions: dict[str, Function] = {}

    def launch(self, name: str, grid: tuple[int, int, int], arguments: Sequence[np.generic], stream: Stream) -> None:
        """Runs a kernel, in the stream, on `grid` blocks; arguments as in `Gpu.launch`."""
        if name not in self._functions:
            self._functions[name] = self._module.function(name)
        self._gpu.launch(self._functions[name], grid, (_THREADS, 1, 1), arguments, stream)

    def free(self) -> None:
        """Unloads them. No stream may have work left that uses them."""
        self._functions.clear()
        self._module.free()
