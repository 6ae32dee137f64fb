"""The NVIDIA driver's library itself, for what is asked before any other is loaded, or cannot be had through one."""

from __future__ import annotations

import ctypes
from typing import Any

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


class DriverLibrary:
    """The library, loaded and initialised; calls wait without the GIL.

    Raises NoDevice if there is none, or no GPU, BackendError if it does not work; both say what helps.
    """

    def __init__(self, library: str = DRIVER_LIBRARY) -> None:
        try:
            self._native: Any = ctypes.CDLL(library)
        except OSError as error:
            raise NoDevice(_NO_DRIVER.format(library=library, reason=error)) from error
        code = self._native.cuInit(0)
        if code == _NO_DEVICES:
            raise NoDevice(_NO_DEVICE)
        if code:
            raise BackendError(f"the NVIDIA driver does not start: {self._reason(code)}")
        if not self.number("cuDeviceGetCount"):
            raise NoDevice(_NO_DEVICE)

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of cuda.h. Raises BackendError with what the driver says if it fails."""
        code = getattr(self._native, name)(*arguments)
        if code:
            raise BackendError(f"the NVIDIA driver fails at {name}: {self._reason(code)}")

    def number(self, name: str, *arguments: Any) -> int:
        """The int that a function writes to where its first argument points. Raises as `call` does."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def _reason(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._native.cuGetErrorString(code, ctypes.byref(text))
        remedy = f"; {_REMEDIES[code]}" if code in _REMEDIES else ""
        return f"{(text.value or b'unknown error').decode(errors='replace')} (CUDA error {code}){remedy}"
