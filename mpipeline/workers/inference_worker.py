"""The inference process: loads the model, and feeds sockets and rings to the loop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mpipeline.batching import Batcher
from mpipeline.clock import NS_PER_MS, NS_PER_S
from mpipeline.config.schema import BatchingSpec, ModelSpec
from mpipeline.config.tracker import TrackerSpec
from mpipeline.errors import EXIT_DONE
from mpipeline.messages import (
    Bye,
    Drain,
    FrameReady,
    Heartbeat,
    Message,
    SinkAdded,
    SinkRemoved,
    SinkStatus,
    SourceEnded,
)
from mpipeline.transport import channel
from mpipeline.workers.inference import InferenceLoop
from mpipeline.workers.journal import Journal
from mpipeline.workers.loading import open_predictor
from mpipeline.workers.runtime import HEARTBEAT_NS, WorkerContext
from mpipeline.workers.tracking import Tracking

_LONGEST_WAIT_S = 0.1
_LOOK_NS = NS_PER_S  # how often it looks whether its sockets are still to be found
_LISTENERS_GRACE_NS = NS_PER_S  # how long a drain waits for sinks that need not have everything


class InferenceWorker:
    """Runs an `InferenceLoop` for one model on one device."""

    def __init__(self, context: WorkerContext, spec: Mapping[str, Any]) -> None:
        self._context = context
        self._model = ModelSpec.from_mapping(spec["model"])
        self._batching = BatchingSpec.model_validate(spec["batching"])
        self._at_once: int = spec.get("at_once", 1)
        self._bit: int = spec["bit"]
        self._tracker = TrackerSpec.from_mapping(spec["tracker"]) if spec.get("tracker") else None
        self._continues = bool(spec.get("resume")) or context.incarnation > 1
        # Before the model is loaded: a crash of the load itself must not be laid at the door of a frame.
        blamed = bool(spec.get("blamed"))
        self._journal = Journal(spec.get("journal"), blamed=blamed, incarnation=context.incarnation)
        self._frames = channel.bind_frames(context.zmq_context, spec["frames"])
        self._sinks = channel.Router(context.zmq_context, spec["predictions"])
        self._through = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # readable when the model is done with frames
        self._poller = channel.Poller()
        for item in (self._frames, self._sinks, context.control, self._through):
            self._poller.add(item)
        self._loop: InferenceLoop | None = None
        self._draining_since: int | None = None
        self._look_ns = 0
        self._told_ns = 0
        self.exit_code = EXIT_DONE

    @property
    def progress(self) -> int:
        """Frames inferred."""
        return self._loop.progress if self._loop is not None else 0

    def open(self) -> Mapping[str, Any]:
        """Loads the model; may take long."""
        context = self._context
        tracking = None
        if self._tracker is not None:  # first: what is wrong with it is told sooner than the model is loaded
            tracking = Tracking(self._tracker, context.clock, continues=self._continues)
        predictor, facts = open_predictor(self._model, self._batching.max_size, self._at_once, self._tell)
        batcher = Batcher(
            min(self._batching.max_size, predictor.max_batch),
            int(self._batching.max_wait_ms * NS_PER_MS),
            int(self._batching.staleness_ms * NS_PER_MS),
        )
        self._loop = InferenceLoop(
            predictor,
            batcher,
            self._sinks.send_encoded,
            context.clock,
            context.recorder,
            self._journal,
            context.control.send,
            tracking,
            lambda: os.eventfd_write(self._through, 1),
        )
        return facts

    def step(self) -> bool:
        """Takes of what the sockets have, infers one batch; waits if there is nothing to do."""
        loop = self._loop
        assert loop is not None
        if self._through in self._poller.wait(loop.wait_s(_LONGEST_WAIT_S)):
            os.eventfd_read(self._through)
        for identity, status in self._sinks.arrived():
            if isinstance(status, SinkStatus):
                loop.status(identity, status)
        for message in self._frames.arrived():
            if isinstance(message, FrameReady):
                loop.hint(message)
        loop.step()
        if (now := self._context.clock.monotonic_ns()) >= self._look_ns:
            self._look_ns = now + _LOOK_NS
            self._frames.keep_bound()
            self._sinks.keep_bound()
        return not self._is_drained(loop)

    def receive(self, message: Message) -> None:
        """Rings and sinks come and go by the supervisor's word."""
        loop = self._loop
        assert loop is not None
        loop.rings.obey(message, self._bit)
        if isinstance(message, SinkAdded):
            loop.add_sink(message)
        elif isinstance(message, SinkRemoved):
            loop.dispatch.remove(message.name)
        elif isinstance(message, SourceEnded):
            loop.end(message)
        elif isinstance(message, Drain):
            self._draining_since = self._context.clock.monotonic_ns()

    def state(self) -> tuple[str, str, str]:
        """The inference worker has no stream state."""
        return "", "", ""

    def goodbye(self) -> Bye:
        """Nothing more to say."""
        return Bye()

    def close(self) -> None:
        """Closes engine, rings and sockets."""
        if self._loop is not None:
            self._loop.close()  # no thread is in the model after that
        os.close(self._through)
        self._journal.close()
        self._frames.close()
        self._sinks.close()

    def _tell(self, text: str) -> None:
        """Loading the model takes long: says that it goes on."""
        if (now := self._context.clock.monotonic_ns()) >= self._told_ns:
            self._told_ns = now + HEARTBEAT_NS
            self._context.control.send(Heartbeat(0, {}, detail=text))

    def _is_drained(self, loop: InferenceLoop) -> bool:
        if self._draining_since is None:
            return False
        waited = self._context.clock.monotonic_ns() - self._draining_since
        drained = loop.is_drained(lossless_only=waited > _LISTENERS_GRACE_NS)
        if drained:
            loop.dispatch.give_up_lossy()
        return drained
