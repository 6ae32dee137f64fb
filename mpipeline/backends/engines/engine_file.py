"""Where an engine is kept, and whether what is kept there is what is wanted.

    FOLDER/CASE.engine      a kept file (`kept`): its line of JSON tells the case, the model's metadata and the build
    FOLDER/CASE.lock        held while it is being built
    FOLDER/CASE.timings     what builds with one library on one GPU have learnt, of all models
    FOLDER/CASE.kernels     what TensorRT-RTX has compiled of an engine on its GPU

CASE is a digest of all on which it depends. The same stands in the file, so that one that was copied from another
machine and renamed is not taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpipeline.backends import kept
from mpipeline.backends.engines.library import Library
from mpipeline.backends.engines.onnx_model import content_digest
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.cuda.driver import DeviceFacts

ENGINES = "engines"
"""The folder for them below the one for all backends."""

_FORM = 1  # raised when engines that an earlier version has built no longer count
_ENGINE, _TIMINGS, _KERNELS, _LOCK = ".engine", ".timings", ".kernels", ".lock"


@dataclass(frozen=True, slots=True)
class Request:
    """An engine that is wanted. `gpu` is None for one that is built without a GPU, which only TensorRT-RTX can."""

    model: Path
    recipe: Recipe
    library: Library
    gpu: DeviceFacts | None

    def case(self) -> dict[str, Any]:
        """All on which the engine depends, as JSON can say it. Reads the model. Raises OSError, ModelError."""
        recipe = json.loads(json.dumps(self.recipe.to_mapping()))  # lists for tuples, as they come back
        return {"form": _FORM, "model": content_digest(self.model), "recipe": recipe, **self.surroundings()}

    def surroundings(self) -> dict[str, Any]:
        """The part that is the same for all models: library and GPU with its driver."""
        return {"library": [self.library.flavour, self.library.version], "gpu": gpu_case(self.gpu)}


class EngineFile:
    """The place in a folder for the engine of one case."""

    def __init__(self, folder: Path, case: Mapping[str, Any]) -> None:
        self.case = dict(case)
        self.path = folder / f"{_digest(self.case)}{_ENGINE}"
        self.lock = self.path.with_suffix(_LOCK)

    @property
    def is_there(self) -> bool:
        """Whether there is a file, good or not."""
        return self.path.exists()

    def load(self) -> tuple[dict[str, Any], bytes] | None:
        """What is told of the engine, and the engine; None if there is none, it is damaged, or it is another's."""
        found = kept.read(self.path)
        if found is None or found[0].get("case") != self.case:
            return None
        kept.note_use(self.path)
        return found

    def keep(self, told: Mapping[str, Any], plan: bytes) -> None:
        """Writes it, in place of an earlier one, by who holds the lock. Raises OSError."""
        for beside in self.path.parent.glob(f"{self.path.stem}.*"):
            if beside.suffix[1:].isdecimal():  # of a process that was killed while it wrote
                beside.unlink(missing_ok=True)
        kept.write(self.path, {"case": self.case, **told}, plan)


@dataclass(frozen=True, slots=True)
class LearntFile:
    """The place for what the library has learnt beside engines; `told` says what it is about."""

    path: Path
    told: Mapping[str, Any]

    @classmethod
    def of_builds(cls, folder: Path, surroundings: Mapping[str, Any]) -> LearntFile:
        """How long kernels take, of all engines that are built in these surroundings."""
        return cls(folder / f"{_digest(surroundings)}{_TIMINGS}", surroundings)

    @classmethod
    def of_runs(cls, engine: Path, case: Mapping[str, Any]) -> LearntFile:
        """The kernels of that engine, compiled."""
        return cls(engine.with_suffix(_KERNELS), {"case": case})

    def load(self) -> bytes:
        """What is known; nothing if there is no file, a damaged one, or one about something else."""
        found = kept.read(self.path)
        return found[1] if found is not None and found[0] == self.told else b""

    def keep(self, content: bytes) -> None:
        """Writes it. Raises OSError."""
        kept.write(self.path, self.told, content)


@dataclass(frozen=True, slots=True)
class KeptEngine:
    """A file in the folder, as it tells of itself; `told` is None for one that is damaged."""

    path: Path
    bytes: int
    told: Mapping[str, Any] | None

    def stale(self, library: list[str] | None, gpu: Mapping[str, Any] | None) -> str:
        """Why it cannot be of use any more; empty if it can.

        `library` and `gpu` are those of today, as in a case; of what is None nothing is known, so it is not judged by.
        """
        if self.told is None:
            return "damaged"
        case = self.told["case"]
        if case.get("form") != _FORM:
            return "of another version of mpipeline"
        if case["recipe"].get("version_compatible"):  # of use to later versions and drivers, for who names its file
            return ""
        if library is not None and case["library"] != library:
            return f"of {' '.join(case['library'])}"
        is_of_another = gpu is not None and case["gpu"] not in (None, gpu)
        return "of another GPU or driver" if is_of_another else ""


def everything(folder: Path) -> list[KeptEngine]:
    """All engine files of a folder, those that were used last first; reads all of each."""
    paths = sorted(folder.glob(f"*{_ENGINE}"), key=kept.last_use, reverse=True)
    return [KeptEngine(path, size, _told(path)) for path in paths if (size := _size(path)) is not None]


def beside_engines(folder: Path) -> list[Path]:
    """Files in the folder that are no engines: what was learnt, locks, and what is half-written."""
    return sorted(path for path in folder.glob("*") if path.is_file() and path.suffix != _ENGINE)


def is_abandoned(path: Path) -> bool:
    """Whether it was half-written by a process that is dead."""
    number = path.suffix[1:]
    return number.isdecimal() and not Path("/proc", number).exists()


def is_of_none(path: Path, going: Collection[Path]) -> bool:
    """Whether it holds compiled kernels of an engine that is gone, or one of those that go."""
    engine = path.with_suffix(_ENGINE)
    return path.suffix == _KERNELS and (engine in going or not engine.exists())


def _told(path: Path) -> Mapping[str, Any] | None:
    found = kept.read(path)
    return found[0] if found is not None else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # removed by another process
        return None


def gpu_case(gpu: DeviceFacts | None) -> dict[str, Any] | None:
    """The part of a case that a GPU makes; None for none."""
    if gpu is None:
        return None
    return {"name": gpu.name, "capability": list(gpu.compute_capability), "driver": list(gpu.driver_version)}


def _digest(case: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:32]
