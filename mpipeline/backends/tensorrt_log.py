"""What TensorRT says: its calls give None or False when they fail, and the reason goes to a logger only."""

from __future__ import annotations

import functools
import logging
from typing import Any

from mpipeline.errors import BackendError

logger = logging.getLogger("mpipeline.inference")

_ERRORS = ("INTERNAL_ERROR", "ERROR")
_LONGEST = 400  # characters of a message that go into an error


@functools.cache
def log_of(trt: Any) -> Any:
    """The logger for everything made by that module: one for a process, since TensorRT keeps the first it is given.

    It has `failure(what)`, the BackendError for a call that gave nothing.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity.name in _ERRORS:
                self.last = message
            level = logging.WARNING if severity.name == "WARNING" else logging.DEBUG
            logger.log(level, "%s", message, extra={"event": "tensorrt_says"})

        def failure(self, what: str) -> BackendError:
            said, self.last = self.last.strip(), ""
            return BackendError(f"{what}: {said[:_LONGEST] or 'TensorRT gives no reason'}")

    return Log()
