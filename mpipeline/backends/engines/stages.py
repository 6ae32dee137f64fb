"""How far a build has come, from the phases within phases of which the library tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpipeline.backends.engines.library import Library


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done, and how much of it is done, from 0 to 1; None if nobody knows."""

    text: str
    share: float | None = None


class Phases:
    """Joins nested phases, each with so many steps, into one share of the outermost. Called from any thread."""

    def __init__(self, tell: Callable[[Stage], None]) -> None:
        self._tell = tell
        self._open: dict[str, list[int]] = {}  # name → steps done, and all; the outermost first
        self._lock = threading.Lock()

    def begin(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, inside `parent` unless that is None."""
        with self._lock:
            self._open[name] = [0, max(1, steps)]
            self._told()

    def step(self, name: str, number: int) -> None:
        """Step `number` of it, from 0, is done."""
        with self._lock:
            if name in self._open:
                self._open[name][0] = number + 1
                self._told()

    def end(self, name: str) -> None:
        """It is over, whether or not all of its steps were done."""
        with self._lock:
            self._open.pop(name, None)

    def _told(self) -> None:
        share, scale = 0.0, 1.0
        for done, steps in self._open.values():
            share += scale * min(done, steps) / steps
            scale /= steps
        self._tell(Stage(next(iter(self._open)), min(1.0, share)))


def monitor_of(library: Library, tell: Callable[[Stage], None]) -> Any:
    """The object that the library tells its progress to, which must live as long as the build; None in 8.6."""
    if not hasattr(library.module, "IProgressMonitor"):
        return None
    phases = Phases(tell)

    def phase_start(_: Any, name: str, parent: str | None, steps: int) -> None:
        phases.begin(name, parent, steps)

    def step_complete(_: Any, name: str, number: int) -> bool:
        phases.step(name, number)
        return True  # go on

    def phase_finish(_: Any, name: str) -> None:
        phases.end(name)

    own = {"phase_start": phase_start, "step_complete": step_complete, "phase_finish": phase_finish}
    return type("Monitor", (library.module.IProgressMonitor,), own)()  # made here, as the library is an argument
