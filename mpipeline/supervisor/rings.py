"""All rings of a run: made on request, given a new one when the resolution changes, removed when the last bit fell."""

from __future__ import annotations

from dataclasses import dataclass

from mpipeline.frame import FrameFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.supervisor.plan import INFERENCE


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of rings: its bit, and whether its frames under `every_frame` may not be lost."""

    name: str
    bit: int
    pins_every_frame: bool


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
        self._next_index = 0

    def grant(
        self, source: str, format: FrameFormat, slots: int, every_frame: bool, last_frame_id: int
    ) -> tuple[RingDescriptor, bool]:
        """The ring for this source and format, and whether it was made just now.

        Raises SharedMemoryFull.
        """
        known = self._sources.get(source)
        if known is not None:
            present = known.present
            if present.descriptor.format == format and known.every_frame == every_frame:
                present.reap_writer()
                return present.descriptor, False
            last_frame_id = max(last_frame_id, present.last_frame_id)
        ring = create_ring(self._run_id, source, self._next_index, format, slots, last_frame_id)
        self._next_index += 1
        for reader in self._readers.values():
            ring.add_reader(reader.bit, pinned=every_frame and reader.pins_every_frame)
        if known is None:
            self._sources[source] = SourceRings(every_frame, ring, [])
        else:
            known.present.reap_writer()
            known.older.append(known.present)
            known.present = ring
            known.every_frame = every_frame
        return ring.descriptor, True

    def descriptors(self) -> list[tuple[RingDescriptor, bool]]:
        """Every ring in the order of its making within a source, with its delivery."""
        return [(ring.descriptor, rings.every_frame) for rings in self._sources.values() for ring in rings.all()]

    def last_frame_id(self, source: str) -> int:
        """The last frame that was published for this source, 0 if none was."""
        known = self._sources.get(source)
        return max(ring.last_frame_id for ring in known.all()) if known is not None else 0

    def add_reader(self, reader: Reader) -> None:
        """From now on frames are pending for this reader too, in all rings."""
        self._readers[reader.name] = reader
        for rings in self._sources.values():
            for ring in rings.all():
                ring.add_reader(reader.bit, pinned=rings.every_frame and reader.pins_every_frame)

    def remove_reader(self, name: str) -> None:
        """Nothing is pending for this reader any more, and what it held is given back."""
        reader = self._readers.pop(name, None)
        if reader is not None:
            for rings in self._sources.values():
                for ring in rings.all():
                    ring.remove_reader(reader.bit)

    def interrupt_reader(self, name: str) -> None:
        """A reader has died and will come back. Older rings do not wait for frames that nobody will be told of again:
        those for the dead itself and, if it was inference, those for sinks that it would have told."""
        for rings in self._sources.values():
            for reader in self._readers.values():
                pinned = rings.every_frame and reader.pins_every_frame
                if reader.name != INFERENCE and not pinned and name in (reader.name, INFERENCE):
                    for ring in rings.older:
                        ring.reap(reader.bit)

    def reap_writer(self, source: str) -> None:
        """Takes back the slot that a dead decoder was writing."""
        known = self._sources.get(source)
        if known is not None:
            known.present.reap_writer()

    def retire(self) -> list[str]:
        """Removes older rings in which no bit is left; returns their segments, for the readers to detach."""
        retired = []
        for rings in self._sources.values():
            for ring in [ring for ring in rings.older if ring.idle()]:
                rings.older.remove(ring)
                retired.append(ring.descriptor.segment)
                ring.close()
        return retired

    def close(self) -> None:
        """Removes everything."""
        for rings in self._sources.values():
            for ring in rings.all():
                ring.close()
        self._sources.clear()
