"""The one thread that works on a GPU: others hand it work, and wait for what the GPU makes of it.

CUDA objects belong to the thread of their birth, and a context is current on one thread at a time. The thread itself
never waits for a piece of work while another might be handed in, so that several are under way on the GPU.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from mpipeline.cuda.driver import Event, Gpu
from mpipeline.errors import BackendError, GpuLost

logger = logging.getLogger("mpipeline.inference")

Result = TypeVar("Result")
_Job = tuple[Callable[[Gpu], Any], bool, "Future[Any]"]  # what to call, whether it returns an event to wait for
_Tell = Callable[[BaseException | None], object]  # what to call when an event is past, with what went wrong

_LOST = "the GPU has failed for this process"  # CUDA clears no error of what it has executed
_LOOK_S = 0.0002  # how often it looks whether work on the GPU is done, while more may be handed in


class GpuThread:
    """Opens a GPU on a thread of its own and enters it; `at_once` threads at most will call `finish` together.

    Raises what `open_gpu` or entering raises.
    """

    def __init__(self, open_gpu: Callable[[], Gpu], at_once: int = 1) -> None:
        self._open_gpu = open_gpu
        self._at_once = at_once
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._under_way: deque[_Mark] = deque()
        self._closing = threading.Lock()
        self._closed = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(opened,), name="gpu", daemon=True)
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self._closed = True
            self._thread.join()
            raise

    def call(self, work: Callable[[Gpu], Result]) -> Result:
        """What `work` returns or raises, called on the thread."""
        result: Result = self._handed_in(work, False)
        return result

    def finish(self, work: Callable[[Gpu], Event]) -> None:
        """Calls `work` on the thread, which puts something into a stream and an event behind it; waits for that event.

        What others hand in meanwhile is put into their streams. Raises what `work` or waiting raises.
        """
        self._handed_in(work, True)

    def when(self, event: Event, tell: Callable[[BaseException | None], object]) -> None:
        """Calls `tell` on the thread when the event is past, with what went wrong before it.

        To be called on the thread. Of events in one stream the earlier is told first, also before `finish` returns. If
        it is called by work that raises then, nothing of which may be under way any more, that error is told instead.
        """
        self._under_way.append(_Mark(event, tell))

    def close(self) -> None:
        """Leaves the GPU when all that was handed in is done; harmless when repeated."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _handed_in(self, work: Callable[[Gpu], Any], waits: bool) -> Any:
        done: Future[Any] = Future()
        with self._closing:
            if self._closed:
                raise BackendError("the GPU was left: what used it is closed")
            self._jobs.put((work, waits, done))
        try:
            return done.result()
        finally:
            del work, done  # an error that is kept must not keep what was handed in

    def _serve(self, opened: Future[None]) -> None:
        try:
            with self._open_gpu() as gpu:
                opened.set_result(None)
                self._work(gpu)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            if opened.done():
                logger.warning("leaving the GPU failed: %s", error, extra={"event": "gpu_left"})
            else:
                opened.set_exception(error)

    def _work(self, gpu: Gpu) -> None:
        """Until it is told to end, and nothing is under way any more."""
        while True:
            try:
                job = self._jobs.get(timeout=_LOOK_S) if self._under_way else self._jobs.get()
            except queue.Empty:
                job = None
            else:
                if job is None:
                    break
                self._begin(gpu, job)
                job = None  # what it was called with may be much
            self._collect(wait=sum(mark.awaited for mark in self._under_way) >= self._at_once)
        while self._under_way:
            self._collect(wait=True)

    def _begin(self, gpu: Gpu, job: _Job) -> None:
        work, waits, done = job
        before = len(self._under_way)
        try:
            result = work(gpu)
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was handed in
            while len(self._under_way) > before:
                self._under_way.pop().told(error)
            done.set_exception(error)
            del job, work, done  # the error knows this frame: they would wait for a garbage collection
            return
        if waits:
            self._under_way.append(_Mark(result, partial(_resolve, done), awaited=True))
        else:
            done.set_result(result)

    def _collect(self, *, wait: bool) -> None:
        """Tells of all that is past; with `wait` it waits for the oldest, when nobody is left to hand in more."""
        if wait and self._under_way:
            mark = self._under_way.popleft()
            mark.told(_past(mark.event, wait=True).error)
        # The latest is asked first: what is found to be past has then all before it in its stream told before it.
        asked = [(mark, _past(mark.event, wait=False)) for mark in reversed(self._under_way)]
        for mark, past in reversed(asked):
            if past.is_past:
                self._under_way.remove(mark)
                mark.told(past.error)


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """An event, and what to call when it is past; `awaited`: by somebody who hands in nothing meanwhile."""

    event: Event
    tell: _Tell
    awaited: bool = False

    def told(self, error: BaseException | None) -> None:
        """Tells, and goes on whatever comes of it: others wait for this thread."""
        try:
            self.tell(error)
        except Exception:
            logger.exception("what was done with the GPU cannot be told", extra={"event": "gpu_untold"})


@dataclass(frozen=True, slots=True)
class _Past:
    """Whether an event is past, and what went wrong before it, if anything."""

    is_past: bool
    error: BaseException | None = None


def _past(event: Event, *, wait: bool) -> _Past:
    try:
        if not wait:
            return _Past(event.query())
        event.synchronize()
    except BackendError as error:
        return _Past(True, GpuLost(f"{_LOST}: {error}"))
    except BaseException as error:  # noqa: BLE001 - it is raised where the work was handed in
        return _Past(True, error)
    return _Past(True)


def _resolve(done: Future[Any], error: BaseException | None) -> None:
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
