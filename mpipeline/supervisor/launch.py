"""What one incarnation of a worker is to its supervisor, and the ordinary one: a process of its own.

A run that is embedded in a program may have workers that are launched otherwise, as threads of that program.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import mpipeline
from mpipeline.supervisor.plan import WorkerPlan

_WORKERS = Path(mpipeline.__file__).with_name("workers")  # by path: see its __main__


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be launched. `lifeline` is a descriptor whose end-of-file means that the supervisor is gone."""

    plan: WorkerPlan
    incarnation: int
    control: str
    lifeline: int
    log_level: str


class Launched(Protocol):
    """One incarnation. `pid` is the process in which it runs; it is part of its name on the control channel.

    `pidfd` becomes readable when it has ended. `stderr_fd` has what it prints, without blocking; -1 if nothing.
    """

    pid: int
    pidfd: int
    stderr_fd: int

    def kill(self, signal_number: int) -> None:
        """Makes it end: TERM asks, KILL insists. Harmless when it has ended."""

    def reap(self) -> int:
        """Waits for its end, which `pidfd` has told or `kill` has brought about; returns its exit code."""

    def close(self) -> None:
        """Closes the descriptors."""


Launch = Callable[[Order], Launched]


class WorkerProcess:
    """A worker in a process of its own, the head of a group of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Raises OSError, and the process is gone, if it cannot be watched."""
        assert process.stderr is not None
        self._process = process
        self._stderr = process.stderr
        self.pid = process.pid
        try:
            self.pidfd = os.pidfd_open(process.pid)
        except OSError:
            process.kill()
            process.wait()
            process.stderr.close()
            raise
        self.stderr_fd = process.stderr.fileno()
        os.set_blocking(self.stderr_fd, False)

    def kill(self, signal_number: int) -> None:
        """Sends a signal to the process and whatever it has started."""
        try:
            os.killpg(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            self._process.send_signal(signal_number)

    def reap(self) -> int:
        """Collects the exit code; what the process has started itself does not outlive it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        """Closes its standard error and its handle."""
        self._stderr.close()
        os.close(self.pidfd)


def launch_process(order: Order) -> WorkerProcess:
    """Starts a worker as a process. Raises OSError if the machine lacks something for it."""
    command = [
        *(sys.executable, str(_WORKERS), order.plan.role.value, "--name", order.plan.name),
        *("--incarnation", str(order.incarnation), "--control", order.control),
        *("--lifeline", str(order.lifeline), "--log-level", order.log_level),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[order.lifeline],
        start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's alone
    )
    return WorkerProcess(process)
