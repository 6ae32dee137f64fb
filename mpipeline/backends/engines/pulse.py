"""Whether a process that builds an engine is still at work: it says something, or it uses the processor."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

PATIENCE = 600
"""So many beats, of a second each, it may do neither."""

_LEAST_S = 0.5  # that it must use the processor meanwhile: the driver's own threads do so a little, whatever happens


class Pulse:
    """Counts beats. Not seconds: none of them passes while this machine, or this process, stands still as well.

    `used` gives the seconds of processor time that the process has used so far.
    """

    def __init__(self, used: Callable[[], float]) -> None:
        self._used = used
        self._quiet = 0
        self._used_s = used()

    def beat(self, has_spoken: bool) -> bool:
        """False once there have been too many beats without a word and without work."""
        used_s = self._used()
        if has_spoken or used_s - self._used_s >= _LEAST_S:
            self._quiet, self._used_s = 0, used_s
        else:
            self._quiet += 1
        return self._quiet < PATIENCE


def processor_time(pid: int) -> float:
    """The seconds of processor time that a process has used, in all its threads; 0 if it is gone. See proc(5)."""
    try:
        fields = Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
