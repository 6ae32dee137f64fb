"""A reader's side of a ring: see what is pending, take a lease on a frame, give it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType

from mpipeline._native import Ring
from mpipeline.frame import Frame, FrameFormat, FrameMeta, FrameRef, Pixels, plane_views
from mpipeline.ring.attachment import Attachment
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.header import check_header, header_for, meta_of
from mpipeline.ring.pixels import to_bgr


class Lease:
    """The right to look at one frame, from `RingReader.acquire` until `release` or the end of a `with` block.

    After that the planes of `frame` are still readable memory, but the writer may be writing there.
    """

    __slots__ = ("_attachment", "_bit", "_ring", "frame", "ref")

    def __init__(self, frame: Frame, ref: FrameRef, attachment: Attachment, ring: Ring, bit: int) -> None:
        self.frame = frame
        self.ref = ref
        self._attachment = attachment
        self._ring: Ring | None = ring
        self._bit = bit

    def release(self) -> None:
        """Ends the lease; harmless when repeated, after the reader was closed, and if the segment was cut.

        Any thread may do so, also while the reader's own closes it.
        """
        if self._ring is not None:
            if not self._attachment.is_cut():
                self._ring.release(self.ref.slot, self.ref.sequence, self._bit)
            self._ring = None

    @property
    def is_held(self) -> bool:
        """Whether it was not released yet."""
        return self._ring is not None

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class RingReader:
    """One reader of a ring, known to it by its bit, used by one thread.

    A restarted reader calls `recover` first. Raises RingError if the segment is damaged, of another layout version, or
    not what the descriptor says; every method raises RingError if a slot number or a slot's header makes no sense.
    `copied` is told how many bytes each picture has that somebody has made of a frame (`Frame.bgr`).
    """

    def __init__(self, descriptor: RingDescriptor, bit: int, copied: Callable[[int], object] | None = None) -> None:
        self.descriptor = descriptor
        self.bit = bit
        self._attachment = Attachment(descriptor)
        self._expected = header_for(descriptor.format)
        self._convert = to_bgr if copied is None else partial(_told, copied)
        self._planes = [
            plane_views(descriptor.format, self._attachment.payload(slot, writable=False))
            for slot in range(descriptor.slots)
        ]

    @property
    def memory(self) -> Pixels:
        """All of the segment, 1-D uint8, in which the planes of all frames lie; for reading. It stays valid memory."""
        return self._attachment.memory

    def acquire(self, slot: int, sequence: int) -> Lease | None:
        """A lease on a pending frame; None if it has expired, or was taken or declined before."""
        ring = self._attachment.ring
        if not ring.acquire(slot, sequence, self.bit):
            return None
        ref = FrameRef(self.descriptor.segment, slot, sequence)
        try:
            meta = self._meta(ring, ref)
        except BaseException:
            if not self._attachment.is_cut():
                ring.release(slot, sequence, self.bit)
            raise
        if meta is None:  # the owner took this reader for dead and reaped it
            return None
        frame = Frame(meta, self.descriptor.format, self._planes[slot], self._convert)
        return Lease(frame, ref, self._attachment, ring, self.bit)

    def skip(self, slot: int, sequence: int, mask: int | None = None) -> bool:
        """Declines a frame, for itself or for all readers in the bit `mask`; nothing happens if it has expired."""
        return self._attachment.ring.skip(slot, sequence, 1 << self.bit if mask is None else mask)

    def pending(self) -> list[tuple[FrameRef, FrameMeta]]:
        """All frames that wait for this reader, oldest first."""
        frames = []
        for slot, header in self._attachment.ring.pending(self.bit):
            check_header(header, self._expected, self.descriptor.segment)
            ref = FrameRef(self.descriptor.segment, slot, header.sequence)
            frames.append((ref, meta_of(header, self.descriptor.source)))
        return frames

    def meta(self, ref: FrameRef) -> FrameMeta | None:
        """What is known about a frame, without a lease; None if it has expired."""
        return self._meta(self._attachment.ring, ref)

    def _meta(self, ring: Ring, ref: FrameRef) -> FrameMeta | None:
        header = ring.header(ref.slot, ref.sequence)
        if header is None:
            return None
        check_header(header, self._expected, self.descriptor.segment)
        return meta_of(header, self.descriptor.source)

    def captured_ns(self, ref: FrameRef, frame_id: int) -> int | None:
        """When frame `frame_id` was captured, monotonic ns; None if it is not, or no more, what lies there."""
        header = self._attachment.ring.header(ref.slot, ref.sequence)
        return header.captured_ns if header is not None and header.frame_id == frame_id else None

    def recover(self) -> int:
        """Makes pending again what this reader held when it died; returns the number of frames."""
        return self._attachment.ring.recover(self.bit)

    def wait_published(self, seen: int, timeout_s: float) -> int:
        """Sleeps until the number of publish events is no longer `seen`, at most `timeout_s` seconds; returns it.

        A hint: look at `pending` after every return, for a writer can be killed before it wakes anyone.
        """
        return self._attachment.ring.wait_published(seen, timeout_s)

    def close(self) -> None:
        """Detaches; harmless when repeated. Leases and views stay valid memory; a lease can still be released."""
        self._planes = []
        self._attachment.close()


def _told(copied: Callable[[int], object], format: FrameFormat, planes: Sequence[Pixels]) -> Pixels:
    picture = to_bgr(format, planes)
    copied(picture.nbytes)
    return picture
