"""Joins a running pipeline from a program of one's own: predictions with their frames, pixels without a copy."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
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
    RingAttached,
    RingDamaged,
    Role,
    Start,
)
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.transport import channel, run_directory
from mpipeline.workers.feeds import Feed
from mpipeline.workers.read_rings import AttachedRing, ReadRings
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import from_wire

logger = logging.getLogger("mpipeline.attached")

_CREDIT = 4  # what waits here keeps its slot
_WAIT_S = 0.25
_HANDSHAKE_S = 10.0
_RING_WAIT_NS = NS_PER_S
_REMEMBERED = 64  # rings that were read


def attach(
    run: str = "run",
    *,
    frames: bool = True,
    models: Sequence[str] = (),
    name: str | None = None,
    root: Path | None = None,
) -> Attachment:
    """Joins the run named `run` on this machine; iterate over the result for `(prediction, frame)`.

    The program may come, go, or be killed at any time: the pipeline does not wait for it. What it is too slow for is
    dropped, oldest first, and counted; the gap shows in the frame ids. `frame` is None with `frames=False`, and when
    its pixels had to be given up; it is valid until the next turn of the loop, `frame.bgr()` gives a copy to keep.

    Of a run with several models, `models` names those whose predictions are wanted, all by default;
    `prediction.model` tells which one a prediction is of.

    Raises RunNotFound if no such run is alive.
    """
    name = name or f"{Path(sys.argv[0]).stem or 'program'}-{os.getpid()}"
    return Attachment(run, frames, name, root or run_root(), tuple(models))


class _Lane:
    """What comes from one model: its socket, its sessions and acknowledgements, its rings."""

    def __init__(self, feed: Feed, peer: channel.Peer, name: str, rings: ReadRings) -> None:
        self.feed = feed
        self.peer = peer
        self.subscription = Subscription(name, 1, _CREDIT, peer.send)
        self.rings = rings


class Attachment:
    """Made by `attach`: an iterator and a context manager. Ends when the run does."""

    def __init__(self, run: str, frames: bool, name: str, root: Path, models: tuple[str, ...] = ()) -> None:
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
        self._read: deque[str] = deque(maxlen=_REMEMBERED)  # segments
        self._lease: Lease | None = None
        self._over = False
        self._lanes: deque[_Lane] = deque()  # in the order in which they are asked next
        self._control.send(Hello(Role.ATTACHED, name, 1, os.getpid(), wants_frames=frames, models=models))
        try:
            start = self._await_start()
        except BaseException:
            self.close()
            raise
        for feed in Feed.from_spec(start.spec):
            peer = channel.connect_predictions(self._context, feed.predictions, identity)
            self._poller.add(peer)
            self._lanes.append(_Lane(feed, peer, name, ReadRings(self._tell, begin=self._note)))

    def __iter__(self) -> Iterator[tuple[Prediction, Frame | None]]:
        try:
            while (found := self._next()) is not None:
                lane, message = found
                self._lease = self._borrow(lane, message)
                prediction = from_wire(message, lane.feed.model)
                yield prediction, self._lease.frame if self._lease is not None else None
                self._return(lane, message)
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
        for lane in self._lanes:
            lane.rings.close()
        self._control.send(Bye())
        self._control.close()
        for lane in self._lanes:
            lane.peer.close(linger_ms=0)
        self._context.term()

    def _next(self) -> tuple[_Lane, PredictionReady] | None:
        """The next prediction, of each model in turn; None when the run is over."""
        while not self._over:
            now = self._clock.monotonic_ns()
            for _ in range(len(self._lanes)):
                lane = self._lanes[0]
                self._lanes.rotate(-1)
                while (message := lane.peer.receive()) is not None:
                    delivery = lane.subscription.receive(message)
                    if isinstance(delivery, PredictionReady):
                        return lane, delivery
                    if delivery is not None:
                        lane.subscription.done(delivery.source, 0)
            for lane in self._lanes:
                lane.subscription.report(now, idle=True)
            self._listen()
            if not self._over and not self._poller.wait(_WAIT_S) and self._is_gone():
                return None
        return None

    def _is_gone(self) -> bool:
        """Whether the run was killed; another one may bear its name already."""
        return run_directory.incarnation(self._root, self._run) != self._incarnation

    def _return(self, lane: _Lane, message: PredictionReady) -> None:
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        lane.subscription.done(message.frame.source, message.frame.frame_id)
        now = self._clock.monotonic_ns()
        for each in self._lanes:
            each.subscription.report(now)
        self._listen()

    def _borrow(self, lane: _Lane, message: PredictionReady) -> Lease | None:
        if message.ref is None:
            return None
        ring, source = message.ref.ring, message.frame.source
        deadline = self._clock.monotonic_ns() + _RING_WAIT_NS
        while lane.rings.may_come(source, ring) and not self._over:
            if self._clock.monotonic_ns() >= deadline:
                break
            self._poller.wait(_WAIT_S)
            self._listen()
        return lane.rings.acquire(message.ref)

    def _listen(self) -> None:
        for message in self._control.arrived():
            for lane in self._lanes:
                if not isinstance(message, RingAttached) or message.descriptor.source in lane.feed.sources:
                    lane.rings.obey(message, lane.feed.bit)
            self._over = self._over or isinstance(message, Bye)
        for lane in self._lanes:
            lane.rings.try_again()

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
