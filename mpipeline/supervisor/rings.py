"""All rings of a run: made on request, given a new one when the resolution changes, removed when the last bit fell.

A ring that turns out to be damaged hurts nobody here: it is noted for the next `look`, and has nothing to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mpipeline.clock import NS_PER_S
from mpipeline.errors import RingError
from mpipeline.frame import FrameFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.segment import OwnedRing, create_ring

_PATIENCE_NS = 10 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of rings: its bit, and whether its frames under `every_frame` may not be lost.

    `sources` are those whose rings it reads, None if all. `infers`: it is a model, for which all others wait.
    """

    name: str
    bit: int
    pins_every_frame: bool
    sources: Collection[str] | None = None
    infers: bool = False

    def reads(self, source: str) -> bool:
        """Whether the rings of this source concern it."""
        return self.sources is None or source in self.sources


@dataclass
class SourceRings:
    """The rings of one source: the present one and, after changes of resolution, older ones that are still read."""

    every_frame: bool
    present: OwnedRing
    older: list[OwnedRing]

    def all(self) -> list[OwnedRing]:
        """Present and older."""
        return [*self.older, self.present]


class Rings:
    """Owns every segment of the run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._sources: dict[str, SourceRings] = {}
        self._readers: dict[str, Reader] = {}
        self._older_since: dict[str, int] = {}  # segment → when it was first looked at as an older ring
        self._last: dict[str, tuple[int, float | None]] = {}  # source → last frame that was seen published, its pts
        self._damaged: dict[str, str] = {}  # source → what is wrong with a ring of it
        self._next_index = 0

    def grant(
        self, source: str, format: FrameFormat, slots: int, every_frame: bool, last_frame_id: int
    ) -> tuple[RingDescriptor, bool]:
        """The ring for this source and format, and whether it was made just now.

        Raises SharedMemoryFull, and RingError if no ring can be that large or the present one is `damaged`.
        """
        known = self._sources.get(source)
        if known is not None:
            present = known.present
            with self._noting(source):
                present.reap_writer()
                last_frame_id = max(last_frame_id, present.last_frame_id)
            if present.descriptor.format == format and known.every_frame == every_frame:
                return present.descriptor, False
        ring = create_ring(self._run_id, source, self._next_index, format, slots, last_frame_id)
        self._next_index += 1
        for reader in self._readers.values():
            if reader.reads(source):
                ring.add_reader(reader.bit, pinned=every_frame and reader.pins_every_frame)
        if known is None:
            self._sources[source] = SourceRings(every_frame, ring, [])
        else:
            known.older.append(known.present)
            known.present = ring
            known.every_frame = every_frame
        return ring.descriptor, True

    def descriptors(self) -> list[tuple[RingDescriptor, bool]]:
        """Every ring in the order of its making within a source, with its delivery."""
        return [(ring.descriptor, rings.every_frame) for rings in self._sources.values() for ring in rings.all()]

    def last_frame_id(self, source: str) -> int:
        """The last frame that was published for this source, 0 if none was."""
        return self.last_published(source)[0]

    def last_published(self, source: str) -> tuple[int, float | None]:
        """The last frame of this source, and its pts if it is still known; (0, None) if none was published.

        A new ring begins with the id of the one before, and does not know that frame's pts. What a damaged ring had is
        what was last seen of it.
        """
        if (known := self._sources.get(source)) is not None:
            with suppress(RingError), self._noting(source):
                last = [ring.last_published() for ring in known.all()]
                newest = max(frame_id for frame_id, _ in last)
                pts = next((pts for frame_id, pts in last if frame_id == newest and pts is not None), None)
                self._last[source] = newest, pts
        return self._last.get(source, (0, None))

    def older(self, source: str) -> int:
        """How many rings of earlier resolutions this source still has."""
        known = self._sources.get(source)
        return len(known.older) if known is not None else 0

    def wait_for(self, bit: int) -> bool:
        """Whether a frame of any source is pending for that reader."""
        for source, rings in self._sources.items():
            with suppress(RingError), self._noting(source):
                if any(ring.waits_for(bit) for ring in rings.all()):
                    return True
        return False

    def has_room(self, source: str) -> bool:
        """Whether the decoder of this source has a ring and would get a slot in it."""
        if (known := self._sources.get(source)) is not None:
            with suppress(RingError), self._noting(source):
                return known.present.has_room()
        return False

    def add_reader(self, reader: Reader) -> None:
        """From now on frames are pending for this reader too, in all rings that it reads."""
        self._readers[reader.name] = reader
        for source, rings in self._sources.items():
            if not reader.reads(source):
                continue
            with suppress(RingError), self._noting(source):
                for ring in rings.all():
                    ring.add_reader(reader.bit, pinned=rings.every_frame and reader.pins_every_frame)

    def remove_reader(self, name: str) -> None:
        """Nothing is pending for this reader any more, and what it held is given back."""
        reader = self._readers.pop(name, None)
        if reader is not None:
            for source, rings in self._sources.items():
                with suppress(RingError), self._noting(source):
                    for ring in rings.all():
                        ring.remove_reader(reader.bit)

    def recover(self, bit: int) -> None:
        """A reader has died: what it held is pending for its successor, and of a live source may be given up for new
        frames meanwhile. Other readers do not wait for it."""
        for source, rings in self._sources.items():
            with suppress(RingError), self._noting(source):
                for ring in rings.all():
                    ring.recover(bit)

    def reap_writer(self, source: str) -> None:
        """Takes back the slot that a dead decoder was writing."""
        if (known := self._sources.get(source)) is not None:
            with suppress(RingError), self._noting(source):
                known.present.reap_writer()

    def retire(self, now_ns: int) -> list[str]:
        """Removes older rings in which no bit is left; returns their segments, for the readers to detach.

        Readers that need not have everything are waited for only a while: who died may have left bits behind, and
        nothing will be written over them any more.
        """
        retired = []
        for source, rings in self._sources.items():
            for ring in list(rings.older):
                segment = ring.descriptor.segment
                with suppress(RingError), self._noting(source):
                    if now_ns - self._older_since.setdefault(segment, now_ns) > _PATIENCE_NS:
                        self._give_up_waiting(ring, rings.every_frame)
                    if ring.idle():
                        rings.older.remove(ring)
                        del self._older_since[segment]
                        retired.append(segment)
                        ring.close()
        return retired

    def _give_up_waiting(self, ring: OwnedRing, every_frame: bool) -> None:
        for reader in self._readers.values():
            if not reader.infers and not (every_frame and reader.pins_every_frame):
                ring.reap(reader.bit)

    # --- damage -----------------------------------------------------------------------------------------------------

    @property
    def damaged(self) -> dict[str, str]:
        """The sources that were found to have a damaged ring, and what is wrong with it. They must be discarded."""
        return dict(self._damaged)

    def look(self) -> None:
        """Looks whether a ring is damaged, and how far each source is."""
        for source, rings in self._sources.items():
            with suppress(RingError), self._noting(source):
                for ring in rings.all():
                    ring.check()
                self.last_published(source)

    def segments(self, source: str) -> list[str]:
        """The segments of this source's rings."""
        known = self._sources.get(source)
        return [ring.descriptor.segment for ring in known.all()] if known is not None else []

    def is_every_frame(self, source: str) -> bool:
        """The delivery of a source that has a ring."""
        return self._sources[source].every_frame

    def discard(self, source: str, last_frame_id: int) -> None:
        """Removes the rings of a source, whatever is in them. What it has from now on begins behind that frame id."""
        for ring in self._sources.pop(source).all():
            self._older_since.pop(ring.descriptor.segment, None)
            ring.close()
        self._damaged.pop(source, None)
        self._last[source] = last_frame_id, None

    @contextmanager
    def _noting(self, source: str) -> Iterator[None]:
        try:
            yield
        except RingError as error:
            self._damaged[source] = str(error)
            raise

    def close(self) -> None:
        """Removes everything."""
        for rings in self._sources.values():
            for ring in rings.all():
                ring.close()
        self._sources.clear()
