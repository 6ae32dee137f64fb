"""The worker processes of this process as the system shows them, and signals that reach these and no others."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A living worker."""

    pid: int
    name: str
    role: str


def workers_of(endpoint: str) -> list[WorkerProcess]:
    """The living workers of the run whose control endpoint this is, whoever their parent is by now."""
    return [worker for pid in _pids() if (worker := _worker(pid, endpoint)) is not None]


def zombies() -> list[int]:
    """Children of this process that are dead and were not collected."""
    return [pid for pid in _pids() if _state_and_parent(pid) == ("Z", os.getpid())]


class Aim:
    """A hold on one process that stays right when the number is given to another one. A context manager."""

    def __init__(self, worker: WorkerProcess, endpoint: str) -> None:
        self.worker = worker
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.pidfd_open(worker.pid)
            if _worker(worker.pid, endpoint) != worker:  # it has ended between look and hold
                self.close()

    def send(self, number: int) -> bool:
        """Sends a signal; False if the process is there no more."""
        if self._descriptor < 0:
            return False
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Lets go; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Aim:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir(_PROC) if entry.isdecimal()]


def _worker(pid: int, endpoint: str) -> WorkerProcess | None:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    if endpoint not in words or "--name" not in words:
        return None  # a zombie has no command line either
    name = words[words.index("--name") + 1]
    role = words[words.index("--name") - 1]
    return WorkerProcess(pid, name, role)


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])
