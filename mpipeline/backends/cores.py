"""The processor: how many threads an engine may sensibly use, and which make it is."""

from __future__ import annotations

import math
import os
import platform
import re
from pathlib import Path


def physical_cores(cpus: set[int] | None = None, root: Path = Path("/sys")) -> int:
    """Cores of the CPUs this process may run on, hyper-threads counted once, no more than its control group grants.

    An engine gains little from the second thread of a core, and decoders need it. `cpus` (default: this process's
    affinity) and `root` are parameters for tests.
    """
    usable = os.sched_getaffinity(0) if cpus is None else cpus
    cores = {_siblings(root, cpu) for cpu in usable}
    return max(1, min(len(cores), _quota(root)))


def granted_cpus(root: Path = Path("/sys")) -> float | None:
    """The time of how many CPUs the control group (version 2) of a container grants; None if it sets no limit."""
    try:
        quota, period = (root / "fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A text that differs between CPUs for which programs are compiled, or run, differently: make and abilities."""
    try:
        first = cpuinfo.read_text(errors="replace").split("\n\n")[0]
    except OSError:
        first = ""
    told = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", first, re.MULTILINE))
    keys = ("model name", "flags", "CPU implementer", "CPU part", "CPU revision", "Features")
    return "\n".join([platform.machine(), *(told.get(key, "") for key in keys)])


def _siblings(root: Path, cpu: int) -> str:
    """A text that all hyper-threads of a core share; a CPU that says nothing about itself is a core of its own."""
    try:
        return (root / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return f"cpu {cpu}"


def _quota(root: Path) -> int:
    """The CPUs that are granted, rounded up; very many if there is no limit."""
    granted = granted_cpus(root)
    return 1 << 16 if granted is None else math.ceil(granted)
