"""The CUDA driver through pycuda; nothing else in the project imports it.

pycuda frees a stream, an event or a module with the last reference to it, and only on the thread and in the context of
its birth; so every object here holds the one reference, and `free` drops it. Memory that exists is registered with the
driver directly: pycuda would set the base of an array twice, which NumPy refuses, and would hold the GIL meanwhile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from mpipeline.cuda.driver import Address, Bytes, DeviceFacts, DeviceMemory, Event, Function, HostMemory, Module, Stream
from mpipeline.cuda.library import DriverLibrary
from mpipeline.cuda.probe import device
from mpipeline.errors import BackendError, MissingDependency

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: pycuda has no names for the flags of streams
_MAPPED = 2  # CU_MEMHOSTALLOC_DEVICEMAP, and CU_MEMHOSTREGISTER_DEVICEMAP
_READ_ONLY = 8  # CU_MEMHOSTREGISTER_READ_ONLY: nor for this one


def open_gpu(index: int = 0) -> PyCudaGpu:
    """The GPU of that number, to be entered. The driver is asked before pycuda is imported.

    Raises BackendError if there is no driver or no such GPU, MissingDependency if pycuda is not installed.
    """
    facts = device(index)
    try:
        import pycuda.driver as cuda
    except ModuleNotFoundError as error:
        raise MissingDependency("pycuda", "tensorrt", "computing on a GPU") from error
    except ImportError as error:
        remedy = "pip install --force-reinstall --no-binary :all: --no-deps pycuda builds it for this driver"
        raise BackendError(f"pycuda is installed, but does not load: {error}; {remedy}") from error
    return PyCudaGpu(cuda, DriverLibrary(), facts)


class PyCudaGpu:
    """As `driver.Gpu`; `cuda` is the module pycuda.driver, `driver` the library below it."""

    def __init__(self, cuda: Any, driver: DriverLibrary, facts: DeviceFacts) -> None:
        self._cuda = cuda
        self._driver = driver
        self._facts = facts
        self._context: Any = None

    @property
    def facts(self) -> DeviceFacts:
        return self._facts

    def __enter__(self) -> PyCudaGpu:
        if self._context is not None:
            raise BackendError(f"{self._facts} is entered already")
        with self._errors("cannot be used"):
            self._cuda.init()
            context = self._cuda.Device(self._facts.index).retain_primary_context()
            context.push()
        self._context = context
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.pop()  # left on the thread, it would make pycuda abort the process at its end
            context.detach()  # by itself, it would be detached as one that it is not, and stay
            with suppress(BackendError):
                self._driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))  # detaching has pushed it

    def stream(self) -> Stream:
        with self._errors("cannot make a stream"):
            return _Stream(self._cuda.Stream(_NON_BLOCKING), self._errors)

    def event(self) -> Event:
        flags = self._cuda.event_flags
        with self._errors("cannot make an event"):
            return _Event(self._cuda.Event(flags.DISABLE_TIMING | flags.BLOCKING_SYNC), self._errors)

    def allocate(self, size: int) -> DeviceMemory:
        with self._errors(f"cannot allocate {size} bytes"):
            return _DeviceMemory(self._cuda.mem_alloc(max(1, size)), size)

    def allocate_host(self, size: int) -> HostMemory:
        with self._errors(f"cannot allocate {size} bytes of page-locked memory"):
            array = self._cuda.pagelocked_empty(max(1, size), np.uint8, mem_flags=_MAPPED)
            return _HostMemory(array[:size], int(array.base.get_device_pointer()), array.base.free)

    def register(self, memory: Bytes) -> HostMemory:
        flags = _MAPPED if memory.flags.writeable else _MAPPED | _READ_ONLY
        address, seen = ctypes.c_void_p(memory.ctypes.data), ctypes.c_uint64()
        try:
            self._driver.call("cuMemHostRegister_v2", address, ctypes.c_size_t(memory.nbytes), flags)
            try:
                self._driver.call("cuMemHostGetDevicePointer_v2", ctypes.byref(seen), address, 0)
            except BackendError:
                self._unregister(address)
                raise
        except BackendError as error:
            raise BackendError(
                f"{self._facts} cannot page-lock {memory.nbytes} bytes of this process: {error}"
            ) from error
        return _HostMemory(memory, seen.value, partial(self._unregister, address))

    def upload(self, target: Address, source: Bytes, stream: Stream) -> None:
        if source.nbytes:
            with self._errors(f"cannot upload {source.nbytes} bytes"):
                self._cuda.memcpy_htod_async(target, source, _native(stream))

    def download(self, target: Bytes, source: Address, stream: Stream) -> None:
        if target.nbytes:
            with self._errors(f"cannot download {target.nbytes} bytes"):
                self._cuda.memcpy_dtoh_async(target, source, _native(stream))

    def fill(self, target: Address, value: int, size: int, stream: Stream) -> None:
        if size:
            with self._errors(f"cannot fill {size} bytes"):
                self._cuda.memset_d8_async(target, value, size, _native(stream))

    def module(self, ptx: bytes) -> Module:
        with self._errors("does not take the code"):
            return _Module(self._cuda.module_from_buffer(bytes(ptx)), self._errors)

    def launch(
        self,
        function: Function,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        arguments: Sequence[np.generic],
        stream: Stream,
    ) -> None:
        kernel = _native(function)
        with self._errors("cannot launch a kernel"):
            kernel.prepare("".join(argument.dtype.char for argument in arguments))
            kernel.prepared_async_call(grid, block, _native(stream), *(argument.item() for argument in arguments))

    def _unregister(self, address: ctypes.c_void_p) -> None:
        with suppress(BackendError):  # of a GPU that has failed; pycuda keeps that to itself too, of what it frees
            self._driver.call("cuMemHostUnregister", address)

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """What pycuda raises, as one of ours."""
        try:
            yield
        except self._cuda.Error as error:
            raise BackendError(f"{self._facts} {what}: {error}") from error


_Errors = Callable[[str], Any]


def _native(wrapped: Any) -> Any:
    """pycuda's own object behind one of ours."""
    if wrapped.native is None:
        raise BackendError(f"a {type(wrapped).__name__.strip('_').lower()} of the GPU was used after it was freed")
    return wrapped.native


