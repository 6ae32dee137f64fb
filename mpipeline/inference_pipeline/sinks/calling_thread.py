"""What a sink function remembers from call to call: the functions of this interface have no object to keep it in.

It is kept for each thread, since a pipeline calls its sinks from one thread: two pipelines in one process do not count
each other's frames.
"""

from __future__ import annotations

import logging
import threading

from mpipeline.clock import SystemClock
from mpipeline.inference_pipeline.throughput import FpsMonitor
from mpipeline.log import Summariser


class _Memory(threading.local):
    def __init__(self) -> None:
        self.fps_monitor = FpsMonitor()
        self.summary = Summariser(logging.getLogger(__name__.rpartition(".")[0]), SystemClock())


_MEMORY = _Memory()


def fps_monitor() -> FpsMonitor:
    """The monitor that counts what this thread renders, unless a sink is given another one."""
    return _MEMORY.fps_monitor


def report(key: str, message: str, *, level: int = logging.WARNING, **fields: str) -> None:
    """Logs what can happen at every frame, at most once a second: `key` is a plural noun, "sink errors"."""
    _MEMORY.summary.add(key, message, level=level, **fields)
