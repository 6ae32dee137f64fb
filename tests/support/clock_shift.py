"""A wall clock for commands that a test can set back and forth while they run; see clock_shift.cpp."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".cpp")


class WallClock:
    """The shim, built in `folder`; `environment` makes a command and all its children use it."""

    def __init__(self, folder: Path) -> None:
        library = folder / "clock_shift.so"
        compiler = os.environ.get("CXX", "c++")  # the same that builds the native part
        subprocess.run([compiler, "-std=c++17", "-O1", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
        self._file = folder / "clock"
        self.environment = {"LD_PRELOAD": str(library), "MPIPELINE_TEST_CLOCK": str(self._file)}

    def shift(self, seconds: int) -> None:
        """From now on, or a fiftieth of a second later, the wall clock is off by so many seconds."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._file)
