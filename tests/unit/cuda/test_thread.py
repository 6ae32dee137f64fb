"""The thread that works on a GPU: all work is its own, several pieces are under way, and nobody waits in vain."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from support.leftovers import wait_until
from support.simulated_gpu import SimulatedGpu

from mpipeline.cuda.driver import Event
from mpipeline.cuda.thread import GpuThread
from mpipeline.errors import BackendError


@pytest.fixture
def gpu() -> Iterator[SimulatedGpu]:
    simulated = SimulatedGpu()
    yield simulated
    assert simulated.misuses == []
    assert not [thread for thread in threading.enumerate() if thread.name == "gpu"]


class Filler:
    """Fills a byte on the GPU and brings it down."""

    def __init__(self, gpu: SimulatedGpu, value: int) -> None:
        self._value = value
        self.stream, self.event = gpu.stream(), gpu.event()
        self._device, self._host = gpu.allocate(1), gpu.allocate_host(1)

    @property
    def found(self) -> int:
        return int(self._host.array[0])

    def enqueue(self, gpu: SimulatedGpu) -> Event:
        gpu.fill(self._device.address, self._value, 1, self.stream)
        gpu.download(self._host.array, self._device.address, self.stream)
        self.event.record(self.stream)
        return self.event  # type: ignore[return-value]

    def free(self) -> None:
        for one in (self._device, self._host, self.event, self.stream):
            one.free()


def test_it_works_on_a_thread_of_its_own(gpu: SimulatedGpu) -> None:
    thread = GpuThread(lambda: gpu)
    assert thread.call(lambda entered: entered) is gpu
    assert thread.call(lambda _: threading.current_thread().name) == "gpu"
    thread.close()
    thread.close()
    with pytest.raises(BackendError, match="the GPU was left"):
        thread.call(lambda _: None)


def test_what_cannot_be_opened_or_entered_is_told(gpu: SimulatedGpu) -> None:
    def refuses() -> SimulatedGpu:
        raise BackendError("there is no GPU")

    with pytest.raises(BackendError, match="there is no GPU"):
        GpuThread(refuses)
    gpu.fails["enter"] = 1
    with pytest.raises(BackendError, match="enter failed"):
        GpuThread(lambda: gpu)


def test_an_error_harms_nothing_else(gpu: SimulatedGpu) -> None:
    thread = GpuThread(lambda: gpu)
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        thread.finish(lambda _: 1 // 0)
    filler = thread.call(lambda entered: Filler(entered, 3))
    thread.finish(filler.enqueue)
    assert filler.found == 3
    thread.call(lambda _: filler.free())
    thread.close()


def test_several_are_under_way_at_once(gpu: SimulatedGpu) -> None:
    """The second is put into its stream while the GPU is still at the first."""
    thread = GpuThread(lambda: gpu, at_once=2)
    fillers = [thread.call(lambda entered, value=value: Filler(entered, value)) for value in (4, 5)]
    gpu.go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(thread.finish, fillers[0].enqueue)
        wait_until(lambda: gpu.most_busy == 1, "work in the streams")
        second = pool.submit(thread.finish, fillers[1].enqueue)
        wait_until(lambda: gpu.most_busy == 2, "work in the streams")
        assert not first.done()
        assert not second.done()
        gpu.go.set()
        first.result(30)
        second.result(30)
    assert [one.found for one in fillers] == [4, 5]
    thread.call(lambda _: [one.free() for one in fillers])
    thread.close()


def test_many_rounds_of_many_threads(gpu: SimulatedGpu) -> None:
    thread = GpuThread(lambda: gpu, at_once=3)

    def work(value: int) -> bool:
        right = True
        filler = thread.call(lambda entered: Filler(entered, value))
        for _ in range(200):
            thread.finish(filler.enqueue)
            right = right and filler.found == value
        thread.call(lambda _: filler.free())
        return right

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, (7, 8, 9)))
    thread.close()


def test_what_fails_on_the_gpu_is_told_to_who_waits(gpu: SimulatedGpu) -> None:
    thread = GpuThread(lambda: gpu, at_once=2)
    filler = thread.call(lambda entered: Filler(entered, 1))
    gpu.broken = "an illegal memory access was encountered"
    with pytest.raises(BackendError, match="illegal memory access"):
        thread.finish(filler.enqueue)
    gpu.broken = ""
    thread.call(lambda _: filler.stream.synchronize())
    thread.call(lambda _: filler.free())
    thread.close()


def test_of_one_stream_the_earlier_event_is_told_first(gpu: SimulatedGpu) -> None:
    """Also of two that are found to be past in the same look."""
    thread = GpuThread(lambda: gpu, at_once=2)
    stream, *events = thread.call(lambda entered: (entered.stream(), entered.event(), entered.event()))
    told: list[int] = []

    def put(_: object) -> None:
        for number, event in enumerate(events):
            event.record(stream)
            thread.when(event, lambda _, number=number: told.append(number))  # type: ignore[misc]
        stream.synchronize()

    thread.call(put)
    wait_until(lambda: len(told) == 2, "both are told")
    assert told == [0, 1]
    thread.call(lambda _: [one.free() for one in (*events, stream)])
    thread.close()


def test_what_cannot_be_told_keeps_nobody_waiting(gpu: SimulatedGpu, caplog: pytest.LogCaptureFixture) -> None:
    thread = GpuThread(lambda: gpu)
    filler = thread.call(lambda entered: Filler(entered, 2))

    def work(entered: SimulatedGpu) -> Event:
        done = filler.enqueue(entered)
        thread.when(done, lambda _: 1 // 0)
        return done

    for _ in range(2):
        thread.finish(work)
    assert caplog.text.count("what was done with the GPU cannot be told") == 2
    assert filler.found == 2
    thread.call(lambda _: filler.free())
    thread.close()


def test_what_work_that_raises_was_to_be_told_is_its_error(gpu: SimulatedGpu) -> None:
    """And not that an event is past of which nothing came."""
    thread = GpuThread(lambda: gpu)
    filler = thread.call(lambda entered: Filler(entered, 2))
    told: list[BaseException | None] = []

    def work(entered: SimulatedGpu) -> Event:
        thread.when(filler.enqueue(entered), told.append)
        filler.stream.synchronize()
        raise BackendError("no room behind it")

    with pytest.raises(BackendError, match="no room behind it"):
        thread.finish(work)
    assert [str(error) for error in told] == ["no room behind it"]
    thread.call(lambda _: filler.free())
    thread.close()


def test_what_was_handed_in_goes_with_the_error(gpu: SimulatedGpu) -> None:
    """Pixels of a ring may hang on it: they do not wait for a garbage collection."""
    thread = GpuThread(lambda: gpu)

    class Pixels:
        pass

    def fail(pixels: Pixels) -> weakref.ref[Pixels]:
        with suppress(ZeroDivisionError):
            thread.finish(lambda _: (pixels, 1 // 0))  # type: ignore[arg-type, return-value]
        return weakref.ref(pixels)

    gc.collect()
    gc.disable()
    try:
        left = fail(Pixels())
        wait_until(lambda: left() is None, "nothing holds what was handed in")
    finally:
        gc.enable()
    thread.close()


def test_closing_waits_for_what_is_under_way(gpu: SimulatedGpu) -> None:
    thread = GpuThread(lambda: gpu, at_once=2)
    filler = thread.call(lambda entered: Filler(entered, 6))
    gpu.go.clear()
    with ThreadPoolExecutor(2) as pool:
        work = pool.submit(thread.finish, filler.enqueue)
        wait_until(lambda: gpu.most_busy == 1, "work in the stream")
        closing = pool.submit(thread.close)
        gpu.go.set()
        work.result(30)
        closing.result(30)
    assert filler.found == 6
    assert gpu.misuses == ["left behind: stream, event, device, page-locked"]
    gpu.misuses.clear()
