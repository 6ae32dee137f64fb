"""Memory of batches: page-locked in this process, and on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpipeline.cuda.driver import Address, Bytes, DeviceMemory, Gpu, HostMemory
from mpipeline.errors import BackendError
from mpipeline.tensor import Tensor


@dataclass(frozen=True, slots=True)
class PageLocked:
    """A piece of page-locked memory; `address` is where the device sees it, None if it does not."""

    bytes: Bytes
    address: Address | None


class Buffer:
    """Memory for one input or output of one lane: a place on the device, and one here from or to which is copied.

    An integrated GPU sees memory of this process, and needs no other.
    """

    def __init__(self) -> None:
        self._host: HostMemory | None = None
        self._device: DeviceMemory | None = None
        self._host_size = self._device_size = 0

    def grow(self, gpu: Gpu, size: int, *, staged: bool = True) -> None:
        """Makes sure that `size` bytes fit; what was in there is lost. Not `staged`: the place here is not needed."""
        if staged and (self._host is None or size > self._host_size):
            self._free_host()
            self._host, self._host_size = gpu.allocate_host(max(1, size)), size
        elif not (staged or gpu.facts.integrated):
            self._free_host()
        seen = self._host is not None and self._host.address is not None and size <= self._host_size
        if gpu.facts.integrated and seen:
            self._free_device()
            return
        if self._device is None or size > self._device_size:
            self._free_device()
            self._device, self._device_size = gpu.allocate(max(1, size)), size

    @property
    def is_mapped(self) -> bool:
        """Whether the two places are one."""
        return self._device is None

    @property
    def address(self) -> Address:
        """Where the device has it."""
        if self._device is not None:
            return self._device.address
        if self._host is None or self._host.address is None:
            raise BackendError("memory of the GPU was used before there was any")
        return self._host.address

    def staged(self, size: int) -> PageLocked:
        """The first `size` bytes here."""
        if self._host is None:
            raise BackendError("page-locked memory was used before there was any")
        return PageLocked(self._host.array[:size], self._host.address)

    def free(self) -> None:
        """Gives both back; harmless when repeated."""
        self._free_device()
        self._free_host()

    def _free_device(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.free()

    def _free_host(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.free()


class InputMemory:
    """Page-locked arrays for whoever makes the inputs, which go up from where they lie."""

    def __init__(self) -> None:
        self._blocks: list[HostMemory] = []

    def allocate(self, gpu: Gpu, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """An array of zeros; not to be touched after `free`."""
        size = math.prod(shape) * dtype.itemsize
        block = gpu.allocate_host(max(1, size))
        self._blocks.append(block)
        block.array[:] = 0
        array: Tensor = block.array[:size].view(dtype).reshape(shape)
        return array

    def find(self, array: Tensor) -> PageLocked | None:
        """The memory of the array, if it is contiguous and lies in here."""
        if not array.flags.c_contiguous or not self._blocks:
            return None
        begin = array.ctypes.data
        for block in self._blocks:
            offset = begin - block.array.ctypes.data
            if 0 <= offset <= block.array.nbytes - array.nbytes:
                address = None if block.address is None else block.address + offset
                return PageLocked(block.array[offset : offset + array.nbytes], address)
        return None

    def free(self) -> None:
        """Gives all of it back."""
        blocks, self._blocks = self._blocks, []
        for block in blocks:
            block.free()
