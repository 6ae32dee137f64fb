"""Asking the driver, which here is a library of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cuda_library import build_driver

from mpipeline.cuda import probe
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import BackendError


def driver(folder: Path, **defined: int) -> str:
    return str(build_driver(folder, **defined))


def test_the_gpus_that_are_there(tmp_path: Path) -> None:
    library = driver(tmp_path)
    orin = DeviceFacts(0, "Orin", (8, 7), True, 8 << 30, (12, 6), True, False)
    assert probe.devices(library) == (orin, DeviceFacts(1, "L4", (8, 9), False, 24 << 30, (12, 6), True, False))
    assert probe.device(0, library) == orin
    assert str(orin) == "GPU 0 (Orin, compute capability 8.7)"
    with pytest.raises(BackendError, match=r"there is no GPU 2: there are 2, numbered from 0 \(Orin, …\)"):
        probe.device(2, library)


def test_without_a_driver(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"there is no NVIDIA driver: .* does not load .*nvidia-smi.*--gpus all"):
        probe.devices(str(tmp_path / "libcuda.so.1"))


@pytest.mark.parametrize(
    ("defined", "message"),
    [
        ({"INIT": 100}, "the NVIDIA driver is there, but sees no GPU"),
        ({"GPUS": 0}, "the NVIDIA driver is there, but sees no GPU"),
        ({"INIT": 999}, r"does not start: unknown error \(CUDA error 999\); the driver does not work; restart"),
        ({"INIT": 803}, r"does not start: unknown error \(CUDA error 803\); driver and its library .* restart"),
    ],
)
def test_a_driver_that_does_not_do(tmp_path: Path, defined: dict[str, int], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        probe.devices(driver(tmp_path, **defined))
