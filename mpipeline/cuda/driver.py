"""The CUDA driver as this project sees it: a GPU, and what lives on it, behind protocols that hide the driver library.

One thread enters a GPU, makes, uses and frees everything on it, and leaves it again:

    with open_gpu(0) as gpu:                # mpipeline.cuda.pycuda_driver
        stream, done = gpu.stream(), gpu.event()
        there = gpu.allocate(here.nbytes)
        gpu.upload(there.address, here, stream)
        done.record(stream)
        done.synchronize()
        there.free(), done.free(), stream.free()

An object of a GPU is freed once, on that thread, after the work that uses it is done; that does not fail, whatever has
become of the GPU. Page-locked memory itself may be touched by any thread. Errors are BackendError with what CUDA says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
"""Host memory: one-dimensional, contiguous."""

Address = int
"""A place in device memory. An offset in bytes may be added."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a GPU is. `integrated`: it shares its memory with the CPU, as on Jetson.

    `driver_version` is the highest CUDA version that the driver knows: (12, 6). `registers` says whether memory of this
    process can be page-locked for it, `registers_read_only` whether also where this process may only read.
    """

    index: int
    name: str
    compute_capability: tuple[int, int]
    integrated: bool
    total_bytes: int
    driver_version: tuple[int, int]
    registers: bool = True
    registers_read_only: bool = False

    def __str__(self) -> str:
        major, minor = self.compute_capability
        return f"GPU {self.index} ({self.name}, compute capability {major}.{minor})"


class Event(Protocol):
    """A mark in a stream. It tells no times."""

    def record(self, stream: Stream) -> None:
        """Sets the mark behind all that is in the stream now; an earlier mark is forgotten."""

    def query(self) -> bool:
        """Whether the work before the mark is done. Raises what went wrong there."""

    def synchronize(self) -> None:
        """Waits until the work before the mark is done, without burning the processor, and without the GIL."""

    def free(self) -> None:
        """Gives it back."""


class Stream(Protocol):
    """Work that is done in its order; that of several streams may overlap."""

    @property
    def handle(self) -> int:
        """The driver's own handle, for libraries that put work into it."""

    def wait(self, event: Event) -> None:
        """What comes later in this stream begins after the event's mark."""

    def synchronize(self) -> None:
        """Waits until all work in it is done, without the GIL. Raises what went wrong there."""

    def free(self) -> None:
        """Gives it back."""


class DeviceMemory(Protocol):
    """A piece of device memory, aligned to 256 bytes at least; what it holds at first is anything."""

    @property
    def address(self) -> Address: ...

    @property
    def size(self) -> int:
        """In bytes."""

    def free(self) -> None:
        """Gives it back. No stream may have work left that uses it."""


class HostMemory(Protocol):
    """Page-locked memory of this process, which copies go to and from by themselves while the processor goes on.

    `address` is where the device sees it; None if it does not.
    """

    @property
    def array(self) -> Bytes:
        """The memory; read-only where that was registered. Not to be touched after `free`."""

    @property
    def address(self) -> Address | None: ...

    def free(self) -> None:
        """Gives it back, or lets registered memory be ordinary memory again. No stream may be using it."""


class Function(Protocol):
    """A kernel of a module, for `Gpu.launch`."""


class Module(Protocol):
    """Loaded code."""

    def function(self, name: str) -> Function:
        """The kernel of that name. Raises BackendError if there is none."""

    def free(self) -> None:
        """Unloads the code; its functions are of no use any more."""


class Gpu(Protocol):
    """One GPU through its primary context, which libraries in the same process share: TensorRT among them.

    A context manager, entered by the thread that uses it, once. Leaving takes the context from the thread on every way
    out, and forgets what was not freed.
    """

    @property
    def facts(self) -> DeviceFacts: ...

    def __enter__(self) -> Gpu: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stream(self) -> Stream:
        """A new stream, which does not wait for the default stream."""

    def event(self) -> Event:
        """A new event, which counts as done until it is recorded."""

    def allocate(self, size: int) -> DeviceMemory:
        """`size` bytes of device memory. Raises BackendError if there is not so much left."""

    def allocate_host(self, size: int) -> HostMemory:
        """`size` bytes of page-locked memory, mapped for the device where it can be."""

    def register(self, memory: Bytes) -> HostMemory:
        """Page-locks memory that exists, whole pages of it: a mapped segment. Raises BackendError if that is refused.

        Read-only memory is registered as such; see `DeviceFacts` for what a device takes. The array of the result looks
        at the same memory, which must stay mapped until it is freed.
        """

    def upload(self, target: Address, source: Bytes, stream: Stream) -> None:
        """Copies to the device, in the stream. `source` must not change or go away before that is done.

        The call may wait for the copy if `source` is not page-locked.
        """

    def download(self, target: Bytes, source: Address, stream: Stream) -> None:
        """Copies `target.nbytes` bytes from the device, in the stream; as `upload`."""

    def fill(self, target: Address, value: int, size: int, stream: Stream) -> None:
        """Sets `size` bytes to `value` (0 to 255), in the stream."""

    def module(self, ptx: bytes) -> Module:
        """Loads code, compiled by the driver for this GPU. Raises BackendError with what the driver says."""

    def launch(
        self,
        function: Function,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        arguments: Sequence[np.generic],
        stream: Stream,
    ) -> None:
        """Runs a kernel, in the stream, without dynamic shared memory.

        An argument is a NumPy scalar of just the parameter's type: `np.int32(3)`, `np.float32(0.5)`, and for a pointer
        `np.uint64(address)`.
        """
