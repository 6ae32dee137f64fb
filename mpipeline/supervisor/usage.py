"""What each worker's process uses: memory of its own and processor time, as the kernel tells it in /proc."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from mpipeline.clock import NS_PER_S
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import Reason
from mpipeline.messages import Role

LOOK_NS = NS_PER_S  # how often it is read
_WINDOW_NS = 30 * NS_PER_S
_LOOKS_IN_ROW = 3  # a peak between two looks is nobody's business
_KIB_IN_MB = 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """`memory_mb`: anonymous memory in MB, rings and files left out. `cpu_s`: processor time so far, in seconds."""

    memory_mb: float
    cpu_s: float


@dataclass
class _Record:
    """The latest looks at one process. `cpu`: share of one core over the last half minute, or since the first look."""

    looks: deque[tuple[int, float]] = field(default_factory=deque)  # time, processor time
    over: int = 0
    memory_mb: float = 0.0
    cpu: float = 0.0


class UsageWatch:
    """Reads what each process uses, once a second, and tells who is over the limits of the config's `supervision`."""

    def __init__(self, spec: RestartSpec, proc: Path = Path("/proc")) -> None:
        self._spec = spec
        self._proc = proc
        self._records: dict[int, _Record] = {}

    @property
    def is_missing(self) -> bool:
        """Whether there are limits that nothing can be compared with."""
        wanted = self._spec.max_memory_mb is not None or self._spec.max_cpu is not None
        return wanted and read(os.getpid(), self._proc) is None

    def look(self, pid: int, role: Role, now_ns: int) -> tuple[Reason, str] | None:
        """Reads a process; why it must be ended, as a code and in words that follow "it", if it must."""
        record = self._records.setdefault(pid, _Record())
        if record.looks and now_ns - record.looks[-1][0] < LOOK_NS:
            return None
        usage = read(pid, self._proc)
        if usage is None:
            return None
        self._note(record, usage, now_ns)
        memory, cpu = self._spec.max_memory_mb, self._spec.max_cpu
        most_mb = memory.of(role.value) if memory is not None else None
        most_cpu = cpu.of(role.value) if cpu is not None else None
        record.over = record.over + 1 if most_mb is not None and usage.memory_mb > most_mb else 0
        if record.over >= _LOOKS_IN_ROW:
            return Reason.MEMORY_LIMIT, f"used {usage.memory_mb:.0f} MB of memory, {most_mb:g} are allowed"
        full = now_ns - record.looks[0][0] >= _WINDOW_NS
        if most_cpu is not None and full and record.cpu > most_cpu:
            return Reason.CPU_LIMIT, f"used {record.cpu:.2f} cores over half a minute, {most_cpu:g} are allowed"
        return None

    def of(self, pid: int) -> tuple[float, float]:
        """Memory in MB and share of one core, as last seen; zeros for an unknown process."""
        record = self._records.get(pid)
        return (record.memory_mb, record.cpu) if record is not None else (0.0, 0.0)

    def forget(self, pid: int) -> None:
        """This process has ended."""
        self._records.pop(pid, None)

    def _note(self, record: _Record, usage: Usage, now_ns: int) -> None:
        record.memory_mb = usage.memory_mb
        record.looks.append((now_ns, usage.cpu_s))
        while len(record.looks) > 2 and now_ns - record.looks[1][0] >= _WINDOW_NS:
            record.looks.popleft()
        (first_ns, first_s), (last_ns, last_s) = record.looks[0], record.looks[-1]
        record.cpu = (last_s - first_s) * NS_PER_S / (last_ns - first_ns) if last_ns > first_ns else 0.0


def read(pid: int, proc: Path = Path("/proc")) -> Usage | None:
    """What a process uses; None if it is gone, or if there is no /proc as Linux has it. See proc(5)."""
    try:
        status = (proc / str(pid) / "status").read_bytes()
        stat = (proc / str(pid) / "stat").read_bytes()
        anonymous = next(line for line in status.splitlines() if line.startswith(b"RssAnon:"))
        fields = stat.rpartition(b")")[2].split()  # the name before it may hold blanks and brackets
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, the 14th and 15th field of the line
        return Usage(int(anonymous.split()[1]) * _KIB_IN_MB, ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
