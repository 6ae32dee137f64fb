"""The sink's process: opens the sink, and feeds the data channels and rings to its loops."""

from __future__ import annotations

import errno
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from mpipeline import registry
from mpipeline.clock import NS_PER_S
from mpipeline.config.schema import SinkSpec
from mpipeline.errors import EXIT_DONE, EXIT_TEMPORARY, ConfigError, SinkError
from mpipeline.messages import (
    FINISHING,
    Bye,
    Drain,
    Heartbeat,
    Message,
    ModelGone,
    PredictionReady,
    RingAttached,
    SourceEnded,
)
from mpipeline.prediction import origin
from mpipeline.sinks.sink import Sink
from mpipeline.transport import channel
from mpipeline.workers.feeds import Feed, SourceEnds
from mpipeline.workers.filtering import Filter
from mpipeline.workers.joining import Joint
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.written import by_origin

IsEnd = Callable[[str, str], bool]

_LONGEST_WAIT_S = 0.1
_TURN_NS = NS_PER_S // 4  # then control channel and heartbeat have their turn, however slow the sink is
_CREDIT = 32  # deliveries on their way to one sink: enough to hide the round trip
_CREDIT_WITH_PIXELS = 4  # what waits here keeps its slot, and a live stream soon wants that back


class _Lane:
    """What comes from one model: its socket, its sessions and acknowledgements, its rings."""

    def __init__(
        self, feed: Feed, context: WorkerContext, sink: Sink, spec: SinkSpec, is_end: IsEnd, joint: Joint | None
    ) -> None:
        self.feed = feed
        # Nobody else has this name by accident: the socket would give him what is meant for this sink.
        identity = f"{context.name}#{context.incarnation}.{uuid.uuid4().hex}"
        self.peer = channel.connect_predictions(context.zmq_context, feed.predictions, identity)
        credit = _CREDIT_WITH_PIXELS if sink.wants_frames else _CREDIT
        self.subscription = Subscription(spec.name, context.incarnation, credit, self.peer.send)
        self._filter = Filter(spec.filter) if spec.filter is not None else None
        tools = (context.clock, context.recorder, context.control.send)
        self.loop = SinkLoop(spec.name, sink, self.subscription, *tools, self._filter, feed.model, is_end, joint)

    def begin(self, written: Mapping[str, int]) -> None:
        """What the sink has already; `written` by origin."""
        model = self.feed.model
        known = {one: n for one in self.feed.sources if (n := written.get(origin(one, model)))}
        self.subscription.acknowledged.update(known)
        if self._filter is not None:
            self._filter.begin(known)


