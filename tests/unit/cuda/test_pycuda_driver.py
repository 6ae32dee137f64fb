"""The CUDA interface over pycuda: what it is asked for, in which order and with which flags; tests/gpu has the rest.

pycuda is a module of the tests' own here, with the signatures of pycuda 2026.1.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpipeline.cuda import pycuda_driver
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.cuda.pycuda_driver import PyCudaGpu, open_gpu
from mpipeline.errors import BackendError, MissingDependency

FACTS = DeviceFacts(1, "L4", (8, 9), False, 1 << 34, (12, 6), True, True)


_MAKES = ("Stream", "Event", "mem_alloc", "module_from_buffer")


class Error(Exception):
    """pycuda.driver.Error"""


@dataclass
class Owned:
    """Something of pycuda's that tells of its end, which comes with the last reference to it."""

    calls: list[Any]
    name: str
    address: int = 0x1000
    handle: int = 77

    def __int__(self) -> int:
        return self.address

    def __del__(self) -> None:
        self.calls.append(f"~{self.name}")

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append((f"{self.name}.{method}", *arguments, *more.values()))
            return 0x9000 if method == "get_device_pointer" else True

        return call


class Array(np.ndarray):
    """An array of pycuda's: its base is the object that owns the memory."""

    base: Any = None


@dataclass
class FakePyCuda:
    """The module pycuda.driver; a name in `fails` raises."""

    calls: list[Any] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    library: Any = None
    Error = Error
    event_flags = SimpleNamespace(DISABLE_TIMING=2, BLOCKING_SYNC=1)

    def __post_init__(self) -> None:
        self.library = Library(self)

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append((name, *arguments, *more.values()))
            if name in self.fails:
                raise Error(f"{name} failed: out of memory")
            if name == "Device":
                return SimpleNamespace(retain_primary_context=lambda: Owned(self.calls, "context"))
            if name == "pagelocked_empty":
                array = np.zeros(*arguments).view(Array)
                array.base = Owned(self.calls, "host")
                return array
            return Owned(self.calls, name.lower()) if name in _MAKES else None

        return call


class Library:
    """The driver below it: notes which function was called, with the numbers that it was given."""

    def __init__(self, cuda: FakePyCuda) -> None:
        self._cuda = cuda

    def call(self, name: str, *arguments: Any) -> None:
        told = [getattr(one, "value", one) for one in arguments]
        self._cuda.calls.append((name, *(one for one in told if isinstance(one, int))))
        if name in self._cuda.fails:
            raise BackendError(f"the NVIDIA driver fails at {name}: out of memory")
        if name == "cuMemHostGetDevicePointer_v2":
            arguments[0]._obj.value = 0x9000


@pytest.fixture
def cuda() -> FakePyCuda:
    return FakePyCuda()


def test_the_context_is_pushed_and_popped_on_every_way_out(cuda: FakePyCuda) -> None:
    gpu = PyCudaGpu(cuda, cuda.library, FACTS)
    with gpu:
        assert cuda.calls == [("init",), ("Device", 1), ("context.push",)]
        with pytest.raises(BackendError, match="entered already"):
            gpu.__enter__()
    with pytest.raises(ZeroDivisionError), gpu:
        raise ZeroDivisionError
    left = [("context.pop",), ("context.detach",), ("cuCtxPopCurrent_v2",), "~context"]
    assert [one for one in cuda.calls if one not in (("init",), ("Device", 1))] == [("context.push",), *left] * 2
    cuda.fails = {"init"}
    with pytest.raises(BackendError, match=r"GPU 1 \(L4, compute capability 8.9\) cannot be used: init failed"), gpu:
        raise AssertionError("it was entered")


def test_streams_and_events(cuda: FakePyCuda) -> None:
    with PyCudaGpu(cuda, cuda.library, FACTS) as gpu:
        stream, event = gpu.stream(), gpu.event()
        assert cuda.calls[-2:] == [("Stream", 1), ("Event", 3)]  # not blocking; without times, sleeping
        assert stream.handle == 77
        event.record(stream)
        name, recorded_in = cuda.calls[-1]
        assert (name, recorded_in.name) == ("event.record", "stream")
        stream.wait(event)
        name, waited_for = cuda.calls[-1]
        assert (name, waited_for.name) == ("stream.wait_for_event", "event")
        del recorded_in, waited_for
        assert event.query() is True
        event.free()
        event.free()
        with pytest.raises(BackendError, match="event of the GPU was used after it was freed"):
            event.query()
        stream.free()
        stream.free()


