"""The writer's side of a ring: reserve a slot, fill its planes, publish it."""

from __future__ import annotations

from mpipeline._native import Ring
from mpipeline.errors import RingError
from mpipeline.frame import FrameMeta, Pixels, plane_views
from mpipeline.ring.attachment import Attachment
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.header import describe, header_for


class RingWriter:
    """The one writer of a ring, used by one thread.

    With `reuse` a full ring gives up its oldest frame that nobody holds and no pinned reader waits for; without it the
    writer waits. Making a RingWriter frees what a dead predecessor had reserved, so a predecessor must be dead.
    `counted` are the readers, as a mask of bits, whose losses count as expired. `frame_bytes` are those of the pixels
    that are written for each frame.
    Raises RingError if the segment is damaged, of another layout version, or not what the descriptor says.
    """

    def __init__(self, descriptor: RingDescriptor, reuse: bool, counted: int = 1) -> None:
        self.descriptor = descriptor
        self.reuse = reuse
        self._counted = counted
        self.frame_bytes = descriptor.format.pixel_bytes()
        self._attachment = Attachment(descriptor)
        self._ring.reap_writer()
        self._ring.populate()
        self._header = header_for(descriptor.format)
        self._planes = [
            plane_views(descriptor.format, self._attachment.payload(slot, writable=True))
            for slot in range(descriptor.slots)
        ]

    @property
    def last_frame_id(self) -> int:
        """The last frame that was published into this ring, by whichever writer, or into the ring before it."""
        return self._ring.last_frame_id

    @property
    def expired(self) -> int:
        """How many frames were given up before all of the `counted` readers had read them."""
        return self._ring.expired

    def reserve(self, timeout_s: float) -> int | None:
        """Takes a slot to write into; None if there was none within `timeout_s` seconds."""
        return self._ring.reserve(self.reuse, timeout_s, self._counted)

    def planes(self, slot: int) -> tuple[Pixels, ...]:
        """Writable views of shape (rows, row_bytes) on the planes of a reserved slot."""
        if not 0 <= slot < len(self._planes):
            raise RingError(
                f"slot {slot} is out of range: the ring of {self.descriptor.source} has {len(self._planes)}"
            )
        return self._planes[slot]

    def publish(self, slot: int, meta: FrameMeta) -> int:
        """Offers the slot to all readers and returns its sequence.

        Raises RingError if the slot is not reserved, or if `meta.frame_id` is not greater than the last one.
        """
        describe(self._header, self.descriptor.format, meta)
        return self._ring.publish(slot, self._header)

    def cancel(self, slot: int) -> None:
        """Gives a reserved slot back unpublished."""
        self._ring.cancel(slot)

    def close(self) -> None:
        """Detaches; harmless when repeated. A slot that is still reserved is freed by the next writer."""
        self._planes = []
        self._attachment.close()

    @property
    def _ring(self) -> Ring:
        return self._attachment.ring
