"""What one incarnation of a worker is to its supervisor, and the ordinary one: a process of its own.

A run that is embedded in a program may have workers that are launched otherwise, as threads of that program.
"""

from __future__ import annotations

import os
import select
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
    """A worker in a process of its own, the head of a group of its own. `collect` waits for its end, gives the code."""

    def __init__(self, pid: int, pidfd: int, stderr_fd: int, collect: Callable[[], int]) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.stderr_fd = stderr_fd
        self._collect = collect
        os.set_blocking(stderr_fd, False)

    def kill(self, signal_number: int) -> None:
        """Sends a signal to the process and whatever it has started."""
        try:
            os.killpg(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal_number)

    def reap(self) -> int:
        """Collects the exit code; what the process has started itself does not outlive it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._collect()

    def close(self) -> None:
        """Closes its standard error and its handle."""
        os.close(self.stderr_fd)
        os.close(self.pidfd)


def launch_process(order: Order) -> WorkerProcess:
    """Starts a worker as a process, from nothing. Raises OSError if the machine lacks something for it."""
    process = subprocess.Popen(
        [*command(), *arguments(order), "--lifeline", str(order.lifeline)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[order.lifeline],
        start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's alone
    )
    return watched(process)


def watched(process: subprocess.Popen[bytes]) -> WorkerProcess:
    """The worker that this process is. Raises OSError, and the process is gone, if it cannot be watched."""
    assert process.stderr is not None
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.wait()
        process.stderr.close()
        raise
    stderr_fd = os.dup(process.stderr.fileno())
    process.stderr.close()
    return WorkerProcess(process.pid, pidfd, stderr_fd, process.wait)


def command() -> list[str]:
    """How this Python starts something of `mpipeline.workers`."""
    return [sys.executable, str(_WORKERS)]


def arguments(order: Order) -> list[str]:
    """What a worker is told at its start, but for its lifeline."""
    return [
        *(order.plan.role.value, "--name", order.plan.name, "--incarnation", str(order.incarnation)),
        *("--control", order.control, "--supervisor", str(os.getpid()), "--log-level", order.log_level),
    ]


def has_ended(pidfd: int) -> bool:
    """Whether the process of this handle has."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
