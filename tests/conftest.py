"""Settings for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from support.plain_kernels import PlainKernels

# How long an example takes says more about the machine than about the code; dead-locks are pytest-timeout's to find.
settings.register_profile("mpipeline", deadline=None)
settings.load_profile("mpipeline")


@pytest.fixture(scope="session", autouse=True)
def kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept about models across runs is kept for these tests alone, and not in the home of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def plain_kernels(tmp_path_factory: pytest.TempPathFactory) -> PlainKernels:
    """The CUDA kernels for simulated GPUs, compiled once."""
    from support.plain_kernels import PlainKernels

    return PlainKernels(tmp_path_factory.mktemp("kernels"))
