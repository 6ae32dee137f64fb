"""Your own Python in place of a model: frames in, findings out."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.results import ResultReader
from mpipeline.errors import BackendError, ConfigError
from mpipeline.frame import Frame
from mpipeline.prediction import Findings
from mpipeline.registry import suggestion
from mpipeline.tensor import ModelInfo


class PythonBackend:
    """Calls `options.target`, "module:attribute", with a list of frames; the current directory can be imported from.

    The attribute is a callable that takes `list[Frame]`, or a class that is made without arguments (with `device`, if
    one is chosen and it takes that) and has `infer(frames)` or `__call__(frames)`, and, if it likes, `open()` and
    `close()`. It returns one result for each frame, in order; the forms of a result stand in `backends.results`. Planes
    of a frame must not be kept after the call; `frame.bgr()` gives pixels that may. If it has `names`, a sequence or a
    mapping of numbers, these are the names of the classes.
    """

    takes: ClassVar[str] = "frames"

    def __init__(self, options: BackendOptions) -> None:
        self._target, self._device = options.target, options.device
        self._subject: Any = None
        self._infer: Callable[[list[Frame]], Any] | None = None
        self._reader = ResultReader(self._target, {})

    def open(self) -> ModelInfo:
        """Imports, makes and opens the target. Raises ConfigError if it is not there, BackendError if it fails."""
        found = _imported(self._target)
        self._subject = self._guarded("making it", lambda: self._made(found)) if isinstance(found, type) else found
        if hasattr(self._subject, "open"):
            self._guarded("open()", self._subject.open)
        infer = getattr(self._subject, "infer", self._subject)
        if not callable(infer):
            kind = type(self._subject).__name__
            raise ConfigError(f"{self._target} is {kind}: it has neither infer(frames) nor __call__(frames)")
        self._infer = infer
        self._reader = ResultReader(self._target, _names(getattr(self._subject, "names", None)))
        return ModelInfo((), ())

    def infer(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame. Raises BackendError if the target fails, or returns what is no result."""
        infer = self._infer
        if infer is None:
            raise BackendError(f"{self._target} was not opened, or is closed")
        results = self._guarded("the call", lambda: infer(list(frames)))
        return self._reader.read(results, len(frames))

    def close(self) -> None:
        """Calls the target's `close()`, once."""
        subject, self._subject, self._infer = self._subject, None, None
        if subject is not None and hasattr(subject, "close"):
            self._guarded("close()", subject.close)

    def _made(self, kind: Callable[..., Any]) -> Any:
        return kind(device=self._device) if self._device != "auto" and _takes_device(kind) else kind()

    def _guarded(self, what: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:
            raise BackendError(f"{self._target}: {what} raised {type(error).__name__}: {error}") from error


def _takes_device(kind: Callable[..., Any]) -> bool:
    """Whether it names a parameter `device`, for what `model.device` says."""
    try:
        return "device" in inspect.signature(kind).parameters
    except (TypeError, ValueError):  # of a class that is not written in Python
        return False


def _imported(target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"backend python needs a target of the form module:attribute, not {target!r}")
    directory = os.getcwd()
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(f"{target}: module {module_name} needs {error.name}, which is not installed") from error
        raise ConfigError(
            f"{target}: there is no module {module_name}, neither installed nor in {directory}"
        ) from error
    except Exception as error:
        raise BackendError(f"{target}: importing {module_name} raised {type(error).__name__}: {error}") from error
    subject: Any = module
    for name in attribute.split("."):
        if not hasattr(subject, name):
            public = [each for each in vars(subject) if not each.startswith("_")]
            raise ConfigError(f"{target}: {module_name} has no {name}{suggestion(name, public)}")
        subject = getattr(subject, name)
    return subject


def _names(value: Any) -> dict[int, str]:
    if isinstance(value, Mapping):
        return {int(key): str(name) for key, name in value.items()}
    if isinstance(value, (list, tuple)):
        return {i: str(name) for i, name in enumerate(value)}
    return {}
