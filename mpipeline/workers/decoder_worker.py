"""The decoder's process: its source, its ring requests, its announcements."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mpipeline import registry
from mpipeline.clock import NS_PER_S
from mpipeline.config.schema import SourceSpec
from mpipeline.errors import (
    EXIT_DONE,
    EXIT_SOURCE_FAILED,
    MpipelineError,
    RingError,
    RingShortage,
    SharedMemoryFull,
)
from mpipeline.frame import FrameFormat
from mpipeline.messages import (
    Bye,
    Drain,
    FrameReady,
    Heartbeat,
    Message,
    Play,
    Refused,
    RingDamaged,
    RingGranted,
    RingRequest,
    RingRetired,
    StreamState,
)
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import Source, StreamInfo
from mpipeline.transport import channel, codec
from mpipeline.workers.decoder import DecoderLoop, DecoderOptions
from mpipeline.workers.permits import Permits
from mpipeline.workers.ring_switch import GrantedRing
from mpipeline.workers.runtime import WorkerContext

logger = logging.getLogger("mpipeline.decoder")

_GRANT_S = 3600.0  # the supervisor waits for sinks that must have every frame, and these may take long to open


class DecoderWorker:
    """Runs a `DecoderLoop` for one source; also the loop's `RingSupply`.

    `make`, given the source's name, makes the source in place of its kind: for one that is hosted.
    """

    def __init__(
        self, context: WorkerContext, spec: Mapping[str, Any], make: Callable[[str], Source] | None = None
    ) -> None:
        self._context = context
        self._source = SourceSpec.from_mapping(spec["source"])
        self._frames = [channel.connect_frames(context.zmq_context, address) for address in spec["frames"]]
        self._counted: int = spec["counted"]
        self._segment = ""  # of the present ring
        if make is None:
            kind, given = registry.load("sources", self._source.kind), self._source.options
            share = max(1, len(os.sched_getaffinity(0)) // spec.get("decoders", 1))
            make = partial(_made, kind, given, share)
        options = DecoderOptions(
            self._source.name,
            self._source.max_fps,
            resume_after=spec["resume_after"],
            resume_pts=spec.get("resume_pts"),
            restarted=context.incarnation > 1,
        )
        self._loop = DecoderLoop(
            options,
            open_source=partial(make, self._source.name),
            rings=self,
            announce=self._frames[0].send if len(self._frames) == 1 else self._announce_to_all,
            clock=context.clock,
            recorder=context.recorder,
            permits=Permits.from_spec(spec.get("permits")),
        )

    @property
    def progress(self) -> int:
        """Frames published."""
        return self._loop.progress

    @property
    def exit_code(self) -> int:
        """0 if the source was read to its end."""
        return EXIT_SOURCE_FAILED if self._loop.state is StreamState.FAILED else EXIT_DONE

    def open(self) -> Mapping[str, Any]:
        """Nothing to make ready: connecting is part of the work."""
        return {}

    def step(self) -> bool:
        """One step of the loop.

        A damaged ring ends this process: its successor gets another one, and goes on where the supervisor says.
        """
        try:
            return self._loop.step()
        except SharedMemoryFull:
            raise
        except RingError as error:
            self._context.control.send(RingDamaged(self._source.name, self._segment, str(error)))
            raise

    def receive(self, message: Message) -> None:
        """Stops, or lets go of an old ring."""
        if isinstance(message, Drain):
            self._loop.stop()
        elif isinstance(message, RingRetired):
            self._loop.retire(message.segment)
        elif isinstance(message, Play):
            self._loop.mode = message.mode

    def request(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing | None:
        """Asks the supervisor for a ring and waits for it."""
        context = self._context
        descriptor = RingDescriptor(segment="", source=self._source.name, index=0, slots=0, format=format)
        context.control.send(RingRequest(descriptor, info.live, last_frame_id, info.rate, info.frame_count))
        poller = channel.Poller()
        poller.add(context.control)
        granted: RingGranted | None = None
        deadline = context.clock.monotonic_ns() + int(_GRANT_S * NS_PER_S)
        while context.clock.monotonic_ns() < deadline:
            poller.wait(0.2)
            message = context.control.receive()
            if isinstance(message, RingGranted):
                granted, self._segment = message, message.descriptor.segment
            if granted is not None and (ring := self._attach(granted, is_new=granted is message)) is not None:
                return ring
            if isinstance(message, Refused):
                raise SharedMemoryFull(message.message)
            if message is not None:
                self.receive(message)
            if isinstance(message, Drain) or context.stop_requested.is_set():
                return None
            context.control.send(Heartbeat(self.progress, context.recorder.snapshot(), *self.state()))
        raise MpipelineError(f"{self._source.name}: the supervisor granted no ring within {_GRANT_S:g} s")

    def _attach(self, granted: RingGranted, *, is_new: bool) -> GrantedRing | None:
        """The granted ring; None while this process lacks something to attach to it, which is told if that `is_new`."""
        try:
            writer = RingWriter(granted.descriptor, reuse=True, counted=self._counted)
        except RingShortage as error:
            if is_new:
                fields = {"event": "ring_postponed", "source": self._source.name}
                logger.error("%s; trying again until it works", error, extra=fields)
            return None
        return GrantedRing(writer, granted.every_frame, granted.resume_after)

    def state(self) -> tuple[str, str, str]:
        """The stream's state."""
        return self._loop.shown_state.value, self._loop.reason, self._loop.detail

    def goodbye(self) -> Bye:
        """How the stream ended, and the last frame that was published here."""
        return Bye(*self.state(), last_frame_id=self._loop.published)

    def close(self) -> None:
        """Closes source, rings and socket."""
        self._loop.close()
        for frames in self._frames:
            frames.close()

    def _announce_to_all(self, ready: FrameReady) -> None:
        data = codec.encode(ready)
        for frames in self._frames:
            frames.send_encoded(data)


def _made(kind: type[Source], options: Any, cores: int, name: str) -> Source:
    source = kind(name, options)
    if hasattr(source, "cores"):
        source.cores = cores
    return source
