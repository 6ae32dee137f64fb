"""Frames in, findings out: a model family and a backend joined, or a backend that takes frames itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import Any, Protocol

from mpipeline.backends.backend import Backend, FrameBackend
from mpipeline.errors import BackendError, GpuLost
from mpipeline.frame import Frame
from mpipeline.prediction import Findings
from mpipeline.workers.ways import LetGo, RingMemory, Way

AHEAD, LIVE_AHEAD = 2, 1  # batches in the model


def keep(_: Sequence[Frame]) -> None:
    """Lets no frame go: whoever called keeps them until the work is done."""


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
        except BackendError:
            parts = [part for part in parts if isinstance(part.exception(), GpuLost)]
            list(map(Future.result, parts))  # that a GPU is lost tells more than what has failed because of it
            raise
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
    """What the inference loop calls. `max_batch` bounds the frames of one call.

    `ahead` is how many batches may be in it before the first is through; `live_ahead` likewise, where sources are live,
    of which newer frames may come that are chosen instead. `rings`, if it is not None, is to be told of the rings in
    which the frames lie.
    """

    max_batch: int
    ahead: int
    live_ahead: int
    rings: RingMemory | None

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None, let_go: LetGo = keep) -> Work:
        """Takes the frames in; they, and their pixels, are used until the work is done, or until it lets them go.

        A predictor without threads of its own is done when this returns; with threads, `ended` is as in Work.
        """

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """What was found in each frame, in order."""

    def close(self) -> None:
        """Waits for what is being worked on, and gives the engine back. Work that has not had its turn is given up."""


class TensorPredictor:
    """Lets `ways` infer that differ in nothing: a family and a backend joined.

    With several of them there are as many threads, each with one. Work may then be begun while other work goes on; it
    waits for its turn. `batch` is the model's own, if that is fixed.

    On a processor they share the frames out among them, since engines lose much by working on one frame with several
    threads. On a GPU, for which there are `rings`, each takes a whole batch, where its speed comes from: while one
    computes, the next goes up.
    """

    def __init__(
        self,
        ways: Sequence[Way],
        backend: Backend,
        max_batch: int,
        batch: int | None = None,
        rings: RingMemory | None = None,
    ) -> None:
        self.max_batch = max_batch
        self.ahead = AHEAD if rings is None else max(AHEAD, len(ways))
        self.live_ahead = LIVE_AHEAD if rings is None else min(AHEAD, len(ways))
        self.rings = rings
        self._ways = ways
        self._backend = backend
        self._batch = batch
        self._mine = threading.local()
        self._is_left = False
        self._threads: ThreadPoolExecutor | None = None
        if len(ways) > 1:
            left = list(ways)
            self._threads = ThreadPoolExecutor(len(ways), "inference", lambda: self._take_way(left))

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None, let_go: LetGo = keep) -> Work:
        """As in Predictor."""
        size = self._batch or (math.ceil(len(frames) / len(self._ways)) if self.rings is None else len(frames))
        begin = self._threads.submit if self._threads is not None else at_once
        # No name for the parts here: an error knows this frame, and they would wait for a garbage collection.
        return Work(
            [begin(self._infer, frames[at : at + size], let_go) for at in range(0, len(frames), size)],
            ended if self._threads is not None else None,
        )

    def predict(self, frames: Sequence[Frame]) -> Sequence[Findings]:
        """As in Predictor."""
        return self.begin(frames).findings()

    def close(self) -> None:
        """As in Predictor; harmless when repeated."""
        try:
            self.leave()
        finally:
            self._backend.close()

    def leave(self) -> None:
        """As `close`, but the engine stays, for another predictor."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        was_left, self._is_left = self._is_left, True
        if was_left:
            return
        for way in self._ways:
            way.close()
        if self.rings is not None:
            self.rings.close()

    def _take_way(self, left: list[Way]) -> None:
        self._mine.way = left.pop()

    def _infer(self, frames: Sequence[Frame], let_go: LetGo) -> Sequence[Findings]:
        way: Way = self._mine.way if self._threads is not None else self._ways[0]
        return way.infer(frames, let_go)


class FramePredictor:
    """Hands the frames to a backend that has a model or logic of its own."""

    ahead, live_ahead = AHEAD, LIVE_AHEAD
    rings: RingMemory | None = None

    def __init__(self, backend: FrameBackend, max_batch: int) -> None:
        self.max_batch = max_batch
        self._backend = backend

    def begin(self, frames: Sequence[Frame], ended: Callable[[], object] | None = None, let_go: LetGo = keep) -> Work:
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
