"""The sink that runs in the caller's process: takes predictions with their frames and hands them on, without waiting.

It is a worker like any other sink, hosted in a thread. A frame stays lent until whoever took it has settled it; only
then is it acknowledged. How many that can be is bounded by the rings.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from mpipeline.clock import NS_PER_S
from mpipeline.config.schema import SinkSpec
from mpipeline.errors import EXIT_DONE
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.messages import (
    Bye,
    Drain,
    Message,
    PredictionReady,
    SourceEnded,
)
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.transport import channel
from mpipeline.workers.feeds import Feed
from mpipeline.workers.read_rings import ReadRings
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import from_wire

_LONGEST_WAIT_S = 0.1
_RING_WAIT_NS = NS_PER_S
_CREDIT = 64  # deliveries on their way; what has arrived no longer counts
_AT_ONCE = 64  # then the control channel has its turn


class Receiver(Protocol):
    """Who gets what the intake takes in. Called in the intake's thread; must not wait."""

    def arrived(self, prediction: Prediction, loan: Loan) -> None:
        """A frame has come. The receiver settles the loan, in the order of the frames of a source."""

    def ended(self, source: str) -> None:
        """No further frame of this source will come."""

    def lost(self, prediction: Prediction) -> None:
        """The pixels of this frame had to be given up before they could be lent."""


class Intake:
    """The worker; `receiver` gets the frames."""

    def __init__(self, context: WorkerContext, spec: Mapping[str, Any], receiver: Receiver) -> None:
        self.progress = 0
        self.exit_code = EXIT_DONE
        self._context = context
        self._receiver = receiver
        self._name = SinkSpec.from_mapping(spec["sink"]).name
        (feed,) = Feed.from_spec(spec)  # it is told of one model
        self._bit = feed.bit
        identity = f"{context.name}#{context.incarnation}.{uuid.uuid4().hex}"
        self._peer = channel.connect_predictions(context.zmq_context, feed.predictions, identity)
        self._subscription = Subscription(self._name, context.incarnation, _CREDIT, self._peer.send)
        self._rings = ReadRings(context.control.send, clock=context.clock)
        self._held_up: PredictionReady | None = None  # by a ring to which this process cannot attach just now
        self._received: dict[str, int] = {}  # source → last frame id
        self._settled: deque[tuple[str, int]] = deque()  # filled by other threads
        self._lent = 0
        self._draining = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waking = threading.Lock()
        self._poller = channel.Poller()
        self._control_poller = channel.Poller()
        for poller in (self._poller, self._control_poller):
            poller.add(context.control)
        self._poller.add(self._peer)
        self._poller.add(self._wake)

    def open(self) -> Mapping[str, Any]:
        """It wants pixels, and has no frame of an earlier run."""
        return {"wants_frames": True, "written": {}}

    def step(self) -> bool:
        """Takes what has come, acknowledges what was settled; waits if there is nothing. False: all is done."""
        self._rings.try_again()
        # What waits in the socket would wake it all the time.
        readable = (self._poller if self._held_up is None else self._control_poller).wait(_LONGEST_WAIT_S)
        if self._wake in readable:
            os.eventfd_read(self._wake)
        while self._settled:
            self._lent -= 1
            self._subscription.acknowledge(*self._settled.popleft())
        self._take_what_came()
        self._subscription.report(self._context.clock.monotonic_ns(), idle=True)
        return bool(readable) or not self._draining or self._lent > 0 or self._held_up is not None

    def receive(self, message: Message) -> None:
        """Rings come and go; after a drain it ends when nothing is lent any more."""
        self._rings.obey(message, self._bit)
        if isinstance(message, Drain):
            self._draining = True

    def state(self) -> tuple[str, str, str]:
        """It has no state of its own."""
        return "", "", ""

    def goodbye(self) -> Bye:
        """Nothing more to say."""
        return Bye()

    def close(self) -> None:
        """Closes rings and sockets. Loans can still be settled."""
        self._rings.close()
        self._peer.close()
        with self._waking:
            wake, self._wake = self._wake, -1
            os.close(wake)

    def _take_what_came(self) -> None:
        if (former := self._held_up) is not None:
            self._held_up = None
            self._receive(former)
        for _ in range(_AT_ONCE):
            if self._held_up is not None or (message := self._peer.receive()) is None:
                return
            self._take(message)

    def _take(self, message: Message) -> None:
        delivery = self._subscription.receive(message)
        if isinstance(delivery, SourceEnded):
            self._subscription.done(delivery.source, 0)
            self._receiver.ended(delivery.source)
        elif delivery is not None:
            self._subscription.taken()
            self._receive(delivery)

    def _receive(self, message: PredictionReady) -> None:
        source, frame_id = message.frame.source, message.frame.frame_id
        if frame_id <= self._received.get(source, 0):
            if message.ref is not None:  # sent again by a new inference process: it is here, or was settled
                self._rings.skip(message.ref)
            return
        if message.ref is not None and self._rings.holds_up(message.ref.ring):
            self._held_up = message
            return
        lease = self._borrow(message)
        if message.ref is not None and self._rings.is_damaged(source, message.ref.ring):
            return  # it is not acknowledged: under `every_frame` it comes again, behind no later one
        self._received[source] = frame_id
        self.progress += 1
        self._context.recorder.add("predictions_written", sink=self._name)
        prediction = from_wire(message)
        if lease is None:
            self._subscription.acknowledge(source, frame_id)
            self._context.recorder.add("frames_missing", sink=self._name)
            self._receiver.lost(prediction)
            return
        self._lent += 1
        self._receiver.arrived(prediction, Loan(lease, self._settle))

    def _settle(self, source: str, frame_id: int) -> None:
        """Called by any thread."""
        self._settled.append((source, frame_id))
        with self._waking:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _borrow(self, message: PredictionReady) -> Lease | None:
        """The frame's pixels. The word that a ring exists may come later than the first prediction of it."""
        if message.ref is None:
            return None
        ring, clock = message.ref.ring, self._context.clock
        deadline = clock.monotonic_ns() + _RING_WAIT_NS
        while self._rings.may_come(message.frame.source, ring):
            if clock.monotonic_ns() >= deadline or self._context.stop_requested.is_set():
                break
            self._control_poller.wait(_LONGEST_WAIT_S)
            if (control := self._context.control.receive()) is not None:
                self.receive(control)
        return self._rings.acquire(message.ref)
