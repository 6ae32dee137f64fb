"""Reads a growing JSON-lines file from a thread of its own, so that each line is seen soon after it was written."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from mpipeline.clock import NS_PER_S, Clock, SystemClock

RESOLUTION_S = 0.02

OnLine = Callable[[dict[str, Any], int], None]  # the record, and when it was seen (monotonic)


class Tail:
    """Calls `on_line` for each whole line of `path`, in order; from the thread until `end`, which reads the rest."""

    def __init__(self, path: Path, on_line: OnLine, clock: Clock | None = None) -> None:
        self.unreadable = 0
        self._path = path
        self._on_line = on_line
        self._clock = clock if clock is not None else SystemClock()
        self._offset = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="chaos-tail", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def end(self) -> None:
        """Reads what is left, and stops."""
        self._over.set()
        self._thread.join()
        self.read()

    def read(self) -> None:
        """Takes the lines that have become whole. A half one is read anew next time: it may be cut off and replaced."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        end = data.rfind(b"\n") + 1
        self._offset += end
        seen_ns = self._clock.monotonic_ns()
        for line in data[:end].splitlines():
            try:
                record = json.loads(line)
                record["source"], record["frame_id"]
            except (ValueError, KeyError, TypeError):
                self.unreadable += 1
                continue
            self._on_line(record, seen_ns)

    def _follow(self) -> None:
        while not self._over.wait(RESOLUTION_S):
            self.read()


def captured_ns(record: dict[str, Any]) -> int:
    """The wall time at which a line's frame was captured, in nanoseconds since 1970; 0 if the line does not say it."""
    text = record.get("captured_at")
    if not isinstance(text, str):
        return 0
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1_000_000) * (NS_PER_S // 1_000_000)
