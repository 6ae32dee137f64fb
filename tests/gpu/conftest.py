"""The GPUs of these tests: a simulated one everywhere, and that of the machine where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.gpus import add, real_gpu
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.driver import Gpu


@pytest.fixture(params=["simulated", "real"])
def any_gpu(request: pytest.FixtureRequest) -> Iterator[Gpu]:
    """A GPU that is not yet entered."""
    if request.param == "real":
        yield real_gpu()
        return
    simulated = SimulatedGpu(kernels={"add": add})
    yield simulated  # type: ignore[misc]  # it takes its own streams only
    assert simulated.misuses == []


@pytest.fixture
def gpu(any_gpu: Gpu) -> Iterator[Gpu]:
    """A GPU that this thread has entered."""
    with any_gpu as entered:
        yield entered
