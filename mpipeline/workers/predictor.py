"""Frames in, findings out: a model family and a backend joined, or a backend that takes frames itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import Any, Protocol

import numpy as np

from mpipeline.backends.backend import Backend, FrameBackend
from mpipeline.errors import BackendError
from mpipeline.frame import Frame
from mpipeline.models.family import Family
from mpipeline.prediction import Findings
from mpipeline.tensor import Tensor


class Work:
    """Frames that are in the model. `ended` is called by the thread that is done with the last of them."""

    def __init__(self, parts: Sequence[Future[Sequence[Findings]]], ended: Callable[[], object] | None = None) -> None:
        self._parts = parts
        if ended is not None:
            last = _Last(len(parts), ended)  # knows nothing of the parts: they would wait for a garbage collection
            for part in parts:
                part.add_done_callback(last)

    def is_done(self) -> bool:
        """Whether `findings` need not wait."""
        return all(part.done() for part in self._parts)

    @classmethod
    def failed(cls, error: Exception | SystemExit) -> Work:
        """Work that could not be begun."""
        part: Future[Sequence[Findings]] = Future()
        part.set_exception(error)
        return cls([part])

    def findings(self) -> Sequence[Findings]:
        """What was found in each frame, in order; to be asked for once.

        Raises what the model raised, once nobody looks at pixels.
        """
        wait(self._parts)
        parts, self._parts = self._parts, ()  # whoever still has the work has neither pixels nor boxes by it
        try:
            return list(chain.from_iterable(map(Future.result, parts)))
        finally:
            del parts  # an error knows this frame


class _Last:
    """Counts down from `left`, called by any thread, and calls `ended` at zero."""

    def __init__(self, left: int, ended: Callable[[], object]) -> None:
        self._left = left
        self._ended = ended
        self._lock = threading.Lock()

    def __call__(self, _: object) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._ended()


class Predictor(Protocol):
    """What the inference loop calls. `max_batch` bounds the frames of one call."""

    max_batch: int

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None) -> Work:
        """Takes the frames in; they, and their pixels, are used until the work is done.

        A predictor without threads of its own is done when this returns; with threads, `ended` is as in Work.
        """

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame, in order."""

    def close(self) -> None:
        """Waits for what is being worked on, and gives the engine back. Work that has not had its turn is given up."""


class TensorPredictor:
    """Preprocesses into preallocated batches, runs the backend, postprocesses.

    With several `families`, which differ in nothing, there are as many threads, each with one of them, that share the
    frames out among them: engines on a processor lose much by working on one frame with several threads. Work may then
    be begun while other work goes on; it waits for its turn.
    """

    def __init__(self, families: Sequence[Family], backend: Backend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._backend = backend
        self._family = family = families[0]
        rows = max(max_batch, family.batch or 1)
        self._rows = math.ceil(rows / family.batch) * family.batch if family.batch else rows
        self._memory = getattr(backend, "input_memory", np.zeros)  # that of a GPU goes up from where it lies
        self._in_use: list[tuple[Work, Tensor]] = []  # the rows of all inputs, and the work that last had them
        constants: Mapping[str, Tensor] = getattr(family, "constants", {})
        self._constants = {name: np.repeat(row[None], self._rows, axis=0) for name, row in constants.items()}
        self._lanes = len(families)
        self._mine = threading.local()
        self._threads: ThreadPoolExecutor | None = None
        if self._lanes > 1:
            left = list(families)
            self._threads = ThreadPoolExecutor(self._lanes, "inference", lambda: self._take_family(left))

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None) -> Work:
        """As in Predictor."""
        size = self._family.batch or math.ceil(len(frames) / self._lanes)
        rows = self._free_rows()
        begin = self._threads.submit if self._threads is not None else at_once
        parts = []
        for start in range(0, len(frames), size):
            chunk = frames[start : start + size]
            parts.append(begin(self._infer, chunk, rows[start : start + (self._family.batch or len(chunk))]))
        work = Work(parts, ended if self._threads is not None else None)
        self._in_use.append((work, rows))
        return work

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        return self.begin(frames).findings()

    def close(self) -> None:
        """As in Predictor."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._in_use.clear()  # their memory may be the backend's, and go with it
        self._backend.close()

    def _free_rows(self) -> Tensor:
        """Rows for one batch which no work uses any more; as many are made as there is work at a time."""
        for index, (work, rows) in enumerate(self._in_use):
            if work.is_done():
                del self._in_use[index]
                return rows
        made: Tensor = self._memory((self._rows, *self._family.input_shape), np.dtype(self._family.input_dtype))
        return made

    def _take_family(self, left: list[Family]) -> None:
        self._mine.family = left.pop()

    def _infer(self, frames: Sequence[Frame], rows: Tensor) -> Sequence[Findings]:
        """What was found in frames that go into these rows, of which a model with a fixed batch has a few more."""
        family: Family = self._mine.family if self._threads is not None else self._family
        geometries = [family.preprocess(frame, row) for frame, row in zip(frames, rows, strict=False)]
        constants = {name: value[: len(rows)] for name, value in self._constants.items()}
        return family.postprocess(self._backend.run({family.input_name: rows, **constants}), geometries)


class FramePredictor:
    """Hands the frames to a backend that has a model or logic of its own."""

    def __init__(self, backend: FrameBackend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._backend = backend

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None) -> Work:
        """As in Predictor."""
        return Work([at_once(self.predict, frames)])

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        found = self._backend.infer(frames)
        if len(found) != len(frames):
            raise BackendError(f"the backend gave {len(found)} results for {len(frames)} frames")
        return found

    def close(self) -> None:
        """As in Predictor."""
        self._backend.close()


def at_once(infer: Callable[..., Sequence[Findings]], *arguments: Any) -> Future[Sequence[Findings]]:
    """What a thread would do, done by the caller's own."""
    done: Future[Sequence[Findings]] = Future()
    try:
        done.set_result(infer(*arguments))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - engines raise what they like, and call sys.exit
        done.set_exception(error)
    try:
        return done
    finally:
        del done  # the error knows this frame: they would wait for a garbage collection
