"""The `python` sink: a class of the user's own."""

from __future__ import annotations

import inspect
import socket
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.errors import ConfigError, PredictionRejected, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.paths import TRANSIENT, reason_of
from mpipeline.user_code import imported, place_of


class PythonOptions(BaseModel):
    """`target`: "module:Class"; `options`: keyword arguments for it; `wants_frames`: overrides the class's own word."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str
    options: dict[str, Any] = Field(default_factory=dict)
    wants_frames: bool | None = None

    @field_validator("target")
    @classmethod
    def _checked_target(cls, target: str) -> str:
        module, colon, attribute = target.partition(":")
        if not (module and colon and attribute.isidentifier()):
            raise ValueError(f"target {target!r} is not of the form module:Class")
        return target


class PythonSink:
    """Calls `write(prediction, frame)` of the user's object, and `open()`, `end(source)`, `close()` where it has them.

    The object is made from `target(**options)` when the sink is opened; modules in the current folder can be imported.
    The class's attribute `wants_frames` (True if it has none) says whether `write` gets pixels. An `open` with a
    parameter `resume` gets it, and may return origin → last frame id as `Sink.open` does. What user code raises
    becomes a SinkError that names the line; a target that cannot be imported is a ConfigError.

    What `write` raises costs that prediction, which is counted and logged. Not so if it can pass: an OSError that says
    so (no space, no quota, an I/O error), a connection that is refused or lost, a time-out, a name server that is away,
    or `SinkError(…, retryable=True)`. Then `write` is called again with the same prediction, with back-off, for as long
    as it takes; `end` likewise. If such an error comes out of `__init__` or `open`, both are called again.
    """

    Options = PythonOptions
    several_models = True

    def __init__(self, name: str, options: PythonOptions) -> None:
        self.name = name
        self._options = options
        self._user: Any = None

    @cached_property
    def wants_frames(self) -> bool:
        """Whether `write` wants pixels; imports the user's module unless the options say it."""
        if self._options.wants_frames is not None:
            return self._options.wants_frames
        return bool(getattr(self._target, "wants_frames", True))

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the user's object and opens it."""
        target = self._target
        self._user = self._call("__init__", target, **self._options.options)
        if not callable(getattr(self._user, "write", None)):
            raise ConfigError(f"{self._options.target} has no method write(prediction, frame)")
        opener = getattr(self._user, "open", None)
        if opener is None:
            return {}
        knows_resume = "resume" in inspect.signature(opener).parameters
        written: Mapping[str, int] | None
        written = self._call("open", opener, **({"resume": resume} if knows_resume else {}))
        return written or {}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Hands the prediction to the user's object.

        Raises PredictionRejected: this prediction is lost; or a SinkError that is retryable: nothing is lost yet.
        """
        try:
            self._user.write(prediction, frame)
        except Exception as error:
            found = self._error("write", error)
            raise found if found.retryable else PredictionRejected(str(found)) from error

    def end(self, source: str) -> None:
        """Tells the user's object, if it wants to know."""
        if callable(getattr(self._user, "end", None)):
            self._call("end", self._user.end, source)

    def close(self) -> None:
        """Closes the user's object, once."""
        user, self._user = self._user, None
        if callable(getattr(user, "close", None)):
            self._call("close", user.close)

    @cached_property
    def _target(self) -> Callable[..., Any]:
        try:
            target: Callable[..., Any] = imported(self._options.target)
        except ConfigError as error:
            cause = error.__cause__ or error
            raise ConfigError(f"sink {self.name!r}: {error}{self._place(cause)}") from cause
        if not callable(target):
            raise ConfigError(f"sink {self.name!r}: {self._options.target} is not a class")
        return target

    def _call(self, verb: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Exception as error:
            raise self._error(verb, error) from error

    def _error(self, verb: str, error: Exception) -> SinkError:
        """What the user's object raised as a SinkError that knows whether it can pass."""
        text = self._describe(verb, error)
        if isinstance(error, SinkError):
            return SinkError(text, reason=error.reason, retryable=error.retryable, retry_after=error.retry_after)
        number = error.errno if isinstance(error, OSError) else None
        return SinkError(text, reason=reason_of(number or 0), retryable=_can_pass(error))

    def _describe(self, verb: str, error: Exception) -> str:
        what = traceback.format_exception_only(error)[-1].strip()
        return f"sink {self.name!r}: {self._options.target} failed in {verb}: {what}{self._place(error)}"

    def _place(self, error: BaseException) -> str:
        return place_of(error, self._options.target, __file__)


def _can_pass(error: Exception) -> bool:
    """Whether the same call may succeed later. Libraries raise lost connections and time-outs without an errno too."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError) and error.errno in TRANSIENT
