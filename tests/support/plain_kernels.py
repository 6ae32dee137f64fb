"""The CUDA kernels in their plain C++ form, compiled by the test, for a simulated GPU: they work in its memory."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda import detect, preprocess

_NATIVE = Path(__file__).resolve().parents[2] / "native"
_ELEMENTS = {"f32": 4, "f16": 2, "u8": 1}  # their bytes
_DETECT_ADDRESSES = ("keys", "boxes", "classes", "candidates", "wanted", "tallies", "found", "more")

Kernel = Callable[..., None]


class Grid(ctypes.Structure):
    """As in native/cuda/kernels.hpp."""

    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int), ("z", ctypes.c_int)]


class PlainKernels:
    """The compiled kernels by name, as `SimulatedGpu` calls them, and the grids that they were called with.

    `path` is the library of them.
    """

    def __init__(self, folder: Path) -> None:
        self.path = library = folder / "kernels.so"
        compiler = os.environ.get("CXX", "c++")  # the same that builds the native part
        options = ["-std=c++20", "-O2", "-ffp-contract=off", "-shared", "-fPIC", f"-I{_NATIVE / 'include'}"]
        subprocess.run([compiler, *options, "-o", library, _NATIVE / "cuda" / "kernels.cpp"], check=True)
        self._library = ctypes.CDLL(str(library))
        self.launched: list[tuple[str, tuple[int, int, int]]] = []
        self.by_name: dict[str, Kernel] = {}
        for kernel in ("preprocess", "preprocess_smooth"):
            for element, size in _ELEMENTS.items():
                here = functools.partial(_preprocess_job, size)
                self.by_name[f"{kernel}_{element}"] = self._kernel(f"{kernel}_{element}", here)
        typed = [f"detect_{step}_{dtype}" for step in ("candidates", "gather") for dtype in ("f32", "f16")]
        for name in (*typed, "detect_suppress"):
            self.by_name[name] = self._kernel(name, _detect_job)

    def _kernel(self, name: str, here: Callable[[SimulatedGpu, int, int], npt.NDArray[np.uint8]]) -> Kernel:
        def run(
            gpu: SimulatedGpu, grid: tuple[int, int, int], block: tuple[int, int, int], job: np.uint64, *more: np.uint64
        ) -> None:
            assert block == (256, 1, 1)
            self.launched.append((name, grid))
            local = here(gpu, int(job), grid[2])
            addresses = [ctypes.c_void_p(local.ctypes.data), *(ctypes.c_void_p(_here(gpu, one)) for one in more)]
            getattr(self._library, name)(Grid(*grid), *addresses)

        return run


def _here(gpu: SimulatedGpu, address: int | np.uint64) -> int:
    """Where in this process the memory at an address of the device is."""
    return 0 if address == 0 else int(gpu.at(int(address), 1).ctypes.data)


def _preprocess_job(element: int, gpu: SimulatedGpu, address: int, frames: int) -> npt.NDArray[np.uint8]:
    size = preprocess.JOB.itemsize
    code = gpu.at(address, size + frames * preprocess.FRAME.itemsize).copy()
    job, pictures = code[:size].view(preprocess.JOB)[0], code[size:].view(preprocess.FRAME)
    row = 3 * int(job["size"][0]) * int(job["size"][1])
    gpu.at(int(job["out"]), frames * row * element)  # there is as much
    job["out"] = _here(gpu, job["out"])
    for picture in pictures:
        for name in ("planes", "averages"):
            picture[name] = [_here(gpu, one) for one in picture[name]]
    return code


def _detect_job(gpu: SimulatedGpu, address: int, _: int) -> npt.NDArray[np.uint8]:
    code = gpu.at(address, detect.JOB.itemsize).copy()
    job = code.view(detect.JOB)[0]
    for name in _DETECT_ADDRESSES:
        job[name] = _here(gpu, job[name])
    return code
