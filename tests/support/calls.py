"""Counts the calls of the package's own Python functions: the same number on every machine, whatever else it does."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType, TracebackType
from typing import Any

_PACKAGE = "mpipeline."
_NOT_COUNTED = ("mpipeline.testing.",)  # what stands in for something else
_INLINED = ("<listcomp>", "<setcomp>", "<dictcomp>")  # functions of their own before Python 3.12 only


class CallCounter:
    """While it is entered, `calls` grows by each call, "workers.decoder: step" for a function of that module.

    It can be entered again and again. What the package calls of the tests, such as a list that stands for a socket, is
    left out with all that is called from there.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._outside = 0  # how deep in the stack something stands in

    def __enter__(self) -> CallCounter:
        self._outside = 0
        self._before = sys.getprofile()
        sys.setprofile(self._heard)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.setprofile(self._before)

    def _heard(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and self._outside:
            self._outside -= 1
        if event != "call":
            return
        caller = frame.f_back
        if self._outside or (not _is_own(frame) and caller is not None and _is_own(caller)):
            self._outside += 1
        elif _is_own(frame) and frame.f_code.co_name not in _INLINED:
            module = str(frame.f_globals["__name__"]).removeprefix(_PACKAGE)
            self.calls[f"{module}: {frame.f_code.co_name}"] += 1


def _is_own(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.startswith(_PACKAGE) and not module.startswith(_NOT_COUNTED)
