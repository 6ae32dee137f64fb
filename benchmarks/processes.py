"""What a command and everything that it starts take of the machine: processor time, proportional set size, time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import machine

_POLL_S = 0.01
_SAMPLE_S = 0.1
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Usage:
    """Of a whole process tree. `memory_mib`: the largest sum of proportional set sizes; 0 if it was not sampled.

    `memory` are the samples, (seconds since the start, MiB). `others_cores`: what else the machine did meanwhile, as
    the number of cores that it kept busy; 0 if that was not looked at.
    """

    wall_s: float
    cpu_s: float
    memory_mib: float
    others_cores: float = 0.0
    memory: Sequence[tuple[float, float]] = field(default=(), repr=False)


def measured(
    command: Sequence[str],
    folder: Path,
    *,
    sampled: bool = False,
    seconds: float = 600.0,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[psutil.Process], object] | None = None,
) -> Usage:
    """Runs the command in the folder to its end. Raises SystemExit with its output if it fails or takes too long.

    `sampled`: looks at its memory ten times a second, which takes processor time of its own: time it in another run.
    `meanwhile` is called a hundred times a second with the process.
    """
    with tempfile.TemporaryFile() as log:
        begun, busy_before = time.monotonic(), machine.busy_s()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        root, memory, next_sample = psutil.Process(process.pid), [], begun
        while (ended := _ended(process)) is None:
            now = time.monotonic()
            if now - begun > seconds:
                end_tree(process.pid)
                _, _, usage = os.wait4(process.pid, 0)
                ended = (-signal.SIGKILL, usage)
                break
            if sampled and now >= next_sample:
                memory.append((now - begun, memory_mib(root)))
                next_sample = now + _SAMPLE_S
            if meanwhile is not None:
                meanwhile(root)
            time.sleep(_POLL_S)
        code, usage = ended
        wall, busy = time.monotonic() - begun, machine.busy_s() - busy_before
        process.returncode = code
        if code:
            log.seek(0)
            told = log.read().decode(errors="replace")[-4000:]
            raise SystemExit(f"{' '.join(command)}: exit code {code} after {wall:.0f} s:\n{told}")
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(wall, cpu, max((mib for _, mib in memory), default=0.0), max(0.0, busy - cpu) / wall, memory)


def timed(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Usage:
    """Runs a short command in the folder, without looking at it meanwhile. Raises SystemExit if it fails."""
    with tempfile.TemporaryFile() as log:
        begun = time.monotonic()
        given = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=given)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            told = log.read().decode(errors="replace")[-4000:]
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}:\n{told}")
    return Usage(wall, usage.ru_utime + usage.ru_stime, 0.0)


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage] | None:
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    return (os.waitstatus_to_exitcode(status), usage) if pid else None


def tree(root: psutil.Process) -> list[psutil.Process]:
    """The process and its descendants, as far as they live."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def memory_mib(root: psutil.Process) -> float:
    """Proportional set sizes of the tree: what several processes share counts once."""
    return sum(pss_mib(process.pid) for process in tree(root))


def cpu_s(root: psutil.Process) -> float:
    """Processor time of the living tree up to now."""
    return sum(cpu_s_of(process.pid) for process in tree(root))


def cpu_s_of(pid: int) -> float:
    """Processor time of one process with all its threads, exact to the scheduler's clock; 0 if it has ended."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)  # what clock_getcpuclockid(3) gives on Linux
    except OSError:
        return 0.0


def pss_mib(pid: int) -> float:
    """Proportional set size of one process; 0 if it has ended."""
    return _rolled_up(pid).get("Pss", 0.0)


def own_mib(pid: int) -> float:
    """The same without the pages of files, whose share changes with whatever else on the machine maps them."""
    found = _rolled_up(pid)
    return found.get("Pss_Anon", 0.0) + found.get("Pss_Shmem", 0.0)


def _rolled_up(pid: int) -> dict[str, float]:
    """The sums of /proc/PID/smaps_rollup in MiB; nothing if the process has ended."""
    try:
        _, *lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    return {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines)}


def end_tree(pid: int) -> None:
    """Kills a process and its descendants; the process itself is still to be reaped."""
    try:
        found = tree(psutil.Process(pid))
    except psutil.Error:
        return
    for process in found:
        with suppress(psutil.Error):  # it has ended meanwhile
            process.kill()
