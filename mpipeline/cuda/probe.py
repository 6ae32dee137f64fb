"""Asks the NVIDIA driver which GPUs are there, before any library is loaded that would crash where there are none.

That takes no context, and no memory on a GPU.
"""

from __future__ import annotations

import ctypes

from mpipeline.cuda.driver import DeviceFacts
from mpipeline.cuda.library import DRIVER_LIBRARY, DriverLibrary
from mpipeline.errors import BackendError, NoDevice

__all__ = ["DRIVER_LIBRARY", "device", "devices"]

_NAME_BYTES = 256

# CUdevice_attribute of cuda.h
_INTEGRATED = 18
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_REGISTERS = 99
_REGISTERS_READ_ONLY = 113


def devices(library: str = DRIVER_LIBRARY) -> tuple[DeviceFacts, ...]:
    """All GPUs, at least one. Raises NoDevice, or BackendError where a driver does not work; both say what helps."""
    driver = DriverLibrary(library)
    version = driver.number("cuDriverGetVersion")
    versions = (version // 1000, version % 1000 // 10)
    return tuple(_facts(driver, index, versions) for index in range(driver.number("cuDeviceGetCount")))


def device(index: int, library: str = DRIVER_LIBRARY) -> DeviceFacts:
    """The GPU of that number, from 0. Raises as `devices` does, and NoDevice if there is none of that number."""
    found = devices(library)
    if not 0 <= index < len(found):
        raise NoDevice(f"there is no GPU {index}: there are {len(found)}, numbered from 0 ({found[0].name}, …)")
    return found[index]


def _facts(driver: DriverLibrary, index: int, driver_version: tuple[int, int]) -> DeviceFacts:
    handle = driver.number("cuDeviceGet", index)
    name, total = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_size_t()
    driver.call("cuDeviceGetName", name, _NAME_BYTES, handle)
    driver.call("cuDeviceTotalMem_v2", ctypes.byref(total), handle)

    def attribute(number: int) -> int:
        try:
            return driver.number("cuDeviceGetAttribute", number, handle)
        except BackendError:  # a driver that is older than the attribute
            return 0

    return DeviceFacts(
        index,
        name.value.decode(errors="replace"),
        (attribute(_CAPABILITY_MAJOR), attribute(_CAPABILITY_MINOR)),
        bool(attribute(_INTEGRATED)),
        total.value,
        driver_version,
        bool(attribute(_REGISTERS)),
        bool(attribute(_REGISTERS_READ_ONLY)),
    )
