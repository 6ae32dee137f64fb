"""A program of the tests' own in another process: it runs while a block does, and can be killed in it."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

_TESTS = Path(__file__).resolve().parents[1]
Self = TypeVar("Self", bound="Killable")


class Killable(ABC):
    """A context manager around one process, which `start` makes."""

    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @abstractmethod
    def start(self) -> None:
        """Starts it; it may have been killed before."""

    def kill(self) -> None:
        """SIGKILL; harmless when repeated."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def of_support(module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Starts `python -m support.MODULE`."""
    paths = os.pathsep.join([str(_TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", f"support.{module}", *arguments]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.DEVNULL, **options)
