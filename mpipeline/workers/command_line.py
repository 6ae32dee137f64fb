"""What `ps` and `/proc/PID/cmdline` show of a forked process: its own command line, not that of its parent."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_ARG_START, _ARG_END = 45, 46  # in /proc/PID/stat, counted behind the name: proc_pid_stat(5), fields 48 and 49


def show(words: Sequence[str]) -> None:
    """Overwrites this process's command line where the kernel reads it; without effect if it has no room for that."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
        text = b"\0".join(os.fsencode(word) for word in words) + b"\0"
        if start and len(text) <= end - start:
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
