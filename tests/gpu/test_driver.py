"""The contract of the CUDA interface, for the GPU of the machine through pycuda, and for the simulated one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from support.gpus import ADD_PTX

from mpipeline.cuda.driver import Bytes, Gpu
from mpipeline.errors import BackendError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.ring.mapping import attach
from mpipeline.ring.segment import create_ring

COUNT = 100_000


def rising(count: int = COUNT) -> np.ndarray:
    return np.arange(count, dtype=np.float32)


@pytest.fixture
def segment() -> Iterator[Bytes]:
    """The whole mapping of a ring in shared memory, as one of its readers has it."""
    ring = create_ring(f"test-{uuid.uuid4().hex[:12]}", "gate", 0, FrameFormat(PixelFormat.I420, 640, 360), 3)
    mapping = attach(ring.descriptor.segment)
    yield np.frombuffer(mapping.memory, np.uint8)
    mapping.close()
    ring.close()


def test_it_says_what_it_is(gpu: Gpu) -> None:
    facts = gpu.facts
    assert facts.index == 0
    assert facts.name
    assert facts.compute_capability >= (7, 5)
    assert facts.driver_version >= (11, 0)
    assert facts.total_bytes > 1 << 28
    assert str(facts).startswith("GPU 0 (")


def test_what_goes_up_comes_down(gpu: Gpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(4 * COUNT)
    assert memory.size == 4 * COUNT
    assert memory.address % 256 == 0
    values, found = rising(), np.zeros(COUNT, np.float32)
    gpu.upload(memory.address, values.view(np.uint8), stream)
    gpu.download(found.view(np.uint8), memory.address, stream)
    stream.synchronize()
    assert (found == values).all()
    gpu.download(found[:10].view(np.uint8), memory.address + 4 * 500, stream)
    stream.synchronize()
    assert found[:10].tolist() == list(range(500, 510))
    memory.free()
    stream.free()


def test_page_locked_memory(gpu: Gpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(4 * COUNT)
    up, down = gpu.allocate_host(4 * COUNT), gpu.allocate_host(4 * COUNT)
    assert (up.array.shape, up.array.dtype) == ((4 * COUNT,), np.uint8)
    up.array.view(np.float32)[:] = rising()
    gpu.upload(memory.address, up.array, stream)
    gpu.download(down.array, memory.address, stream)
    stream.synchronize()
    assert (down.array.view(np.float32) == rising()).all()
    for one in (up, down, memory, stream):
        one.free()


def test_filling(gpu: Gpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(100)
    found = np.zeros(100, np.uint8)
    gpu.fill(memory.address, 7, 100, stream)
    gpu.fill(memory.address + 50, 9, 25, stream)
    gpu.download(found, memory.address, stream)
    stream.synchronize()
    assert found.tolist() == [7] * 50 + [9] * 25 + [7] * 25
    memory.free()
    stream.free()


def test_nothing_is_copied_where_there_is_nothing(gpu: Gpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(1)
    nothing = np.empty(0, np.uint8)
    gpu.upload(memory.address, nothing, stream)
    gpu.download(nothing, memory.address, stream)
    gpu.fill(memory.address, 0, 0, stream)
    stream.synchronize()
    memory.free()
    stream.free()


def test_an_event_passes_with_the_work_before_it(gpu: Gpu) -> None:
    stream, event, memory = gpu.stream(), gpu.event(), gpu.allocate(4 * COUNT)
    assert event.query()
    found = gpu.allocate_host(4 * COUNT)
    for value in (1, 2):
        gpu.fill(memory.address, value, 4 * COUNT, stream)
        gpu.download(found.array, memory.address, stream)
        event.record(stream)
        if value == 1:
            event.synchronize()
        while not event.query():
            pass
        assert (found.array == value).all()
    for one in (found, memory, event, stream):
        one.free()


def test_one_stream_waits_for_another(gpu: Gpu) -> None:
    first, second, event = gpu.stream(), gpu.stream(), gpu.event()
    assert first.handle != second.handle
    memory, found = gpu.allocate(4 * COUNT), np.zeros(COUNT, np.float32)
    gpu.upload(memory.address, rising().view(np.uint8), first)
    event.record(first)
    second.wait(event)
    gpu.download(found.view(np.uint8), memory.address, second)
    second.synchronize()
    assert (found == rising()).all()
    for one in (memory, event, first, second):
        one.free()


def test_a_kernel(gpu: Gpu) -> None:
    stream, memory = gpu.stream(), gpu.allocate(4 * COUNT)
    module = gpu.module(ADD_PTX)
    function = module.function("add")
    values = rising()
    gpu.upload(memory.address, values.view(np.uint8), stream)
    grid, block = ((COUNT + 127) // 128, 1, 1), (128, 1, 1)
    for summand in (0.5, 0.25):
        arguments = (np.uint64(memory.address), np.uint32(COUNT), np.float32(summand))
        gpu.launch(function, grid, block, arguments, stream)
    found = np.zeros(COUNT, np.float32)
    gpu.download(found.view(np.uint8), memory.address, stream)
    stream.synchronize()
    assert (found == rising() + 0.75).all()
    del function
    for one in (module, memory, stream):
        one.free()


def test_code_and_kernels_that_are_none(gpu: Gpu) -> None:
    with pytest.raises(BackendError, match="PTX"):
        gpu.module(b"this is no code")
    module = gpu.module(ADD_PTX)
    with pytest.raises(BackendError, match="subtract"):
        module.function("subtract")
    module.free()


def test_more_memory_than_there_is(gpu: Gpu) -> None:
    with pytest.raises(BackendError, match="memory"):
        gpu.allocate(gpu.facts.total_bytes * 2)
    gpu.allocate(10).free()


def test_the_ring_of_a_source_is_page_locked_as_a_whole(gpu: Gpu, segment: Bytes) -> None:
    """It lies in shared memory, where others write; the device reads what is there by then."""
    if not gpu.facts.registers:
        pytest.skip(f"{gpu.facts} does not page-lock memory that exists")
    registered = gpu.register(segment)
    assert registered.array.ctypes.data == segment.ctypes.data
    with pytest.raises(BackendError):
        gpu.register(segment)
    stream, device, found = gpu.stream(), gpu.allocate(segment.nbytes), np.zeros(segment.nbytes, np.uint8)
    for value in (17, 18):
        segment[-1000:] = value
        gpu.upload(device.address, registered.array, stream)
        gpu.download(found, device.address, stream)
        stream.synchronize()
        assert (found[-1000:] == value).all()
        assert (found == segment).all()
    if registered.address is not None:  # the device sees the memory itself
        gpu.download(found, registered.address, stream)
        stream.synchronize()
        assert (found == segment).all()
    for one in (registered, device, stream):
        one.free()
    gpu.register(segment).free()  # again: it is ordinary memory now


def test_memory_that_may_only_be_read(gpu: Gpu) -> None:
    whole = np.full(8192, 5, np.uint8)
    whole.flags.writeable = False
    if not gpu.facts.registers_read_only:
        pytest.skip(f"{gpu.facts} page-locks only memory that may be written")
    registered = gpu.register(whole)
    assert not registered.array.flags.writeable
    registered.free()


def test_it_can_be_entered_again(any_gpu: Gpu) -> None:
    for _ in range(3):
        with any_gpu as gpu:
            stream = gpu.stream()
            stream.synchronize()
            stream.free()


def test_leaving_after_an_error(any_gpu: Gpu) -> None:
    with pytest.raises(ZeroDivisionError), any_gpu:
        raise ZeroDivisionError
    with any_gpu as gpu:
        gpu.event().free()
