"""Limits on open files and processes for the real command, and how to change those of one that runs."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator

import psutil
import pytest

_NOBODY = "65534"


def with_open_files(limit: int, *arguments: str) -> list[str]:
    """These arguments, run with at most `limit` open files per process, as a hard limit."""
    return ["prlimit", f"--nofile={limit}:{limit}", *arguments]


def with_processes(limit: int, *arguments: str) -> list[str]:
    """These arguments, run so that their user can have `limit` processes and threads.

    The limit does not bind root: then they run as a user without any process, who may still read what root may.
    """
    if os.geteuid() != 0:
        mine = sum(process.num_threads() for process in psutil.process_iter() if process.username() == _user())
        return ["prlimit", f"--nproc={mine + limit}:{mine + limit}", *arguments]
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv: root cannot be limited")
    capability = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    other_user = ["setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups", *capability]
    if subprocess.run([*other_user, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("running as another user is not allowed here: root cannot be limited")
    return ["prlimit", f"--nproc={limit}:{limit}", *other_user, *arguments]


@contextlib.contextmanager
def no_more_open_files(process: psutil.Process) -> Iterator[None]:
    """In this block the process can open no further file; what it has open it keeps.

    A connection over TCP that it closes meanwhile makes no room for another.
    """
    before = process.rlimit(resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir(f"/proc/{process.pid}/fd")}
    taken -= {connection.fd for connection in process.net_connections("tcp")}
    lowest_free = next(number for number in range(len(taken) + 1) if number not in taken)
    process.rlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.rlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_open_files_at_all(process: psutil.Process, lowest: int = 3) -> Iterator[None]:
    """As `no_more_open_files`, and what it closes meanwhile, from descriptor `lowest` on, makes no room either.

    It can `poll` no more than so many descriptors at once.
    """
    before = process.rlimit(resource.RLIMIT_NOFILE)
    process.rlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.rlimit(resource.RLIMIT_NOFILE, before)


def _user() -> str:
    return psutil.Process().username()
