"""The processor, the kernel that shares it out, and the limits on processes and open files."""

from __future__ import annotations

import os
import platform
import re
import resource
from pathlib import Path

from mpipeline.backends.cores import granted_cpus, physical_cores
from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import ConfigError
from mpipeline.supervisor import descriptors
from mpipeline.workers import time_slice

_KERNEL_WITH_SLICES = (6, 12)
_MANY = 100  # sources, to which the limits are compared


def processor(subject: str) -> Findings:
    """Which, how many cores of it, and what the kernel does with them."""
    yield Finding(subject, "processor", Level.OK, _processor_name())
    usable, physical = len(os.sched_getaffinity(0)), physical_cores()
    text = f"{physical} usable for a model: {os.cpu_count()} CPUs in the machine, {usable} for this process"
    granted = granted_cpus()
    if granted is not None and granted < usable:
        text += f", of which its control group grants the time of {granted:g}"
        remedy = "docker run --cpus N, or cpu.max; libraries count the CPUs and start too many threads"
        yield Finding(subject, "cores", Level.WARNING, text, remedy)
    else:
        yield Finding(subject, "cores", Level.OK, text)
    release = platform.release()
    if time_slice.has_effect():
        text = f"{release} gives who passes frames on the next turn"
        yield Finding(subject, "scheduler", Level.OK, text)
    else:
        number = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
        old = number < _KERNEL_WITH_SLICES
        why = "does not know short turns" if old else "does not give short turns here"
        text = f"{release} {why}: live predictions may wait for decoders where cores are short"
        yield Finding(
            subject, "scheduler", Level.WARNING, text, "Linux 6.12 or later" if old else "allow sched_setattr"
        )


def limits(subject: str) -> Findings:
    """Open files, processes and threads."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = descriptors.most_workers(hard)
    text = f"{_told(hard)} may be had" + ("" if most is None else f", enough for {most} workers")
    is_much = most is None or most >= _MANY
    remedy = "" if is_much else "ulimit -Hn 65536, LimitNOFILE=65536 of systemd, or docker run --ulimit nofile=65536"
    yield Finding(subject, "open files", Level.OK if is_much else Level.WARNING, text, remedy)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    pids = _pids()
    least = min((n for n in (processes, pids) if n not in (None, resource.RLIM_INFINITY)), default=None)
    text = f"{_told(processes)} for this user" + ("" if pids is None else f", {pids} in its control group")
    few = least is not None and least < _MANY * 20  # a worker has some twenty threads where a model is executed
    remedy = "ulimit -u, TasksMax of a systemd unit, or docker run --pids-limit" if few else ""
    yield Finding(subject, "processes", Level.WARNING if few else Level.OK, text, remedy)
    try:
        descriptors.reserve(1)
    except ConfigError as error:
        yield Finding(subject, "run", Level.BROKEN, str(error))


def _processor_name() -> str:
    try:
        told = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        told = None
    return told[1] if told is not None else platform.machine()


def _pids() -> int | None:
    """How many processes the control group (version 2) allows; None without a limit."""
    try:
        return int(Path("/sys/fs/cgroup/pids.max").read_text())
    except (OSError, ValueError):
        return None


def _told(limit: int) -> str:
    return "any number" if limit == resource.RLIM_INFINITY else str(limit)
