"""Engines for the simulated TensorRT, and the backend on it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from support.plain_kernels import Kernel
from support.simulated_gpu import SimulatedGpu
from support.simulated_tensorrt import DataType, EngineFile, SimulatedTensorRt

from mpipeline.backends import tensorrt
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.engines.library import Library
from mpipeline.backends.tensorrt import Surroundings, TensorRtBackend

Shape = tuple[int, ...]
Arrays = Mapping[str, np.ndarray]
OPEN = (-1, 3, -1, -1)


def mean(inputs: Arrays) -> Arrays:
    return {"mean": inputs["images"].mean((1, 2, 3), np.float32)[:, None]}


def rows(shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
    return {"mean": (shapes["images"][0], 1)}


def mean_of_images(
    *batches: tuple[int, int], sides: tuple[int, int] = (4, 64), dtype: DataType = DataType.FLOAT, shape: Shape = OPEN
) -> EngineFile:
    """The mean of each image; a profile for each range of batches, and without any the shape as it is."""
    profiles = []
    for low, high in batches:
        limits = [
            tuple(wanted if side < 0 else side for side, wanted in zip(shape, (count, 3, edge, edge), strict=True))
            for count, edge in ((low, sides[0]), (high, sides[1]))
        ]
        profiles.append({"images": (limits[0], limits[1], limits[1])})
    open_rows = -1 if shape[0] < 0 else shape[0]
    return EngineFile({"images": (shape, dtype)}, {"mean": ((open_rows, 1), dtype)}, mean, rows, profiles)


class Lab:
    """A GPU with TensorRT, whose engines are files in a folder."""

    def __init__(self, folder: Path, kernels: Mapping[str, Kernel] = MappingProxyType({})) -> None:
        self.folder = folder
        self.gpu = SimulatedGpu(kernels=kernels)
        self.trt = SimulatedTensorRt(self.gpu, {})
        self.surroundings = Surroundings(
            lambda index: self.gpu.facts,
            lambda index: self.gpu,  # type: ignore[arg-type, return-value]
            lambda: Library(self.trt, self.trt.__name__),
        )

    def engine(self, file: EngineFile, name: str = "model.engine") -> Path:
        content = f"engine {len(self.trt.engines)}".encode()
        self.trt.engines[content] = file
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def backend(self, path: Path, **options: Any) -> TensorRtBackend:
        return TensorRtBackend(BackendOptions(str(path), **options), self.surroundings)

    @contextmanager
    def opened(self, file: EngineFile, **options: Any) -> Iterator[TensorRtBackend]:
        backend = self.backend(self.engine(file), **options)
        backend.open()
        try:
            yield backend
        finally:
            backend.close()


@contextmanager
def lab_in(
    folder: Path, kernels: Mapping[str, Kernel] = MappingProxyType({}), patch: pytest.MonkeyPatch | None = None
) -> Iterator[Lab]:
    """Fails at its end if anything on the GPU was used wrongly, or not given back.

    With `patch` it is the GPU of this machine for whoever opens a model.
    """
    lab = Lab(folder, kernels)
    if patch is not None:
        patch.setattr(tensorrt, "Surroundings", lambda: lab.surroundings)
    yield lab
    gc.collect()
    assert lab.gpu.misuses == [], lab.gpu.misuses
    assert lab.trt.alive == [], lab.trt.alive
    assert lab.gpu.alive == [], lab.gpu.alive