class _Stream:
    def __init__(self, native: Any, errors: _Errors) -> None:
        self.native = native
        self._errors = errors

    @property
    def handle(self) -> int:
        return int(_native(self).handle)

    def wait(self, event: Event) -> None:
        with self._errors("cannot wait for an event"):
            _native(self).wait_for_event(_native(event))

    def synchronize(self) -> None:
        with self._errors("fails in a stream"):
            _native(self).synchronize()

    def free(self) -> None:
        self.native = None


class _Event:
    def __init__(self, native: Any, errors: _Errors) -> None:
        self.native = native
        self._errors = errors

    def record(self, stream: Stream) -> None:
        with self._errors("cannot record an event"):
            _native(self).record(_native(stream))

    def query(self) -> bool:
        with self._errors("fails before an event"):
            return bool(_native(self).query())

    def synchronize(self) -> None:
        with self._errors("fails before an event"):
            _native(self).synchronize()

    def free(self) -> None:
        self.native = None


class _DeviceMemory:
    def __init__(self, native: Any, size: int) -> None:
        self.native = native
        self.size = size

    @property
    def address(self) -> Address:
        return int(_native(self))

    def free(self) -> None:
        native, self.native = self.native, None
        if native is not None:
            native.free()


class _HostMemory:
    def __init__(self, array: Bytes, address: Address, release: Callable[[], object]) -> None:
        self.array = array
        self.address: Address | None = address or None
        self._release: Callable[[], object] | None = release

    def free(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            self.array = np.empty(0, np.uint8)
            self.address = None
            release()


class _Module:
    def __init__(self, native: Any, errors: _Errors) -> None:
        self.native = native
        self._errors = errors

    def function(self, name: str) -> Function:
        with self._errors(f"has no kernel {name} in its code"):
            return _Function(_native(self).get_function(name))

    def free(self) -> None:
        self.native = None


class _Function:
    def __init__(self, native: Any) -> None:
        self.native = native
