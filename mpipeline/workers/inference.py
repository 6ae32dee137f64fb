"""The inference loop: slots of all rings into batches, batches into predictions, predictions to the sinks.

It is stepped, and knows neither sockets nor processes. The rings are the truth: a `FrameReady` only says where to look;
frames whose message was lost, or whose reader died, are found by walking the rings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from mpipeline.batching import Batcher, Waiting
from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import Reason
from mpipeline.frame import FrameRef
from mpipeline.messages import FrameReady, RingDamaged, SinkAdded, SinkStatus, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.reader import Lease
from mpipeline.workers.dispatch import Dispatch
from mpipeline.workers.journal import Journal
from mpipeline.workers.predictor import Predictor
from mpipeline.workers.read_rings import AttachedRing, ReadRings
from mpipeline.workers.tracking import Tracking
from mpipeline.workers.trials import Attempt, Trials

_WALK_NS = NS_PER_S  # how often the rings are walked although no message asked for it

_Taken = list[tuple[AttachedRing, Lease]]


class InferenceLoop:
    """Steps the predictor over whatever waits. `progress` counts frames that were inferred or have failed.

    `rings` are those that it reads; `report` hears of one that is damaged. `tracking`, if any, sees each prediction
    before the sinks do. `ended` is called by some thread of the predictor's, if it has any, when a step would find
    predictions: while those threads work on one batch, the steps publish the one before and choose the next.
    """

    def __init__(
        self,
        predictor: Predictor,
        batcher: Batcher,
        deliver: Callable[[str, bytes], bool],
        clock: Clock,
        recorder: Recorder,
        journal: Journal | None = None,
        report: Callable[[RingDamaged], object] = lambda _: None,
        tracking: Tracking | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        self.progress = 0
        self.rings = ReadRings(report, self._forget, self._begin, clock, self._copied, predictor.rings)
        self.dispatch = Dispatch(deliver, recorder, self._decline)
        self._trials = Trials(predictor, journal if journal is not None else Journal(), clock, recorder, ended)
        self._predictor = predictor
        self._batcher = batcher
        self._clock = clock
        self._recorder = recorder
        self._tracking = tracking
        self._offered: dict[str, int] = {}  # source → highest frame id that was offered to the batcher
        self._unclear: set[str] = set()  # sources whose rings must be asked: a message was missed, or is not true
        self._ended: dict[str, SourceEnded] = {}
        self._next_walk_ns = 0
        self._in_model: deque[tuple[_Taken, Attempt]] = deque()

    # --- what the supervisor says -------------------------------------------------------------------------------

    def add_sink(self, spec: SinkAdded) -> None:
        """Predictions go to this sink too."""
        self.dispatch.add(spec)

    def end(self, message: SourceEnded) -> None:
        """This source is over; the sinks hear of it behind its last prediction."""
        self._ended[message.source] = message
        self._walk(message.source)

    # --- what decoders and sinks say ----------------------------------------------------------------------------

    def hint(self, message: FrameReady) -> None:
        """A slot was published. The next frame is taken if it is there; else the ring is asked in the next step."""
        ring = self.rings.get(message.ref.ring)
        if ring is None:
            return  # it will be walked when it is attached
        source = ring.reader.descriptor.source
        ahead = message.frame_id - self._offered.get(source, 0)
        captured_ns = self.rings.captured_ns(message.ref, message.frame_id) if ahead == 1 else None
        if captured_ns is not None:
            self._offer(Waiting(source, message.ref, message.frame_id, captured_ns))
        elif ahead > 0:
            self._unclear.add(source)

    def status(self, identity: str, status: SinkStatus) -> None:
        """A sink's credit and acknowledgements."""
        self.dispatch.status(identity, status, self._clock.monotonic_ns())

    # --- work ---------------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Begins with one batch if one is due, publishes those that are through; says whether there was either."""
        self._trials.flush()
        self.rings.try_again()
        now = self._clock.monotonic_ns()
        if now >= self._next_walk_ns:
            self._next_walk_ns = now + _WALK_NS
            self._unclear = self.rings.sources()
        while self._unclear:
            self._walk(self._unclear.pop())
        if self._is_overdue():
            self._publish(*self._in_model.popleft())  # waits, so what goes next is chosen after it
            self.dispatch.send()
            now = self._clock.monotonic_ns()
        through = [self._in_model.popleft()] if self._is_through() else []
        batch = self._batcher.take(now) if self._has_room() else None
        if batch is not None:
            for item, reason in batch.dropped:
                self._drop(item, reason)
            self._begin_with(batch.items)
        while self._is_through():
            through.append(self._in_model.popleft())
        for taken, attempt in through:  # last: the model has something to do meanwhile
            self._publish(taken, attempt)
        if self._ended:
            self._pass_on_ends()
        if self._trials.has_suspects:
            for source in self._offered:
                self._trials.settle(source, self.dispatch.oldest_owed(source))
        self.dispatch.send()
        return batch is not None or bool(through)

    def wait_s(self, longest: float) -> float:
        """How long there is nothing to do unless a message comes, or the predictor's word, in seconds."""
        if self._is_through() or self._is_overdue():
            return 0.0
        deadline = self._batcher.deadline() if self._has_room() else None
        if deadline is None:
            return longest
        return min(longest, max(0.0, (deadline - self._clock.monotonic_ns()) / NS_PER_S))

    def is_drained(self, lossless_only: bool) -> bool:
        """Whether nothing waits in rings, batcher and queues, and every owed acknowledgement has come."""
        if self._in_model:
            return False
        for source in self.rings.sources():
            if self.rings.pending(source):
                self._walk(source)
                return False
        return not self._ended and not self.rings.held_up() and self.dispatch.is_idle(lossless_only)

    def close(self) -> None:
        """Detaches from all rings. Slots that are still owed stay held, for a successor to recover."""
        self.dispatch.close()
        self.rings.close()
        self._trials.close()
        if self._tracking is not None:
            self._tracking.close()

    # --- inside -------------------------------------------------------------------------------------------------

    def _is_through(self) -> bool:
        return bool(self._in_model) and self._in_model[0][1].is_through

    def _is_overdue(self) -> bool:
        return bool(self._in_model) and self._trials.is_overdue(self._in_model[0][1])

    def _has_room(self) -> bool:
        """Whether the model may be given a batch. Of a live source the newest frame is to be chosen, when it can go."""
        predictor = self._predictor
        return len(self._in_model) < (predictor.live_ahead if self._batcher.is_live else predictor.ahead)

    def _begin(self, ring: AttachedRing) -> None:
        """A ring is read from now on, beginning with what a predecessor left unfinished."""
        source = ring.reader.descriptor.source
        if source not in self._offered:
            self._offered[source] = 0
            self._batcher.add_source(source, live=not ring.every_frame)
        ring.reader.recover()
        if not ring.every_frame:  # else nothing is given back that is not through
            self._count_lost(source)
        self._walk(source)

    def _count_lost(self, source: str) -> None:
        """What went down with a predecessor, and is in no slot any more."""
        lost = self._trials.left(source) - {meta.frame_id for _, meta in self.rings.pending(source)}
        if lost:
            self._recorder.add("frames_dropped", len(lost), reason=Reason.CRASHED.value, source=source)

    def _offer(self, item: Waiting) -> None:
        self._offered[item.source] = item.frame_id
        self._batcher.offer(item, self._clock.monotonic_ns())

    def _walk(self, source: str) -> None:
        """Offers every pending frame of the source that was not offered before, in the order of their ids."""
        known = self._offered.get(source, 0)
        found = [
            Waiting(source, ref, meta.frame_id, meta.captured_ns)
            for ref, meta in self.rings.pending(source)
            if meta.frame_id > known
        ]
        for item in sorted(found, key=lambda item: item.frame_id):
            self._offer(item)

    def _begin_with(self, items: Sequence[Waiting]) -> None:
        taken: _Taken = []
        for item in items:
            ring, lease = self.rings.get(item.ref.ring), self.rings.acquire(item.ref)
            if ring is not None and lease is not None:  # else the writer has reused the slot, and has counted it
                taken.append((ring, lease))
        # A ring that was found damaged by one frame has taken those before it along.
        taken = [(ring, lease) for ring, lease in taken if self.rings.get(lease.ref.ring) is ring]
        if taken:
            leases = [lease for _, lease in taken]
            self._in_model.append((taken, self._trials.begin(leases, self._loose(taken))))

    def _loose(self, taken: _Taken) -> Sequence[Lease]:
        """The leases that end when the model needs no pixels any more, and not when its predictions are there.

        Whoever wants pixels with a prediction finds them more surely in a slot that is held until then.
        """
        loose = [lease for ring, lease in taken if not ring.every_frame]
        return () if loose and self.dispatch.pixel_readers else loose

    def _publish(self, taken: _Taken, attempt: Attempt) -> None:
        for (ring, lease), found in zip(taken, self._trials.predictions(attempt), strict=True):
            if self.rings.get(lease.ref.ring) is not ring:
                continue  # found damaged meanwhile: nobody could ever be done with this one
            if found.failure is None:
                frame = found.frame
                self._recorder.add("frames_inferred", source=frame.source)
                latency_ns = self._clock.monotonic_ns() - frame.captured_ns
                self._recorder.add("latency_seconds", latency_ns / NS_PER_S, source=frame.source)
            tracked = found if self._tracking is None else self._tracking.tracked(found, every_frame=ring.every_frame)
            self.dispatch.publish(tracked, lease, ring.every_frame)
            if not ring.every_frame:
                lease.release()
            self.progress += 1
        self._recorder.add("batches")

    def _drop(self, item: Waiting, reason: str) -> None:
        """Declines a frame for this reader and for every sink that would have wanted its pixels.

        A frame whose slot the writer has reused meanwhile was counted there.
        """
        ring = self.rings.get(item.ref.ring)
        if ring is not None and self.rings.skip(item.ref, (1 << ring.reader.bit) | self.dispatch.pixel_readers):
            self._recorder.add("frames_dropped", reason=reason, source=item.source)

    def _decline(self, ring: str, slot: int, sequence: int, bit: int) -> None:
        self.rings.skip(FrameRef(ring, slot, sequence), 1 << bit)

    def _copied(self, source: str, size: int) -> None:
        self._recorder.add("bytes_copied", size, source=source)

    def _forget(self, source: str) -> None:
        """What waits of this source, or for a sink with its pixels, cannot be read any more."""
        self._offered.pop(source, None)
        self._batcher.forget(source)
        self._trials.forget(source)
        self.dispatch.forget(source)

    def _pass_on_ends(self) -> None:
        unfinished = self.rings.held_up()
        unfinished |= {lease.frame.meta.source for taken, _ in self._in_model for _, lease in taken}
        for source, message in list(self._ended.items()):
            if source in unfinished:
                continue
            rings = self.rings.of(source)
            if not self._batcher.waiting(source) and not self.rings.pending(source):
                self.dispatch.end(message, not rings or any(ring.every_frame for ring in rings))
                if self._tracking is not None:
                    self._tracking.end(source)
                self._batcher.forget(source)
                del self._ended[source]