class SinkWorker:
    """Runs a sink, with a `SinkLoop` for each model whose predictions it takes.

    A sink that has `write_together` gets each frame once, by a `Joint`, if it takes predictions of several.
    """

    def __init__(self, context: WorkerContext, spec: Mapping[str, Any]) -> None:
        self._context = context
        self._spec = SinkSpec.from_mapping(spec["sink"])
        self._resume: bool = spec["resume"]
        kind = registry.load("sinks", self._spec.kind)
        self._sink = kind(self._spec.name, self._spec.options)
        if hasattr(self._sink, "pulse"):
            self._sink.pulse = self._pulse
        if hasattr(self._sink, "pipeline"):
            self._sink.pipeline = spec["pipeline"]
        self._next_pulse_ns = 0
        self._found: object = None  # what the sink has said that it has
        feeds = Feed.from_spec(spec)
        self._ends = ends = SourceEnds(feeds)
        meet = sum(len(feed.sources) for feed in feeds) > len({source for feed in feeds for source in feed.sources})
        joins = meet and hasattr(self._sink, "write_together")
        self._joint = joint = Joint(self._sink, feeds) if joins else None
        self._lanes = deque(_Lane(feed, context, self._sink, self._spec, ends.note, joint) for feed in feeds)
        self._poller = channel.Poller()
        for item in (context.control, *(lane.peer for lane in self._lanes)):
            self._poller.add(item)
        self._control_poller = channel.Poller()
        self._control_poller.add(context.control)
        self._draining = False
        self._finished = False
        self.exit_code = EXIT_DONE

    @property
    def progress(self) -> int:
        """Predictions written, or left out by the sink's filter."""
        return sum(lane.loop.progress for lane in self._lanes)

    def open(self) -> Mapping[str, Any]:
        """Opens the sink; what it already has is never written again. Fact `written`: origin → last frame id, or None.

        A failure that can pass is waited for: the server that a sink writes to may start later than the run.
        """
        while not self._has_opened():
            pass
        if self._sink.wants_frames and any(lane.feed.bit < 0 for lane in self._lanes):
            what = "`wants_frames` is False in its class, and True in this object: leave it out in the class"
            raise ConfigError(f"sink {self._spec.name!r} of kind {self._spec.kind!r}: {what}")
        feeds = [lane.feed for lane in self._lanes]
        written = by_origin(self._spec.name, self._found, feeds, together=self._joint is not None)
        for lane in self._lanes:
            lane.begin(written or {})
            if self._joint is not None:
                self._joint.begin(lane.subscription.acknowledged)
        return {"wants_frames": bool(self._sink.wants_frames), "written": written}

    def _has_opened(self) -> bool:
        """Opens the sink; False, after the pause that a failure costs, if it is to be tried again."""
        context, retrying = self._context, self._lanes[0].loop.retrying
        try:
            self._found = self._sink.open(self._resume)
        except SinkError as error:
            if not error.retryable or (context.incarnation == 1 and _is_a_mistake(error)):
                raise
            retrying.failed(error)
            while (wait_s := retrying.wait_s()) > 0:
                if context.stop_requested.is_set():
                    error.exit_code = EXIT_TEMPORARY  # it has not failed for good
                    raise
                context.control.send(Heartbeat(self.progress, context.recorder.snapshot(), *self.state()))
                context.clock.sleep(min(wait_s, _LONGEST_WAIT_S))
            return False
        retrying.succeeded()
        return True

    def step(self) -> bool:
        """Works off what the sockets have; waits if there is nothing."""
        for lane in self._lanes:
            lane.loop.rings.try_again()
        if (lane_in_trouble := self._retrying()) is not None:
            self._retry(lane_in_trouble)
            return True
        readable = self._poller.wait(_LONGEST_WAIT_S)
        now = self._context.clock.monotonic_ns()
        if is_readable := any(lane.peer.socket in readable for lane in self._lanes):
            self._work_off(until_ns=now + _TURN_NS)
        for lane in self._lanes:
            lane.loop.flush()
        self._report(now, idle=True)
        if is_readable or self._retrying() is not None:
            return True
        if self._draining and self._joint is not None:
            self._joint.finish()
            self._lanes[0].loop.attempt(last=True)
        self._finished = self._draining
        return not self._finished

    def _retrying(self) -> _Lane | None:
        """The lane whose delivery has failed and is to be tried again: until then no other one is written."""
        return next((lane for lane in self._lanes if lane.loop.retrying.is_active), None)

    def _report(self, now_ns: int, idle: bool = False) -> None:
        for lane in self._lanes:
            lane.subscription.report(now_ns, idle)

    def _work_off(self, until_ns: int) -> None:
        """What each lane has, one after the other; who was cut short for time begins last the next time.

        What a sink gathers of one lane is sent before it gets anything of another: only so it is clear whose it is.
        """
        for _ in range(len(self._lanes)):
            lane = self._lanes[0]
            if not self._work_off_lane(lane, until_ns):
                return
            self._lanes.rotate(-1)

    def _work_off_lane(self, lane: _Lane, until_ns: int) -> bool:
        """False if a delivery has failed, and must be tried again before any other."""
        clock, loop = self._context.clock, lane.loop
        while clock.monotonic_ns() < until_ns and (message := lane.peer.receive()) is not None:
            if (delivery := lane.subscription.receive(message)) is not None:
                self._await_ring(loop, delivery)
                if isinstance(delivery, SourceEnded):
                    self._announce_finishing(f"finishing {delivery.source}")
                loop.take(delivery)
                if loop.retrying.is_active:
                    return False
                lane.subscription.report(clock.monotonic_ns())
        if len(self._lanes) > 1:
            loop.flush()
        return not loop.retrying.is_active

    def _pulse(self) -> None:
        """Called by the sink from inside a long call: it works, however long that takes."""
        now = self._context.clock.monotonic_ns()
        if now >= self._next_pulse_ns:
            self._next_pulse_ns = now + _TURN_NS
            self._announce_finishing("copying a file")

    def _announce_finishing(self, detail: str) -> None:
        """What a sink has of a source may be long: finishing it takes its time, and is no hang."""
        snapshot = self._context.recorder.snapshot()
        self._context.control.send(Heartbeat(self.progress, snapshot, FINISHING, "", detail))

    def _retry(self, lane: _Lane) -> None:
        """Waits for the next attempt or makes it.

        What arrives meanwhile stays in the socket, bounded by the credit. Once the run ends there is one attempt more:
        nobody will be here to see a later one succeed.
        """
        loop = lane.loop
        wait_s = loop.retrying.wait_s()
        if wait_s > 0 and not self._draining:
            self._control_poller.wait(min(wait_s, _LONGEST_WAIT_S))
        else:
            if loop.ending:
                self._announce_finishing(f"finishing {loop.ending}")
            loop.attempt(last=self._draining)
        self._report(self._context.clock.monotonic_ns())

    def _await_ring(self, loop: SinkLoop, delivery: Message) -> None:
        """Waits for the word of a ring that may still come; not for long, for it may have been lost."""
        if not isinstance(delivery, PredictionReady) or delivery.ref is None:
            return
        source, ring = delivery.frame.source, delivery.ref.ring
        deadline = self._context.clock.monotonic_ns() + NS_PER_S
        while loop.rings.may_come(source, ring):
            if self._context.clock.monotonic_ns() >= deadline:
                break
            self._control_poller.wait(_LONGEST_WAIT_S)
            if (message := self._context.control.receive()) is not None:
                self.receive(message)

    def receive(self, message: Message) -> None:
        """Rings come and go; after a drain the sink ends as soon as nothing more arrives."""
        for lane in self._lanes:
            if not isinstance(message, RingAttached) or message.descriptor.source in lane.feed.sources:
                lane.loop.rings.obey(message, lane.feed.bit)
        if isinstance(message, ModelGone):
            self._ends.give_up(message.model, message.sources)
            if self._joint is not None:
                self._joint.give_up(message.model, message.sources)
        elif isinstance(message, Drain):
            self._draining = True

    def state(self) -> tuple[str, str, str]:
        """RETRYING with the reason, while the sink cannot write."""
        lane = self._retrying() or self._lanes[0]
        return lane.loop.retrying.state()

    def goodbye(self) -> Bye:
        """Nothing more to say."""
        return Bye()

    def close(self) -> None:
        """Closes sink, rings and sockets."""
        first, *others = self._lanes
        try:
            first.loop.close(self._finished)
        finally:
            for lane in others:
                lane.loop.let_go()
            for lane in self._lanes:
                lane.peer.close()


def _is_a_mistake(error: SinkError) -> bool:
    """Whether the path lies on a read-only file system, or where no folder can be made: later, that is a mishap."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EROFS, errno.ENOENT)
