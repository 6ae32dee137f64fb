"""Tells handlers and watchdog what happens in a run. What code of the user's raises is logged and does no harm."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpipeline.clock import SystemClock
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.events import StatusUpdate, status_update
from mpipeline.inference_pipeline.watchdog import PipelineWatchDog
from mpipeline.log import Summariser

logger = logging.getLogger("mpipeline.inference_pipeline")

Handler = Callable[[StatusUpdate], Any]


class Failures:
    """Logs what code of the user's raises: the first time with its traceback, then at most once a second.

    For any thread; also from a signal handler that interrupts it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._summary = Summariser(logger, SystemClock())
        self._seen: set[str] = set()

    def note(self, what: str, error: Exception, level: int = logging.WARNING) -> None:
        """`what` has raised."""
        text = f"{what} failed: {type(error).__name__}: {error}"
        with self._lock:
            if what not in self._seen:
                self._seen.add(what)
                logger.log(level, "%s", text, exc_info=error, extra={"event": "callback_failed"})
                return
            self._summary.add(f"errors of {what}", f"{text}{_place(error)}", level=level)

    def flush(self) -> None:
        """Says what was not said yet."""
        with self._lock:
            self._summary.flush(everything=True)


class Reporter:
    """Calls every handler, one after the other, in the thread in which something happens.

    What a handler raises is logged and has no effect. `is_heard`: whether there is any handler.
    """

    def __init__(self, handlers: Sequence[Handler], failures: Failures | None = None) -> None:
        self.is_heard = bool(handlers)
        self._handlers = list(handlers)
        self._failures = failures if failures is not None else Failures()

    def tell(self, event: str, payload: Mapping[str, Any] | None = None) -> None:
        """An event of `events.EVENTS` happens."""
        if not self.is_heard:
            return
        update = status_update(event, dict(payload or {}))
        for handler in self._handlers:
            try:
                handler(update)
            except Exception as error:  # noqa: BLE001 - a handler is code of the user's, and may raise anything
                self._failures.note("a status update handler", error)

    def raised(self, event: str, error: BaseException, where: str) -> None:
        """Code of the user's has raised."""
        self.tell(event, {"error_type": type(error).__name__, "error_message": str(error), "error_context": where})


class Watch:
    """Calls the watchdog at each step of a batch. What it raises is logged and has no effect."""

    def __init__(self, watchdog: PipelineWatchDog, failures: Failures) -> None:
        self._watchdog = watchdog
        self._failures = failures

    def started(self, frames: list[VideoFrame]) -> None:
        """The model is about to get this batch."""
        self._call("on_model_inference_started", frames)

    def ready(self, frames: list[VideoFrame]) -> None:
        """The predictions are there."""
        self._call("on_model_prediction_ready", frames)

    def completed(self, frames: list[VideoFrame]) -> None:
        """The sink has returned."""
        self._call("on_model_prediction_completed", frames)

    def _call(self, name: str, frames: list[VideoFrame]) -> None:
        try:
            method = getattr(self._watchdog, name, None)  # one that is no subclass may lack it
            if method is not None:
                method(list(frames))
        except Exception as error:  # noqa: BLE001 - code of the user's: watching must not end what is watched
            self._failures.note(f"{name} of the watchdog", error)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
