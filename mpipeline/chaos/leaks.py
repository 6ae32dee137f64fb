"""What a run may leave behind, looked for after its end: slots, segments, the run directory, processes, descriptors."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mpipeline.chaos.processes import workers_of, zombies
from mpipeline.errors import RingError
from mpipeline.ring.inspection import slot_use
from mpipeline.ring.mapping import SHARED_MEMORY_DIRECTORY

KINDS = ("slots", "segments", "files", "processes", "descriptors")
_MAPPED = re.compile(rf"{SHARED_MEMORY_DIRECTORY}/(mp-[A-Za-z0-9_.-]+)( \(deleted\))?$", re.MULTILINE)


class Leaks:
    """Watches what one run has in the system. `endpoint` is the run's control address, `folder` its run directory."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        self._segments: set[str] = set()
        self._before = mapped_segments()
        self._descriptors = open_descriptors()
        self._slots: list[str] = []

    def look(self) -> None:
        """To be called now and then while the run lives: learns the names of its segments."""
        self._segments |= mapped_segments() - self._before

    def look_at_slots(self, every_frame: bool) -> None:
        """After the last worker has ended, before the rings are removed: no slot may be in anybody's hands.

        Under `every_frame` none may wait for anybody either; a live ring ends with frames that nobody wanted.
        """
        self.look()
        for segment in sorted(self._segments):
            with contextlib.suppress(FileNotFoundError, RingError):
                use = slot_use(segment)
                parts = {"held": use.held, "reserved": use.reserved, "pending": use.pending if every_frame else 0}
                self._slots += [
                    f"{count} of {use.slots} slots of {segment} {how}" for how, count in parts.items() if count
                ]

    def found(self) -> dict[str, list[str]]:
        """Kind of `KINDS` → what is left, once the run is over."""
        there = [f"{name} in {SHARED_MEMORY_DIRECTORY}" for name in sorted(self._segments) if _exists(name)]
        mapped = [f"{name} mapped in this process" for name in sorted(mapped_segments() - self._before)]
        lock = self._folder.with_name(f"{self._folder.name}.lock")
        files = [str(path) for path in (*_all_in(self._folder), lock) if path.exists()]
        workers = [f"{worker.name} (process {worker.pid})" for worker in workers_of(self._endpoint)]
        dead = [f"process {pid}, not collected" for pid in zombies()]
        more = open_descriptors() - self._descriptors
        descriptors = [f"{more} more open than before the run"] if more > 0 else []
        return {
            "slots": self._slots,
            "segments": there + mapped,
            "files": files,
            "processes": workers + dead,
            "descriptors": descriptors,
        }


def mapped_segments() -> set[str]:
    """Names of the rings' segments that are mapped into this process."""
    text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return {match[1] for match in _MAPPED.finditer(text)}


def open_descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def _exists(segment: str) -> bool:
    return os.path.exists(os.path.join(SHARED_MEMORY_DIRECTORY, segment))


def _all_in(folder: Path) -> Iterable[Path]:
    return (folder, *sorted(folder.rglob("*"))) if folder.exists() else ()
