"""What the tests of the kernels share: a simulated GPU that runs them, and a stream of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.plain_kernels import PlainKernels
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import SimulatedStream


@pytest.fixture
def gpu(plain_kernels: PlainKernels) -> Iterator[SimulatedGpu]:
    simulated = SimulatedGpu(kernels=plain_kernels.by_name)
    with simulated:
        yield simulated
    assert not simulated.misuses


@pytest.fixture
def stream(gpu: SimulatedGpu) -> Iterator[SimulatedStream]:
    made = gpu.stream()
    yield made
    made.free()