def test_memory_on_the_device(cuda: FakePyCuda) -> None:
    with PyCudaGpu(cuda, cuda.library, FACTS) as gpu:
        stream, memory = gpu.stream(), gpu.allocate(100)
        assert (memory.address, memory.size) == (0x1000, 100)
        values = np.arange(10, dtype=np.uint8)
        gpu.upload(memory.address, values, stream)
        name, target, source, _ = cuda.calls[-1]
        assert (name, target, source is values) == ("memcpy_htod_async", 0x1000, True)
        gpu.download(values, memory.address + 5, stream)
        name, target, source, _ = cuda.calls[-1]
        assert (name, target is values, source) == ("memcpy_dtoh_async", True, 0x1005)
        gpu.fill(memory.address, 255, 7, stream)
        assert cuda.calls[-1][:4] == ("memset_d8_async", 0x1000, 255, 7)
        memory.free()
        memory.free()
        assert cuda.calls.count(("mem_alloc.free",)) == 1
        cuda.fails = {"mem_alloc"}
        with pytest.raises(BackendError, match="cannot allocate 50 bytes: mem_alloc failed: out of memory"):
            gpu.allocate(50)


def test_page_locked_memory(cuda: FakePyCuda) -> None:
    with PyCudaGpu(cuda, cuda.library, FACTS) as gpu:
        made = gpu.allocate_host(100)
        assert cuda.calls[-2:] == [("pagelocked_empty", 100, np.uint8, 2), ("host.get_device_pointer",)]  # mapped
        assert (made.array.shape, made.address) == ((100,), 0x9000)
        made.free()
        made.free()
        assert cuda.calls.count(("host.free",)) == 1
        assert made.address is None
        for writable, flags in ((True, 2), (False, 10)):  # mapped; and read-only
            memory = np.zeros(4096, np.uint8)
            memory.flags.writeable = writable
            registered = gpu.register(memory)
            address = memory.ctypes.data
            assert cuda.calls[-2] == ("cuMemHostRegister_v2", address, 4096, flags)
            assert registered.array is memory
            assert registered.address == 0x9000
            registered.free()
            assert cuda.calls[-1] == ("cuMemHostUnregister", address)
        for name in ("cuMemHostRegister_v2", "cuMemHostGetDevicePointer_v2"):
            cuda.fails = {name}
            cuda.calls.clear()
            with pytest.raises(BackendError, match=r"cannot page-lock 4096 bytes of this process: .*out of memory"):
                gpu.register(memory)
            assert (("cuMemHostUnregister", address) in cuda.calls) == (name != "cuMemHostRegister_v2")


def test_memory_is_freed_whatever_has_become_of_the_gpu(cuda: FakePyCuda) -> None:
    with PyCudaGpu(cuda, cuda.library, FACTS) as gpu:
        registered = gpu.register(np.zeros(4096, np.uint8))
        cuda.fails = {"cuMemHostUnregister"}
        registered.free()
        assert registered.address is None


def test_a_kernel_is_given_its_arguments_as_they_are(cuda: FakePyCuda) -> None:
    with PyCudaGpu(cuda, cuda.library, FACTS) as gpu:
        stream, module = gpu.stream(), gpu.module(bytearray(b".version 6.3"))  # type: ignore[arg-type]
        assert cuda.calls[-1] == ("module_from_buffer", b".version 6.3")
        module_native: Any = module
        module_native.native.get_function = lambda name: Owned(cuda.calls, name)
        function = module.function("resize")
        arguments = (np.uint64(1 << 40), np.int32(-3), np.uint32(4), np.float32(0.5), np.float64(2))
        gpu.launch(function, (4, 2, 1), (32, 8, 1), arguments, stream)
        assert cuda.calls[-2] == ("resize.prepare", "LiIfd")
        name, grid, block, _, *given = cuda.calls[-1]
        assert (name, grid, block) == ("resize.prepared_async_call", (4, 2, 1), (32, 8, 1))
        assert given == [1 << 40, -3, 4, 0.5, 2.0]
        assert not any(isinstance(one, np.generic) for one in given)


def test_without_pycuda(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("pycuda") is not None:
        pytest.skip("pycuda is installed here")
    monkeypatch.setattr(pycuda_driver, "device", lambda index: FACTS)
    with pytest.raises(MissingDependency, match=r"needs pycuda.*pip install 'mpipeline\[tensorrt\]'"):
        open_gpu(0)
