"""The rings that a worker or an attached program reads. One that is damaged costs its own source only.

One to which this process cannot attach, because it lacks open files or memory just now, is tried again until it can.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.errors import RingError, RingGone, RingShortage
from mpipeline.frame import FrameMeta, FrameRef
from mpipeline.messages import Message, RingAttached, RingDamaged, RingRetired
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import Lease, RingReader
from mpipeline.workers.ways import RingMemory

logger = logging.getLogger("mpipeline.rings")

_AGAIN_NS = NS_PER_S // 2  # between two attempts to attach
_REMEMBERED = 64  # damaged or retired rings; who hears so late of a frame in an earlier one has been waiting for ages


@dataclass(frozen=True, slots=True)
class AttachedRing:
    """A ring that is read, and its delivery."""

    reader: RingReader
    every_frame: bool = False


class ReadRings:
    """The rings by segment. When one turns out to be damaged, all rings of its source are let go, and it is reported.

    From then on no ring of that source is taken until the supervisor has told of the damage as well (`let_go`): the
    frames begin anew behind what every sink has, and what still comes of the rings before must not overtake them.
    `forget(source)` is called whenever the rings of a source are let go as damaged, `begin(ring)` when one begins to be
    read; what that finds damaged is reported too. `copied(source, bytes)` is told of each picture that somebody
    makes of a frame. `memory`, if any, is lent the rings' memory for as long as they are read.
    """

    def __init__(
        self,
        report: Callable[[RingDamaged], object],
        forget: Callable[[str], None] | None = None,
        begin: Callable[[AttachedRing], None] | None = None,
        clock: Clock | None = None,
        copied: Callable[[str, int], object] | None = None,
        memory: RingMemory | None = None,
    ) -> None:
        self._report = report
        self._copied = copied
        self._memory = memory
        self._forget = forget
        self._begin = begin
        self._clock = clock if clock is not None else SystemClock()
        self._rings: dict[str, AttachedRing] = {}
        self._short: dict[str, tuple[RingAttached, int]] = {}  # segment → what was told of it, and the reader's bit
        self._again_ns = 0
        self._broken: set[str] = set()  # sources whose damage was found here, and not told by the supervisor yet
        self._damaged: deque[str] = deque(maxlen=_REMEMBERED)  # segments
        self._retired: deque[str] = deque(maxlen=_REMEMBERED)

    def obey(self, message: Message, bit: int) -> None:
        """Does what the supervisor says of rings, as the reader `bit`; what else it says is passed over."""
        if isinstance(message, RingAttached):
            self._attach(message, bit)
        elif isinstance(message, RingDamaged):
            self.let_go(message.source, message.segment)
        elif isinstance(message, RingRetired):
            self.retire(message.segment)

    def _attach(self, told: RingAttached, bit: int) -> None:
        descriptor = told.descriptor
        if descriptor.segment in self._rings or self.is_damaged(descriptor.source, descriptor.segment):
            return
        copied = None if self._copied is None else partial(self._copied, descriptor.source)
        with self.guard(descriptor):
            try:
                reader = RingReader(descriptor, bit, copied)
            except RingGone:  # retired meanwhile; that word is on its way
                self.retire(descriptor.segment)
                return
            except RingShortage as error:
                self._postpone(told, bit, error)
                return
            self.add(AttachedRing(reader, told.every_frame))

    def _postpone(self, told: RingAttached, bit: int, error: RingShortage) -> None:
        self._again_ns = self._clock.monotonic_ns() + _AGAIN_NS
        segment, source = told.descriptor.segment, told.descriptor.source
        if segment not in self._short:
            logger.error("%s; trying again until it works", error, extra={"event": "ring_postponed", "source": source})
        self._short[segment] = told, bit

    def try_again(self, *, at_once: bool = False) -> None:
        """Attaches to what could not be attached to, if it is time or `at_once`. To be called often."""
        if not self._short or not (at_once or self._clock.monotonic_ns() >= self._again_ns):
            return
        for segment, (told, bit) in list(self._short.items()):
            self._attach(told, bit)
            if segment in self._rings:
                source = told.descriptor.source
                logger.info("attached to the ring of %s", source, extra={"event": "ring_attached", "source": source})

    def add(self, ring: AttachedRing) -> bool:
        """Reads this ring too. False, and it is closed, if it is read already or not to be read."""
        descriptor = ring.reader.descriptor
        if descriptor.segment in self._rings or self.is_damaged(descriptor.source, descriptor.segment):
            ring.reader.close()
            return False
        self._rings[descriptor.segment] = ring
        self._short.pop(descriptor.segment, None)
        if self._memory is not None:
            self._memory.lend(descriptor.segment, ring.reader.memory)
        if self._begin is not None:
            with self.guard(descriptor):
                self._begin(ring)
        return True

    def get(self, segment: str) -> AttachedRing | None:
        """The ring in this segment, if it is read."""
        return self._rings.get(segment)

    def of(self, source: str) -> list[AttachedRing]:
        """The rings of a source."""
        return [ring for ring in self._rings.values() if ring.reader.descriptor.source == source]

    def sources(self) -> set[str]:
        """The sources that have a ring."""
        return {ring.reader.descriptor.source for ring in self._rings.values()}

    def is_damaged(self, source: str, segment: str) -> bool:
        """Whether nothing can be read, or must not be, of what this segment of this source holds."""
        return source in self._broken or segment in self._damaged

    def may_come(self, source: str, segment: str) -> bool:
        """Whether a ring that is not read may still be told of.

        That word comes on another socket than the first prediction of the ring, and may come later.
        """
        known = segment in self._rings or segment in self._short or segment in self._retired
        return not known and not self.is_damaged(source, segment)

    def holds_up(self, segment: str) -> bool:
        """Whether this process cannot attach to that ring just now, and none of its frames may be passed over."""
        return segment in self._short and self._short[segment][0].every_frame

    def held_up(self) -> set[str]:
        """The sources that have such a ring."""
        return {told.descriptor.source for told, _ in self._short.values() if told.every_frame}

    # --- looking at frames; what finds a ring damaged finds nothing --------------------------------------------------

    def pending(self, source: str) -> list[tuple[FrameRef, FrameMeta]]:
        """All frames of a source that wait for this reader, ring by ring."""
        found = []
        for ring in self.of(source):
            with self.guard(ring.reader.descriptor):
                found += ring.reader.pending()
            if source in self._broken:
                return []
        return found

    def acquire(self, ref: FrameRef) -> Lease | None:
        """A lease on a pending frame; None if there is none, for whatever reason."""
        lease = None
        if (ring := self._holder(ref)) is not None:
            with self.guard(ring.reader.descriptor):
                lease = ring.reader.acquire(ref.slot, ref.sequence)
        return lease

    def captured_ns(self, ref: FrameRef, frame_id: int) -> int | None:
        """When this frame was captured; None if it is not what lies there."""
        captured_ns = None
        if (ring := self._holder(ref)) is not None:
            with self.guard(ring.reader.descriptor):
                captured_ns = ring.reader.captured_ns(ref, frame_id)
        return captured_ns

    def skip(self, ref: FrameRef, mask: int | None = None) -> bool:
        """Declines a frame, for this reader or for all in `mask`; False if it was not pending."""
        declined = False
        if (ring := self._holder(ref)) is not None:
            with self.guard(ring.reader.descriptor):
                declined = ring.reader.skip(ref.slot, ref.sequence, mask)
        return declined

    def _holder(self, ref: FrameRef) -> AttachedRing | None:
        """The ring that a message means, if it has such a slot."""
        ring = self._rings.get(ref.ring)
        return ring if ring is not None and ref.slot < ring.reader.descriptor.slots else None

    # --- damage, and ordinary ends -----------------------------------------------------------------------------------

    @contextmanager
    def guard(self, descriptor: RingDescriptor) -> Iterator[None]:
        """A RingError in this block is the end of the block, and of all that is read of this source."""
        try:
            yield
        except RingError as error:
            self._broken.add(descriptor.source)
            self._give_up(descriptor.source, descriptor.segment)
            self._report(RingDamaged(descriptor.source, descriptor.segment, str(error)))

    def let_go(self, source: str, segment: str) -> None:
        """The supervisor has told of the damage: the rings of this source that come from now on are fresh ones."""
        self._broken.discard(source)
        self._give_up(source, segment)

    def _give_up(self, source: str, segment: str) -> None:
        gone = [ring.reader.descriptor.segment for ring in self.of(source)]
        gone += [segment for segment, (told, _) in self._short.items() if told.descriptor.source == source]
        for each in gone:
            self._detach(each)
        self._damaged.extend({segment, *gone})
        if self._forget is not None:
            self._forget(source)

    def retire(self, segment: str) -> None:
        """Nothing of this ring is needed any more, nor will it be told of again."""
        self._retired.append(segment)
        self._detach(segment)

    def _detach(self, segment: str) -> None:
        self._short.pop(segment, None)
        if (ring := self._rings.pop(segment, None)) is not None:
            if self._memory is not None:
                self._memory.take_back(segment)
            ring.reader.close()

    def close(self) -> None:
        """Detaches from all; what is held stays held."""
        for segment in list(self._rings):
            self._detach(segment)
        # Methods of whoever has these rings: neither need wait for a collection.
        self._forget = self._begin = self._copied = None
