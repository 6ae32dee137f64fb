"""The NVIDIA GPUs, as their driver tells of them."""

from __future__ import annotations

from mpipeline.cuda import probe
from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import BackendError, NoDevice

_GIB = 1 << 30


def gpu(subject: str) -> Findings:
    """Each GPU; or why there is none, which only those miss who want one."""
    try:
        found = probe.devices()
    except BackendError as error:
        text, _, remedy = str(error).partition("; ")
        yield Finding(subject, "nvidia", Level.MISSING if isinstance(error, NoDevice) else Level.WARNING, text, remedy)
        return
    for one in found:
        memory = f"{one.total_bytes / _GIB:.1f} GiB" + (" shared with the processor" if one.integrated else "")
        driver = ".".join(str(number) for number in one.driver_version)
        pages = "" if one.registers else "; frames are copied twice: it does not page-lock memory that exists"
        yield Finding(subject, f"cuda:{one.index}", Level.OK, f"{one}, {memory}, driver for CUDA {driver}{pages}")
