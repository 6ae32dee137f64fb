"""Joins a running pipeline from a program of one's own: predictions with their frames, pixels without a copy."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.config.environment import run_root
from mpipeline.errors import MpipelineError, RunNotFound
from mpipeline.frame import Frame
from mpipeline.messages import (
    Bye,
    Hello,
    PredictionReady,
    Refused,
    RingDamaged,
    Role,
    Start,
)
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.transport import channel, run_directory
from mpipeline.workers.read_rings import AttachedRing, ReadRings
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import from_wire

logger = logging.getLogger("mpipeline.attached")

_CREDIT = 4  # what waits here keeps its slot
_WAIT_S = 0.25
_HANDSHAKE_S = 10.0
_RING_WAIT_NS = NS_PER_S
_REMEMBERED = 64  # rings that were read


def attach(run: str = "run", *, frames: bool = True, name: str | None = None, root: Path | None = None) -> Attachment:
    """Joins the run named `run` on this machine; iterate over the result for `(prediction, frame)`.

    The program may come, go, or be killed at any time: the pipeline does not wait for it. What it is too slow for is
    dropped, oldest first, and counted; the gap shows in the frame ids. `frame` is None with `frames=False`, and when
    its pixels had to be given up; it is valid until the next turn of the loop, `frame.bgr()` gives a copy to keep.

    Raises RunNotFound if no such run is alive.
    """
    return Attachment(run, frames, name or f"{Path(sys.argv[0]).stem or 'program'}-{os.getpid()}", root or run_root())


class Attachment:
    """Made by `attach`: an iterator and a context manager. Ends when the run does."""

    def __init__(self, run: str, frames: bool, name: str, root: Path) -> None:
        self._root = root
        self._run = run
        endpoints = run_directory.find(root, run)
        self._incarnation = run_directory.incarnation(root, run)
        self._clock = SystemClock()
        self._context = channel.context()
        identity = f"attached:{name}#{uuid.uuid4().hex[:12]}"  # one process may attach more than once
        self._control = channel.connect_control(self._context, endpoints.control, identity)
        self._poller = channel.Poller()
        self._poller.add(self._control)
        self._rings = ReadRings(self._tell, begin=self._note)
        self._read: deque[str] = deque(maxlen=_REMEMBERED)  # segments
        self._lease: Lease | None = None
        self._over = False
        self._predictions: channel.Peer | None = None
        self._control.send(Hello(Role.ATTACHED, name, 1, os.getpid(), wants_frames=frames))
        try:
            start = self._await_start()
        except BaseException:
            self.close()
            raise
        self._bit: int = start.spec["bit"]
        self._predictions = channel.connect_predictions(self._context, start.spec["predictions"], identity)
        self._poller.add(self._predictions)
        self._subscription = Subscription(name, 1, _CREDIT, self._predictions.send)

    def __iter__(self) -> Iterator[tuple[Prediction, Frame | None]]:
        try:
            while (message := self._next()) is not None:
                self._lease = self._borrow(message)
                yield from_wire(message), self._lease.frame if self._lease is not None else None
                self._return(message)
        finally:
            self.close()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the run; harmless when repeated."""
        if self._context.closed:
            return
        if self._lease is not None:
            self._lease.release()
        self._rings.close()
        self._control.send(Bye())
        self._control.close()
        if self._predictions is not None:
            self._predictions.close(linger_ms=0)
        self._context.term()

    def _next(self) -> PredictionReady | None:
        """The next prediction; None when the run is over."""
        assert self._predictions is not None
        while not self._over:
            now = self._clock.monotonic_ns()
            if (message := self._predictions.receive()) is not None:
                delivery = self._subscription.receive(message)
                if isinstance(delivery, PredictionReady):
                    return delivery
                if delivery is not None:
                    self._subscription.done(delivery.source, 0)
                continue
            self._subscription.report(now, idle=True)
            self._listen()
            if not self._over and not self._poller.wait(_WAIT_S) and self._is_gone():
                return None
        return None

    def _is_gone(self) -> bool:
        """Whether the run was killed; another one may bear its name already."""
        return run_directory.incarnation(self._root, self._run) != self._incarnation

    def _return(self, message: PredictionReady) -> None:
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        self._subscription.done(message.frame.source, message.frame.frame_id)
        self._subscription.report(self._clock.monotonic_ns())
        self._listen()

    def _borrow(self, message: PredictionReady) -> Lease | None:
        if message.ref is None:
            return None
        ring, source = message.ref.ring, message.frame.source
        deadline = self._clock.monotonic_ns() + _RING_WAIT_NS
        while self._rings.may_come(source, ring) and not self._over:
            if self._clock.monotonic_ns() >= deadline:
                break
            self._poller.wait(_WAIT_S)
            self._listen()
        return self._rings.acquire(message.ref)

    def _listen(self) -> None:
        for message in self._control.arrived():
            self._rings.obey(message, self._bit)
            self._over = self._over or isinstance(message, Bye)
        self._rings.try_again()

    def _note(self, ring: AttachedRing) -> None:
        self._read.append(ring.reader.descriptor.segment)

    def _tell(self, damage: RingDamaged) -> None:
        """The run makes the source another ring; until then its frames are None here.

        What cannot even be attached to is not reported: the supervisor sees such damage for itself, and else it is this
        program that does not fit, by its version for instance. No source may begin anew for that.
        """
        fields = {"event": "ring_damaged", "source": damage.source}
        logger.warning("%s: no pixels for a while: %s", damage.source, damage.detail, extra=fields)
        if damage.segment in self._read:
            self._control.send(damage)

    def _await_start(self) -> Start:
        deadline = self._clock.monotonic_ns() + int(_HANDSHAKE_S * NS_PER_S)
        while self._clock.monotonic_ns() < deadline:
            self._poller.wait(_WAIT_S)
            message = self._control.receive()
            if isinstance(message, Start):
                return message
            if isinstance(message, Refused):
                raise MpipelineError(f"run {self._run!r} refused: {message.message}")
        raise RunNotFound(f"run {self._run!r} does not answer")
