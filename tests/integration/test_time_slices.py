"""Which threads of workers ask for short turns of the processor, told by the kernel."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from support.leftovers import wait_until

from mpipeline.workers import time_slice

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")

needs_slices = pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 12) or os.uname().machine not in _SCHED_GETATTR,
    reason="only Linux 6.12 and later lets a thread choose its time slice",
)


def slice_of(thread: int) -> int:
    attributes = ctypes.create_string_buffer(_ATTRIBUTES.size)
    number = _SCHED_GETATTR[os.uname().machine]
    assert ctypes.CDLL(None).syscall(number, thread, attributes, _ATTRIBUTES.size, 0) == 0
    return int(_ATTRIBUTES.unpack(attributes.raw)[5])


def threads(process: int) -> dict[str, int]:
    tasks = Path(f"/proc/{process}/task")
    return {(tasks / task / "comm").read_text().strip(): int(task) for task in os.listdir(tasks)}


@needs_slices
@pytest.mark.parametrize(("role", "is_prompt"), [("sink", True), ("inference", True), ("decoder", False)])
def test_all_of_a_worker_is_prompt_but_decoding(role: str, is_prompt: bool, tmp_path: Path) -> None:
    usual = slice_of(0)
    command = [sys.executable, "-m", "mpipeline.workers", role, "--name", "x", "--control", f"ipc://{tmp_path}/c"]
    with subprocess.Popen(command, cwd=tmp_path) as worker:
        try:
            wait_until(lambda: "ZMQbg/IO/0" in threads(worker.pid), "the thread of its sockets")
            wait_until(lambda: slice_of(worker.pid) == (time_slice.SHORT_NS if is_prompt else usual), "its slice")
            assert slice_of(threads(worker.pid)["ZMQbg/IO/0"]) == time_slice.SHORT_NS
        finally:
            worker.kill()


@needs_slices
def test_what_is_shortened_is_restored_and_niceness_stays() -> None:
    program = """
import os
from mpipeline.workers import time_slice
from integration.test_time_slices import slice_of
usual = slice_of(0)
niceness = os.nice(3)
time_slice.shorten()
assert slice_of(0) == time_slice.SHORT_NS
time_slice.restore()
assert slice_of(0) == usual
assert os.nice(0) == niceness
"""
    tests = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=tests, check=True)


@needs_slices
def test_a_policy_of_its_own_is_kept() -> None:
    program = """
import os
from mpipeline.workers import time_slice
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
time_slice.shorten()
assert os.sched_getscheduler(0) == os.SCHED_BATCH
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True)


@needs_slices
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter knows the numbers of one architecture")
def test_a_sandbox_that_forbids_it_costs_nothing() -> None:
    program = """
import ctypes, struct
from mpipeline.workers import time_slice
from integration.test_time_slices import slice_of
usual = slice_of(0)
load_number, if_equal, give = 0x20, 0x15, 0x06
lines = [(load_number, 0, 0, 0), (if_equal, 0, 1, 314), (give, 0, 0, 0x50000 | 1), (give, 0, 0, 0x7FFF0000)]
filter = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
head = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(filter)))
library = ctypes.CDLL(None)
assert library.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
assert library.prctl(22, 2, head, 0, 0) == 0  # seccomp: sched_setattr is answered with EPERM
time_slice.shorten()
assert slice_of(0) == usual
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True)
