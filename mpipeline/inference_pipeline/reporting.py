"""Tells the status update handlers what happens in a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpipeline.inference_pipeline.events import StatusUpdate, status_update

logger = logging.getLogger("mpipeline.inference_pipeline")

Handler = Callable[[StatusUpdate], Any]


class Reporter:
    """Calls every handler, one after the other, in the thread in which something happens.

    What a handler raises is logged and has no effect. `is_heard`: whether there is any handler.
    """

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self.is_heard = bool(handlers)
        self._handlers = list(handlers)

    def tell(self, event: str, payload: Mapping[str, Any] | None = None) -> None:
        """An event of `events.EVENTS` happens."""
        if not self.is_heard:
            return
        update = status_update(event, dict(payload or {}))
        for handler in self._handlers:
            try:
                handler(update)
            except Exception as error:  # noqa: BLE001 - a handler is code of the user's, and may raise anything
                fields = {"event": "handler_failed"}
                logger.warning("a status update handler failed: %s: %s", type(error).__name__, error, extra=fields)

    def raised(self, event: str, error: BaseException, where: str) -> None:
        """Code of the user's has raised."""
        self.tell(event, {"error_type": type(error).__name__, "error_message": str(error), "error_context": where})
