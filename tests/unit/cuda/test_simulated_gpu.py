"""The simulated GPU tells whatever would go wrong on a real one, some time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.simulated_gpu import SimulatedGpu
from support.simulated_streams import Misuse


@pytest.fixture
def gpu() -> Iterator[SimulatedGpu]:
    with SimulatedGpu() as simulated:
        yield simulated


def read_after_free(gpu: SimulatedGpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(4)
    address = memory.address or 0
    memory.free()
    gpu.download(np.zeros(4, np.uint8), address, stream)


def run_past_the_end(gpu: SimulatedGpu) -> None:
    gpu.fill(gpu.allocate(4).address or 0, 1, 5, gpu.stream())


def read_what_another_stream_writes(gpu: SimulatedGpu) -> None:
    first, second, memory = gpu.stream(), gpu.stream(), gpu.allocate(4)
    gpu.fill(memory.address or 0, 1, 4, first)
    gpu.download(np.zeros(4, np.uint8), memory.address or 0, second)
    second.synchronize()


def write_what_another_stream_reads(gpu: SimulatedGpu) -> None:
    first, second, memory = gpu.stream(), gpu.stream(), gpu.allocate(4)
    gpu.download(np.zeros(4, np.uint8), memory.address or 0, first)
    gpu.fill(memory.address or 0, 1, 4, second)
    second.synchronize()


def change_what_goes_up(gpu: SimulatedGpu) -> None:
    stream, source = gpu.stream(), np.zeros(4, np.uint8)
    gpu.upload(gpu.allocate(4).address or 0, source, stream)
    source[0] = 1
    stream.synchronize()


def free_what_is_used(gpu: SimulatedGpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(4)
    gpu.fill(memory.address or 0, 1, 4, stream)
    memory.free()


def free_page_locked_memory_that_is_used(gpu: SimulatedGpu) -> None:
    stream, memory, here = gpu.stream(), gpu.allocate(4), gpu.allocate_host(4)
    gpu.download(here.array[2:3], memory.address or 0, stream)
    here.free()


def free_a_busy_stream(gpu: SimulatedGpu) -> None:
    stream = gpu.stream()
    gpu.event().record(stream)
    stream.free()


def free_twice(gpu: SimulatedGpu) -> None:
    event = gpu.event()
    event.free()
    event.free()


def use_a_freed_event(gpu: SimulatedGpu) -> None:
    stream, event = gpu.stream(), gpu.event()
    event.free()
    stream.wait(event)


def swallowing(gpu: SimulatedGpu) -> None:
    with pytest.raises(Misuse):
        gpu.stream()


def call_from_another_thread(gpu: SimulatedGpu) -> None:
    thread = threading.Thread(target=swallowing, args=(gpu,))
    thread.start()
    thread.join()
    gpu.misuse(gpu.misuses.pop())


MISUSES: dict[Callable[[SimulatedGpu], None], str] = {
    read_after_free: "no 4 bytes",
    run_past_the_end: "no 5 bytes",
    read_what_another_stream_writes: "another stream has still to fill",
    write_what_another_stream_reads: "another stream has still to download",
    change_what_goes_up: "changed before it was up",
    free_what_is_used: "freed while a stream has still to fill",
    free_page_locked_memory_that_is_used: "freed while a stream has still to download",
    free_a_busy_stream: "still to pass an event",
    free_twice: "a freed event was used",
    use_a_freed_event: "a freed event was used",
    call_from_another_thread: "by another thread",
}


@pytest.mark.parametrize("misuse", MISUSES, ids=lambda one: one.__name__)
def test_misuse_is_raised_and_kept(gpu: SimulatedGpu, misuse: Callable[[SimulatedGpu], None]) -> None:
    with pytest.raises(Misuse, match=MISUSES[misuse]):
        misuse(gpu)
    assert len(gpu.misuses) == 1


def test_without_the_context() -> None:
    with pytest.raises(Misuse, match="without the context"):
        SimulatedGpu().stream()


def test_what_is_left_behind() -> None:
    gpu = SimulatedGpu()
    with gpu:
        gpu.allocate(4)
        gpu.event()
    assert gpu.misuses == ["left behind: device, event"]


def test_nothing_is_done_before_it_is_waited_for(gpu: SimulatedGpu) -> None:
    stream, memory, found = gpu.stream(), gpu.allocate(4), np.zeros(4, np.uint8)
    gpu.fill(memory.address or 0, 1, 4, stream)
    gpu.download(found, memory.address or 0, stream)
    assert found.tolist() != [1, 1, 1, 1]
    stream.synchronize()
    assert found.tolist() == [1, 1, 1, 1]
