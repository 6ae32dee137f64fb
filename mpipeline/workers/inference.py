"""The inference loop: slots of all rings into batches, batches into predictions, predictions to the sinks.

It is stepped, and knows neither sockets nor processes. The rings are the truth: a `FrameReady` only says where to look;
frames whose message was lost, or whose reader died, are found by walking the rings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpipeline.batching import Batcher, Waiting
from mpipeline.clock import NS_PER_S, Clock
from mpipeline.messages import FrameReady, SinkAdded, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.reader import Lease, RingReader
from mpipeline.workers.dispatch import Dispatch
from mpipeline.workers.journal import Journal
from mpipeline.workers.predictor import Predictor
from mpipeline.workers.trials import Trials

_WALK_NS = NS_PER_S  # how often the rings are walked although no message asked for it


@dataclass(frozen=True, slots=True)
class AttachedRing:
    """A ring that is read, its delivery, and the readers on whose behalf a dropped frame is declined."""

    reader: RingReader
    every_frame: bool
    skip_mask: int


class InferenceLoop:
    """Steps the predictor over whatever waits. `progress` counts frames that were inferred or have failed."""

    def __init__(
        self,
        predictor: Predictor,
        batcher: Batcher,
        deliver: Callable[[str, bytes], bool],
        clock: Clock,
        recorder: Recorder,
        journal: Journal | None = None,
    ) -> None:
        self.progress = 0
        self.dispatch = Dispatch(deliver, recorder, self._decline)
        self._trials = Trials(predictor, journal if journal is not None else Journal(), clock, recorder)
        self._batcher = batcher
        self._clock = clock
        self._recorder = recorder
        self._rings: dict[str, AttachedRing] = {}
        self._offered: dict[str, int] = {}  # source → highest frame id that was offered to the batcher
        self._ended: dict[str, SourceEnded] = {}
        self._next_walk_ns = 0

    # --- what the supervisor says -------------------------------------------------------------------------------

    def attach(self, ring: AttachedRing) -> None:
        """Reads this ring too, beginning with what a predecessor left unfinished."""
        segment = ring.reader.descriptor.segment
        if segment in self._rings:
            ring.reader.close()
            return
        source = ring.reader.descriptor.source
        self._rings[segment] = ring
        if source not in self._offered:
            self._offered[source] = 0
            self._batcher.add_source(source, live=not ring.every_frame)
        ring.reader.recover()
        self._walk(source)

    def retire(self, segment: str) -> None:
        """Every bit of this ring has fallen and none will rise again."""
        if (ring := self._rings.pop(segment, None)) is not None:
            ring.reader.close()

    def add_sink(self, spec: SinkAdded) -> None:
        """Predictions go to this sink too."""
        self.dispatch.add(spec)

    def end(self, message: SourceEnded) -> None:
        """This source is over; the sinks hear of it behind its last prediction."""
        self._ended[message.source] = message
        self._walk(message.source)

    # --- what decoders and sinks say ----------------------------------------------------------------------------

    def hint(self, message: FrameReady) -> None:
        """A slot was published. The common case is taken as told; at any gap the ring is asked."""
        ring = self._rings.get(message.ref.ring)
        if ring is None:
            return  # it will be walked when it is attached
        source = ring.reader.descriptor.source
        if message.frame_id == self._offered.get(source, 0) + 1:
            self._offer(Waiting(source, message.ref, message.frame_id, message.captured_ns))
        elif message.frame_id > self._offered.get(source, 0):
            self._walk(source)

    def status(self, identity: str, status: SinkStatus) -> None:
        """A sink's credit and acknowledgements."""
        self.dispatch.status(identity, status, self._clock.monotonic_ns())

    # --- work ---------------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Infers one batch if one is due; says whether there was one."""
        self._trials.flush()
        now = self._clock.monotonic_ns()
        if now >= self._next_walk_ns:
            self._next_walk_ns = now + _WALK_NS
            for source in {ring.reader.descriptor.source for ring in self._rings.values()}:
                self._walk(source)
        batch = self._batcher.take(now)
        if batch is not None:
            for item, reason in batch.dropped:
                self._drop(item, reason)
            if batch.items:
                self._infer(batch.items)
        if self._ended:
            self._pass_on_ends()
        if self._trials.has_suspects:
            for source in self._offered:
                self._trials.settle(source, self.dispatch.oldest_owed(source))
        self.dispatch.send()
        return batch is not None

    def wait_s(self, longest: float) -> float:
        """How long there is nothing to do unless a message comes, in seconds."""
        deadline = self._batcher.deadline()
        if deadline is None:
            return longest
        return min(longest, max(0.0, (deadline - self._clock.monotonic_ns()) / NS_PER_S))

    def is_drained(self, lossless_only: bool) -> bool:
        """Whether nothing waits in rings, batcher and queues, and every owed acknowledgement has come."""
        for ring in self._rings.values():
            if ring.reader.pending():
                self._walk(ring.reader.descriptor.source)
                return False
        return not self._ended and self.dispatch.is_idle(lossless_only)

    def close(self) -> None:
        """Detaches from all rings. Slots that are still owed stay held, for a successor to recover."""
        self.dispatch.close()
        for ring in self._rings.values():
            ring.reader.close()
        self._rings.clear()
        self._trials.close()

    # --- inside -------------------------------------------------------------------------------------------------

    def _offer(self, item: Waiting) -> None:
        self._offered[item.source] = item.frame_id
        self._batcher.offer(item, self._clock.monotonic_ns())

    def _walk(self, source: str) -> None:
        """Offers every pending frame of the source that was not offered before, in the order of their ids."""
        known = self._offered.get(source, 0)
        found = [
            Waiting(source, ref, meta.frame_id, meta.captured_ns)
            for ring in self._rings.values()
            if ring.reader.descriptor.source == source
            for ref, meta in ring.reader.pending()
            if meta.frame_id > known
        ]
        for item in sorted(found, key=lambda item: item.frame_id):
            self._offer(item)

    def _infer(self, items: Sequence[Waiting]) -> None:
        leases: list[Lease] = []
        rings: list[AttachedRing] = []
        for item in items:
            ring = self._rings.get(item.ref.ring)
            lease = ring.reader.acquire(item.ref.slot, item.ref.sequence) if ring is not None else None
            if lease is None or ring is None:
                continue  # the writer has reused the slot, and has counted it
            leases.append(lease)
            rings.append(ring)
        if not leases:
            return
        for lease, ring, prediction in zip(leases, rings, self._trials.predict(leases), strict=True):
            if prediction.failure is None:
                self._recorder.add("frames_inferred", source=prediction.frame.source)
            self.dispatch.publish(prediction, lease, ring.every_frame)
            if not ring.every_frame:
                lease.release()
            self.progress += 1
        self._recorder.add("batches")

    def _drop(self, item: Waiting, reason: str) -> None:
        """Declines a frame for this reader and for every sink that would have wanted its pixels.

        A frame whose slot the writer has reused meanwhile was counted there.
        """
        ring = self._rings.get(item.ref.ring)
        mask = (1 << ring.reader.bit) | ring.skip_mask if ring is not None else 0
        if ring is not None and ring.reader.skip(item.ref.slot, item.ref.sequence, mask):
            self._recorder.add("frames_dropped", reason=reason, source=item.source)

    def _decline(self, ring: str, slot: int, sequence: int, bit: int) -> None:
        if (attached := self._rings.get(ring)) is not None:
            attached.reader.skip(slot, sequence, 1 << bit)

    def _pass_on_ends(self) -> None:
        for source, message in list(self._ended.items()):
            rings = [r for r in self._rings.values() if r.reader.descriptor.source == source]
            if not self._batcher.waiting(source) and not any(r.reader.pending() for r in rings):
                self.dispatch.end(message, not rings or any(ring.every_frame for ring in rings))
                self._batcher.forget(source)
                del self._ended[source]
