"""GPUs to test on: that of the machine, if there is one, and code to run on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.driver import Gpu
from mpipeline.cuda.pycuda_driver import open_gpu
from mpipeline.errors import MpipelineError

# Adds a number to each of `count` float32 values. Assembled by ptxas for every architecture from sm_75 on.
ADD_PTX = b"""
.version 6.3
.target sm_75
.address_size 64

.visible .entry add(.param .u64 values, .param .u32 count, .param .f32 summand)
{
    .reg .pred %p1;
    .reg .f32 %f<4>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [values];
    ld.param.u32 %r1, [count];
    ld.param.f32 %f1, [summand];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.u32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd2, %rd1;
    mul.wide.u32 %rd3, %r5, 4;
    add.s64 %rd4, %rd2, %rd3;
    ld.global.f32 %f2, [%rd4];
    add.f32 %f3, %f2, %f1;
    st.global.f32 [%rd4], %f3;
DONE:
    ret;
}
"""


def add(
    gpu: SimulatedGpu, grid: tuple[int, ...], block: tuple[int, ...], values: Any, count: Any, summand: Any
) -> None:
    """As the kernel above."""
    assert grid[0] * block[0] >= count
    gpu.at(int(values), 4 * int(count)).view(np.float32)[:] += summand


def real_gpu() -> Gpu:
    """That of this machine; without one, the test is skipped and says why."""
    try:
        return open_gpu(0)
    except MpipelineError as error:
        pytest.skip(f"no GPU to test on: {error}")
