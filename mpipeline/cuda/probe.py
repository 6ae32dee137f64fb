"""Asks the NVIDIA driver which GPUs are there, before any library is loaded that would crash where there are none.

The driver is asked directly, which takes no context and no memory on a GPU.
"""

from __future__ import annotations

import ctypes
from typing import Any

from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import BackendError, NoDevice

DRIVER_LIBRARY = "libcuda.so.1"

_NO_DRIVER = (
    "there is no NVIDIA driver: {library} does not load ({reason}); install the driver until nvidia-smi lists a GPU, "
    "and start a container with --gpus all (Jetson: --runtime nvidia)"
)
_NO_DEVICE = "the NVIDIA driver is there, but sees no GPU; nvidia-smi must list one, and CUDA_VISIBLE_DEVICES allow it"
_REMEDIES = {
    34: "this is the toolkit's stand-in for the driver; install the NVIDIA driver, or take stubs/ off LD_LIBRARY_PATH",
    802: "the system is not ready; start nvidia-fabricmanager, which servers with NVSwitch need",
    803: "driver and its library are of different versions; restart the machine after an update of the driver",
    804: "the compatibility package of CUDA does not work with this GPU; take it off LD_LIBRARY_PATH",
    999: "the driver does not work; restart the machine, or see dmesg for what its kernel module says",
}
_NO_DEVICES = 100  # CUDA_ERROR_NO_DEVICE
_NAME_BYTES = 256

# CUdevice_attribute of cuda.h
_INTEGRATED = 18
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_REGISTERS = 99
_REGISTERS_READ_ONLY = 113


def devices(library: str = DRIVER_LIBRARY) -> tuple[DeviceFacts, ...]:
    """All GPUs, at least one. Raises NoDevice, or BackendError where a driver does not do; both say what helps."""
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise NoDevice(_NO_DRIVER.format(library=library, reason=error)) from error
    code = driver.cuInit(0)
    if code == _NO_DEVICES:
        raise NoDevice(_NO_DEVICE)
    if code:
        raise BackendError(f"the NVIDIA driver does not start: {_reason(driver, code)}")
    count, version = ctypes.c_int(), ctypes.c_int()
    _ask(driver, "cuDeviceGetCount", ctypes.byref(count))
    _ask(driver, "cuDriverGetVersion", ctypes.byref(version))
    if not count.value:
        raise NoDevice(_NO_DEVICE)
    versions = (version.value // 1000, version.value % 1000 // 10)
    return tuple(_facts(driver, index, versions) for index in range(count.value))


def device(index: int, library: str = DRIVER_LIBRARY) -> DeviceFacts:
    """The GPU of that number, from 0. Raises BackendError as `devices` does, and if there is none of that number."""
    found = devices(library)
    if not 0 <= index < len(found):
        raise NoDevice(f"there is no GPU {index}: there are {len(found)}, numbered from 0 ({found[0].name}, …)")
    return found[index]


def _facts(driver: Any, index: int, driver_version: tuple[int, int]) -> DeviceFacts:
    handle, total = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _ask(driver, "cuDeviceGet", ctypes.byref(handle), index)
    _ask(driver, "cuDeviceGetName", name, _NAME_BYTES, handle)
    _ask(driver, "cuDeviceTotalMem_v2", ctypes.byref(total), handle)

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        known = driver.cuDeviceGetAttribute(ctypes.byref(value), number, handle) == 0  # older drivers know fewer
        return value.value if known else 0

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


def _ask(driver: Any, name: str, *arguments: Any) -> None:
    code = getattr(driver, name)(*arguments)
    if code:
        raise BackendError(f"the NVIDIA driver fails at {name}: {_reason(driver, code)}")


def _reason(driver: Any, code: int) -> str:
    text = ctypes.c_char_p()
    if driver.cuGetErrorString(code, ctypes.byref(text)) or text.value is None:
        text = ctypes.c_char_p(b"unknown error")
    remedy = f"; {_REMEDIES[code]}" if code in _REMEDIES else ""
    return f"{(text.value or b'').decode(errors='replace')} (CUDA error {code}){remedy}"
