"""Gives the engine of a model: the one that is kept, or a new one, which is built once however many ask for it."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpipeline.backends.engines.apart import build_apart
from mpipeline.backends.engines.builder import Built
from mpipeline.backends.engines.engine_file import EngineFile, LearntFile, Request
from mpipeline.backends.engines.errand import Errand
from mpipeline.backends.engines.library import FLAVOURS
from mpipeline.backends.engines.names import TENSORRT
from mpipeline.backends.engines.stages import Stage
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.cuda.probe import DRIVER_LIBRARY
from mpipeline.errors import BackendError

logger = logging.getLogger("mpipeline.inference")

Tell = Callable[[str], object]
"""Told what is being done, in a few words, once a second at least, while an engine is built or waited for."""

_LINE_NS = 10 * NS_PER_S
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, and what is known of it: `metadata` is the model's own, `told` all that stands in its file.

    `path` is None if it could not be kept. `built` says whether it was built now, `seconds` how long that took.
    """

    plan: bytes
    metadata: Mapping[str, str]
    told: Mapping[str, Any]
    path: Path | None
    built: bool = False
    seconds: float = 0.0


def engine_for(
    request: Request,
    folder: Path | None,
    tell: Tell = lambda text: None,
    *,
    fresh: bool = False,
    clock: Clock | None = None,
) -> Engine:
    """The engine that is asked for, from the folder, or built now in a process of its own and kept there.

    `folder` None: nothing is kept. `fresh`: one that is kept does not count, as after the library has refused it. A
    folder that cannot be written costs the next build, and no error. Raises ModelError if there can be no such engine,
    BackendError if the library or the GPU fails, OSError if the model cannot be read.
    """
    watch = _Watch(request, tell, clock if clock is not None else SystemClock())
    if request.gpu is None and request.library.flavour == TENSORRT:
        raise BackendError(f"{FLAVOURS[TENSORRT]} builds engines on the GPU that they are for: none was named")
    if folder is None:
        return _engine(_build(request, b"", watch), request.case(), None, watch)
    file = EngineFile(folder, request.case())
    kept = None if fresh else _kept(file)
    if kept is None and file.is_there and not fresh:
        text = "the engine in %s is damaged, or of another machine: it is built anew"
        logger.warning(text, file.path, extra={"event": "engine_refused"})
    if kept is not None:
        return kept
    try:
        with _locked(file.lock, watch):
            kept = None if fresh and not watch.has_waited else _kept(file)  # meanwhile by another process
            return kept if kept is not None else _built_and_kept(request, file, watch)
    except _NoLock as error:
        logger.warning("engines cannot be kept: %s", error, extra={"event": "engine_not_kept"})
    return _engine(_build(request, b"", watch), file.case, None, watch)


def _kept(file: EngineFile) -> Engine | None:
    found = file.load()
    if found is None:
        return None
    told, plan = found
    logger.debug("the engine is in %s", file.path, extra={"event": "engine_found"})
    return Engine(plan, told["metadata"], told, file.path)


def _built_and_kept(request: Request, file: EngineFile, watch: _Watch) -> Engine:
    timings = LearntFile.of_builds(file.path.parent, request.surroundings())
    built = _build(request, timings.load(), watch)
    engine = _engine(built, file.case, file.path, watch)
    try:
        file.keep(engine.told, built.plan)
        if built.timing:
            timings.keep(built.timing)
    except OSError as error:
        text = "the engine of %s is not kept, so the next start builds it again: %s"
        logger.warning(text, request.model, error, extra={"event": "engine_not_kept"})
        if not file.is_there:
            return Engine(built.plan, built.metadata, engine.told, None, True, engine.seconds)
    return engine


def _build(request: Request, timing: bytes, watch: _Watch) -> Built:
    gpu = request.gpu
    where = f"for {gpu.name}" if gpu is not None else "for any GPU from Ampere on"
    fields = {"event": "engine_building", "model": str(request.model), "precision": request.recipe.precision}
    text = "building engine of %s in %s by %s, %s; this is done once, and may take minutes"
    logger.info(text, request.model, request.recipe.precision, request.library, where, extra=fields)
    capability = gpu.compute_capability if gpu is not None else None
    number = (
        gpu.index if gpu is not None and request.library.flavour == TENSORRT else None
    )  # the other needs none for it
    errand = Errand(
        request.model.absolute(), request.recipe, request.library.flavour, number, capability, DRIVER_LIBRARY
    )
    built = build_apart(errand, timing, watch.stage)
    for note in built.notes:
        logger.info("%s: %s", request.model, note, extra={"event": "engine_note"})
    fields = {"event": "engine_built", "model": str(request.model), "seconds": f"{watch.seconds:.1f}"}
    mebibytes = len(built.plan) / (1 << 20)
    logger.info("built the engine, %.1f MiB, in %.1f s", mebibytes, watch.seconds, extra=fields)
    return built


def _engine(built: Built, case: Mapping[str, Any], path: Path | None, watch: _Watch) -> Engine:
    told = {
        "case": case,
        "name": watch.name,
        "built": watch.moment,
        "seconds": round(watch.seconds, 2),
        "tensors": built.tensors,
        "notes": built.notes,
        "metadata": built.metadata,
    }
    return Engine(built.plan, built.metadata, told, path, True, watch.seconds)


class _Watch:
    """Tells those who wait how it goes, and the log every few seconds."""

    def __init__(self, request: Request, tell: Tell, clock: Clock) -> None:
        self.name = request.model.name
        self.has_waited = False
        self._tell = tell
        self._clock = clock
        self._began_ns = clock.monotonic_ns()
        self._line_ns = self._began_ns + _LINE_NS

    @property
    def seconds(self) -> float:
        """Since it was asked for."""
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S

    @property
    def moment(self) -> float:
        """Seconds since 1970."""
        return self._clock.wall_ns() / NS_PER_S

    def stage(self, stage: Stage) -> None:
        """So far has the build come."""
        share = f", {100 * stage.share:.0f} %" if stage.share is not None else ""
        self._say(f"building engine of {self.name}: {stage.text}{share}, {self.seconds:.0f} s so far")

    def wait(self) -> None:
        """Another process is building it."""
        self.has_waited = True
        self._say(f"another process is building the engine of {self.name}: waiting for it, {self.seconds:.0f} s so far")
        self._clock.sleep(_LOOK_S)

    def _say(self, text: str) -> None:
        self._tell(text)
        now = self._clock.monotonic_ns()
        if now >= self._line_ns:
            self._line_ns = now + _LINE_NS
            logger.info("%s", text, extra={"event": "engine_building"})


class _NoLock(Exception):
    """The folder cannot be written."""


@contextmanager
def _locked(path: Path, watch: _Watch) -> Iterator[None]:
    """One process at a time; the kernel gives the lock back, however a process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise _NoLock(str(error)) from error
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                watch.wait()
            except OSError as error:  # a file system without locks
                raise _NoLock(str(error)) from error
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a fork that this program has made meanwhile would keep it
