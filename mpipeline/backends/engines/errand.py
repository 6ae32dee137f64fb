"""The process that builds one engine: it is told what to build, tells how it goes, and gives what it has made.

It ends with the process that has started it, when its standard input ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpipeline.backends.engines.builder import build
from mpipeline.backends.engines.library import load_library
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.stages import Stage
from mpipeline.errors import EXIT_TEMPORARY, BackendError, MpipelineError

STAGE, DONE, FAILED = "stage", "done", "failed"
"""The first words of the lines that it writes, each a list in JSON."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be built. `gpu` is its number, None for none; `driver` the file of the NVIDIA driver's library."""

    model: Path
    recipe: Recipe
    flavour: str
    gpu: int | None = None
    capability: tuple[int, int] | None = None
    driver: str = ""

    def line(self) -> bytes:
        """As a line of JSON."""
        told = {**{name: getattr(self, name) for name in ("flavour", "gpu", "capability", "driver")}}
        return json.dumps({**told, "model": str(self.model), "recipe": self.recipe.to_mapping()}).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Errand:
        """Of what `line` gave."""
        told = json.loads(line)
        capability = told["capability"] and tuple(told["capability"])
        parts = {"model": Path(told["model"]), "recipe": Recipe.from_mapping(told["recipe"]), "capability": capability}
        return cls(**{**told, **parts})


def main(words: int, goods: int) -> None:
    """Does what standard input asks for. Lines go to the descriptor `words`; `goods` holds the timings, and gets the
    plan and the new timings, one after the other."""
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()

    def tell(word: str, *more: Any) -> None:
        with lock:
            os.write(words, json.dumps([word, *more]).encode() + b"\n")

    try:
        made = _made(Errand.of(line), goods, lambda stage: tell(STAGE, stage.text, stage.share))
    except MpipelineError as error:
        tell(FAILED, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        tell(FAILED, BackendError.__name__, f"{type(error).__name__}: {error}")
    else:
        tell(DONE, made)


def _made(errand: Errand, goods: int, tell: Any) -> Mapping[str, Any]:
    """Builds; returns what is told of the engine."""
    tell(Stage("loading the library"))
    library = load_library(errand.flavour)
    if errand.gpu is not None:
        _enter(errand.gpu, errand.driver)
    with os.fdopen(goods, "r+b", closefd=False) as file:
        timings = file.read()
        built = build(library, errand.model, errand.recipe, timings, errand.capability, tell)
        file.seek(0)
        file.truncate()
        file.writelines((built.plan, built.timing))
    return {
        "plan": len(built.plan),
        "metadata": built.metadata,
        "tensors": built.tensors,
        "notes": built.notes,
    }


def _enter(number: int, driver: str) -> None:
    """Makes that GPU the one that the library uses, through the context that all libraries in a process share."""
    import ctypes

    library, device, context = ctypes.CDLL(driver), ctypes.c_int(), ctypes.c_void_p()

    codes = (
        library.cuInit(0),
        library.cuDeviceGet(ctypes.byref(device), number),
        library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device),
        library.cuCtxSetCurrent(context),
    )
    if any(codes):
        raise BackendError(f"GPU {number} cannot be used: CUDA errors {', '.join(map(str, codes))}")


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not by Python's own buffer, which would be held at the end of the process
        pass
    os._exit(EXIT_TEMPORARY)
