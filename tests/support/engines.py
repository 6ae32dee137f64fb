"""Engines that a stand-in for the library builds: how it is told what to do, and a program that asks for one.

python -m support.engines MODEL FOLDER     prints one line of JSON: whether it was built, kept, and its digest
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.leftovers import wait_until

from mpipeline.backends.engines.builder import Built, build
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.errand import Errand
from mpipeline.backends.engines.library import Library
from mpipeline.backends.engines.names import TENSORRT_RTX
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.stages import Stage
from mpipeline.backends.engines.supply import engine_for

_TESTS = Path(__file__).resolve().parents[1]
STAND_IN = Path(__file__).with_name("stand_in_library")


class StandIn:
    """The library in a test, with a folder in which files say what it does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        monkeypatch.setenv("STAND_IN_LIBRARY", str(folder))
        monkeypatch.syspath_prepend(str(STAND_IN))  # for the processes that build
        self.module = _module()
        monkeypatch.setitem(sys.modules, TENSORRT_RTX, self.module)
        self._monkeypatch = monkeypatch

    def builds_here(self) -> None:
        """Builds take place in this process, which is quicker; that they need one of their own is for other tests."""
        self._monkeypatch.setattr("mpipeline.backends.engines.supply.build_apart", self._build)

    def _build(self, errand: Errand, timing: bytes, tell: Callable[[Stage], None]) -> Built:
        return build(self.library, errand.model, errand.recipe, timing, errand.capability, tell)

    @property
    def library(self) -> Library:
        return Library(self.module, TENSORRT_RTX)

    def say(self, word: str, text: str = "") -> None:
        """From now on it does so."""
        (self.folder / word).write_text(text)

    def unsay(self, word: str) -> None:
        (self.folder / word).unlink()

    def builds(self) -> list[int]:
        """The process of each build so far."""
        path = self.folder / "builds"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for_builds(self, count: int) -> None:
        wait_until(lambda: len(self.builds()) == count, f"{count} builds", lambda: str(self.builds()))

    def wait_for_the_end_of_builds(self) -> None:
        wait_until(lambda: not any(map(psutil.pid_exists, self.builds())), "the end of the processes that build")

    def program(self, model: Path, folder: Path, prefix: list[str] | None = None) -> subprocess.Popen[str]:
        """A process that asks for an engine."""
        paths = os.pathsep.join([str(STAND_IN), str(_TESTS)])
        return subprocess.Popen(
            [*(prefix or []), sys.executable, "-m", "support.engines", str(model), str(folder)],
            cwd=self.folder,  # not the source tree, which lacks the compiled module
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _module() -> object:
    spec = importlib.util.spec_from_file_location(TENSORRT_RTX, STAND_IN / f"{TENSORRT_RTX}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(model: str, folder: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(event)s %(message)s")
    request = Request(Path(model), Recipe(), Library(_module(), TENSORRT_RTX), None)
    told: list[str] = []

    def tell(text: str) -> None:
        if text.startswith("another") and not told:
            told.append(text)
            logging.getLogger("mpipeline").info("waits", extra={"event": "waits"})

    engine = engine_for(request, Path(folder), tell)
    digest = hashlib.sha256(engine.plan).hexdigest()
    print(json.dumps({"built": engine.built, "kept": engine.path is not None, "digest": digest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
