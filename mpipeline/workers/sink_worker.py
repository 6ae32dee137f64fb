"""The sink's process: opens the sink, and feeds the data channel and rings to the loop."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Mapping
from numbers import Integral
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
    PredictionReady,
    SourceEnded,
)
from mpipeline.transport import channel
from mpipeline.workers.filtering import Filter
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.sink import SinkLoop
from mpipeline.workers.subscription import Subscription

_LONGEST_WAIT_S = 0.1
_TURN_NS = NS_PER_S // 4  # then control channel and heartbeat have their turn, however slow the sink is
_CREDIT = 32  # deliveries on their way to one sink: enough to hide the round trip
_CREDIT_WITH_PIXELS = 4  # what waits here keeps its slot, and a live stream soon wants that back


class SinkWorker:
    """Runs a `SinkLoop` for one sink."""

    def __init__(self, context: WorkerContext, spec: Mapping[str, Any]) -> None:
        self._context = context
        self._spec = SinkSpec.from_mapping(spec["sink"])
        self._resume: bool = spec["resume"]
        self._bit: int = spec["bit"]
        kind = registry.load("sinks", self._spec.kind)
        self._sink = kind(self._spec.name, self._spec.options)
        # Nobody else has this name by accident: the socket would give him what is meant for this sink.
        identity = f"{context.name}#{context.incarnation}.{uuid.uuid4().hex}"
        self._peer = channel.connect_predictions(context.zmq_context, spec["predictions"], identity)
        self._poller = channel.Poller()
        self._poller.add(self._peer)
        self._poller.add(context.control)
        self._control_poller = channel.Poller()
        self._control_poller.add(context.control)
        if hasattr(self._sink, "pulse"):
            self._sink.pulse = self._pulse
        if hasattr(self._sink, "pipeline"):
            self._sink.pipeline = spec["pipeline"]
        self._next_pulse_ns = 0
        self._found: object = None  # what the sink has said that it has
        credit = _CREDIT_WITH_PIXELS if self._sink.wants_frames else _CREDIT
        self._subscription = Subscription(self._spec.name, context.incarnation, credit, self._peer.send)
        self._filter = Filter(self._spec.filter) if self._spec.filter is not None else None
        self._loop = SinkLoop(
            *(self._spec.name, self._sink, self._subscription, context.clock, context.recorder, context.control.send),
            self._filter,
        )
        self._draining = False
        self._finished = False
        self.exit_code = EXIT_DONE

    @property
    def progress(self) -> int:
        """Predictions written, or left out by the sink's filter."""
        return self._loop.progress

    def open(self) -> Mapping[str, Any]:
        """Opens the sink; what it already has is never written again. Fact `written`: source → last frame id, or None.

        A failure that can pass is waited for: the server that a sink writes to may start later than the run.
        """
        while not self._has_opened():
            pass
        written = _checked(self._spec.name, self._found)
        self._subscription.acknowledged.update(written or {})
        if self._filter is not None:
            self._filter.begin(written or {})
        return {"wants_frames": bool(self._sink.wants_frames), "written": written}

    def _has_opened(self) -> bool:
        """Opens the sink; False, after the pause that a failure costs, if it is to be tried again."""
        context, retrying = self._context, self._loop.retrying
        try:
            self._found = self._sink.open(self._resume)
        except SinkError as error:
            if not error.retryable or (context.incarnation == 1 and _is_read_only(error)):
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
        """Works off what the socket has; waits if there is nothing."""
        self._loop.rings.try_again()
        if self._loop.retrying.is_active:
            self._retry()
            return True
        readable = self._poller.wait(_LONGEST_WAIT_S)
        now = self._context.clock.monotonic_ns()
        if is_readable := self._peer.socket in readable:
            self._work_off(until_ns=now + _TURN_NS)
        self._loop.flush()
        self._subscription.report(now, idle=True)
        if is_readable or self._loop.retrying.is_active:
            return True
        self._finished = self._draining
        return not self._finished

    def _work_off(self, until_ns: int) -> None:
        clock = self._context.clock
        while clock.monotonic_ns() < until_ns and (message := self._peer.receive()) is not None:
            if (delivery := self._subscription.receive(message)) is not None:
                self._await_ring(delivery)
                if isinstance(delivery, SourceEnded):
                    self._announce_finishing(f"finishing {delivery.source}")
                self._loop.take(delivery)
                if self._loop.retrying.is_active:
                    return
                self._subscription.report(clock.monotonic_ns())

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

    def _retry(self) -> None:
        """Waits for the next attempt or makes it.

        What arrives meanwhile stays in the socket, bounded by the credit. Once the run ends there is one attempt more:
        nobody will be here to see a later one succeed.
        """
        wait_s = self._loop.retrying.wait_s()
        if wait_s > 0 and not self._draining:
            self._control_poller.wait(min(wait_s, _LONGEST_WAIT_S))
        else:
            if self._loop.ending:
                self._announce_finishing(f"finishing {self._loop.ending}")
            self._loop.attempt(last=self._draining)
        self._subscription.report(self._context.clock.monotonic_ns())

    def _await_ring(self, delivery: Message) -> None:
        """Waits for the word of a ring that may still come; not for long, for it may have been lost."""
        if not isinstance(delivery, PredictionReady) or delivery.ref is None:
            return
        source, ring = delivery.frame.source, delivery.ref.ring
        deadline = self._context.clock.monotonic_ns() + NS_PER_S
        while self._loop.rings.may_come(source, ring):
            if self._context.clock.monotonic_ns() >= deadline:
                break
            self._control_poller.wait(_LONGEST_WAIT_S)
            if (message := self._context.control.receive()) is not None:
                self.receive(message)

    def receive(self, message: Message) -> None:
        """Rings come and go; after a drain the sink ends as soon as nothing more arrives."""
        self._loop.rings.obey(message, self._bit)
        if isinstance(message, Drain):
            self._draining = True

    def state(self) -> tuple[str, str, str]:
        """RETRYING with the reason, while the sink cannot write."""
        return self._loop.retrying.state()

    def goodbye(self) -> Bye:
        """Nothing more to say."""
        return Bye()

    def close(self) -> None:
        """Closes sink, rings and socket."""
        try:
            self._loop.close(self._finished)
        finally:
            self._peer.close()


def _is_read_only(error: SinkError) -> bool:
    """Whether the path lies on a read-only file system: at the start of a run that is a mistake, later a mishap."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EROFS


def _checked(name: str, written: Any) -> dict[str, int] | None:
    """What a sink's `open` has returned, if it is what it must be."""
    if written is None:
        return None
    if isinstance(written, Mapping):
        found = {source: int(n) for source, n in written.items() if isinstance(source, str) and isinstance(n, Integral)}
        if len(found) == len(written):
            return found
    what = "the last frame id of each source that is written, like {'gate': 12}, or nothing"
    raise ConfigError(f"sink {name!r}: open() must return {what}; it has returned {repr(written)[:100]}")
