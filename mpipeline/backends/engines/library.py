"""TensorRT or TensorRT-RTX as an argument: the module, its version, and what it says while it works."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from mpipeline.backends.engines.names import TENSORRT, TENSORRT_RTX
from mpipeline.errors import BackendError, ConfigError, MissingDependency

logger = logging.getLogger("mpipeline.inference")

FLAVOURS = {TENSORRT: "TensorRT", TENSORRT_RTX: "TensorRT-RTX"}
_EXTRAS = {TENSORRT: "tensorrt", TENSORRT_RTX: "tensorrt-rtx"}
_REMEMBERED = 20  # messages


@dataclass(frozen=True, slots=True)
class Library:
    """A module of the family. `flavour` is its name, which is part of what an engine depends on."""

    module: Any
    flavour: str

    @property
    def version(self) -> str:
        """As the module says it, such as 10.3.0."""
        return str(self.module.__version__)

    def __str__(self) -> str:
        return f"{FLAVOURS[self.flavour]} {self.version}"


def load_library(flavour: str) -> Library:
    """Imports it. That needs no GPU; most of what it offers does.

    Raises MissingDependency if it is not installed, BackendError if it does not load.
    """
    if flavour not in FLAVOURS:
        raise ConfigError(f"library {flavour!r}: expected one of {', '.join(FLAVOURS)}")
    try:
        return Library(importlib.import_module(flavour), flavour)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != flavour:  # it is there, and lacks a part of itself
            raise BackendError(f"{FLAVOURS[flavour]} is installed, but does not load: {error}") from error
        raise MissingDependency(FLAVOURS[flavour], _EXTRAS[flavour], "an engine") from error
    except (ImportError, OSError) as error:  # OSError: one of the libraries behind it is missing
        raise BackendError(f"{FLAVOURS[flavour]} is installed, but does not load: {error}") from error


def usual_flavour() -> str:
    """TensorRT where it is installed, else TensorRT-RTX if that is."""
    found = next((flavour for flavour in FLAVOURS if importlib.util.find_spec(flavour) is not None), TENSORRT)
    return found


class Messages:
    """What the library has said of errors: calls that fail return None, and the reason stands only there."""

    def __init__(self) -> None:
        self._errors: deque[str] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()  # it speaks in threads of its own

    def take(self, text: str) -> None:
        """An error was told."""
        with self._lock:
            self._errors.append(text.strip())

    def why(self) -> str:
        """The errors since the last call, the first first, as one line."""
        with self._lock:
            told, said = list(dict.fromkeys(self._errors)), self._errors
            said.clear()
        return "; ".join(told) if told else "it does not say why"


def logger_of(library: Library, messages: Messages) -> Any:
    """The object that the library tells its log to. It must outlive all that is made with it."""
    trt = library.module
    severity = trt.ILogger.Severity
    levels = {severity.WARNING: logging.INFO, severity.INFO: logging.DEBUG}
    errors = (severity.INTERNAL_ERROR, severity.ERROR)

    def log(_: Any, level: Any, text: str) -> None:
        if level in errors:
            messages.take(text)
        elif level in levels:
            logger.log(levels[level], "%s", text, extra={"event": "tensorrt"})

    # A class that is made when the library is known: another module has another base.
    return type("Listener", (trt.ILogger,), {"log": log})()
