"""Waiting for conditions with a watchdog, and finding what runs have in the system: worker processes and segments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from mpipeline import _native

_WATCHDOG_S = 90.0
_POLL_S = 0.02
_SHARED_MEMORY = Path("/dev/shm")


def wait_until(condition: Callable[[], object], what: str, state: Callable[[], str] | None = None) -> None:
    """Returns when `condition` holds; fails with `what`, and `state` as it is then, when the watchdog bites."""
    deadline = time.monotonic() + _WATCHDOG_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}{': ' + state() if state is not None else ''}")
        time.sleep(_POLL_S)


def fork_servers_under(run_root: Path) -> list[psutil.Process]:
    """The living fork servers of the runs under a run root."""
    return [process for process, line in _processes_under(run_root) if "fork-server" in line]


def workers_under(run_root: Path) -> list[tuple[psutil.Process, str]]:
    """The living worker processes of the runs under a run root, each with its name."""
    found = [(process, line) for process, line in _processes_under(run_root) if "--name" in line]
    return [(process, line[line.index("--name") + 1]) for process, line in found]


def _processes_under(run_root: Path) -> Iterator[tuple[psutil.Process, list[str]]]:
    """The processes that were told of a socket under this run root, with their command lines."""
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if any(part.startswith(f"ipc://{run_root}/") for part in line):
            yield process, line


def segments_of(owner_pid: int) -> list[str]:
    """The segments in /dev/shm whose header says that this process made them."""
    layout = _native.ring_layout()
    magic: bytes = layout["magic"]
    offset, size = layout["ring_header"]["owner_pid"]
    found = []
    for path in sorted(_SHARED_MEMORY.glob("mp-*")):
        try:
            with path.open("rb") as segment:
                head = segment.read(offset + size)
        except OSError:
            continue
        if head.startswith(magic) and int.from_bytes(head[offset : offset + size], "little") == owner_pid:
            found.append(path.name)
    return found


def zombies_of(parent_pid: int) -> list[int]:
    """Process ids of dead children that their parent has not collected."""
    return [child.pid for child in psutil.Process(parent_pid).children() if child.status() == psutil.STATUS_ZOMBIE]
