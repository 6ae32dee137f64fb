"""The owner's side of a ring: creating its segment, telling it who reads, clearing up after the dead, removing it."""

from __future__ import annotations

import errno
import fcntl
import math
import mmap
import os
from typing import TypedDict

from mpipeline._native import Ring
from mpipeline.errors import RingError
from mpipeline.frame import FrameFormat
from mpipeline.ring.attachment import checked
from mpipeline.ring.capacity import check_capacity, shared_memory_full
from mpipeline.ring.descriptor import RingDescriptor, bytes_needed
from mpipeline.ring.header import MOST_FRAME_ID
from mpipeline.ring.mapping import Mapping, attach, segment_path
from mpipeline.ring.sweeping import sweep

__all__ = ["OwnedRing", "RingStatistics", "attach", "check_capacity", "create_ring", "sweep"]


class RingStatistics(TypedDict):
    """A ring at one moment. `free`, `pending` and `held` count slots; a slot may be both pending and held."""

    published: int
    expired: int
    last_frame_id: int
    slots: int
    free: int
    pending: int
    held: int
    reserved: int
    readers: int
    pinned: int


def create_ring(
    run_id: str, source: str, index: int, format: FrameFormat, slots: int, last_frame_id: int = 0
) -> OwnedRing:
    """Creates the segment `mp-<run_id>-<index>`, mode 0600, all its memory reserved and touched, and the ring in it.

    `last_frame_id` is that of the ring which this one succeeds. Raises SharedMemoryFull if /dev/shm has no room (and
    nothing is left there), RingError if a segment of that name exists.
    """
    descriptor = RingDescriptor(f"mp-{run_id}-{index}", source, index, slots, format)
    size = bytes_needed(slots, format)
    try:
        mapping = Mapping(descriptor.segment, create=True, size=size)
    except FileExistsError as error:
        raise RingError(
            f"cannot create the ring of {source}: segment {descriptor.segment} exists; is the run {run_id} alive?"
        ) from error
    lock = -1
    try:
        lock = os.open(segment_path(descriptor.segment), os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The header first, because reserving the rest takes long: its magic tells a sweep that the lock has been taken.
        _reserve_bytes(lock, min(mmap.PAGESIZE, size), size)
        ring = Ring.create(mapping.memory, slots, format.payload_bytes(), index, os.getpid(), last_frame_id)
        _reserve_bytes(lock, size, size)
        ring.populate()
    except BaseException:
        mapping.unlink()
        mapping.close()
        if lock >= 0:
            os.close(lock)
        raise
    return OwnedRing(descriptor, mapping, ring, lock)


def _reserve_bytes(fd: int, length: int, size: int) -> None:
    """Takes the memory of the first `length` of `size` bytes now.

    A segment is sparse at first, and a write that finds no memory kills with SIGBUS.
    """
    try:
        os.posix_fallocate(fd, 0, length)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT}:
            raise shared_memory_full(size) from error
        raise


class OwnedRing:
    """A ring as its owner, the supervisor, sees it. The owner's lock on the segment tells that its run is alive.

    The lock goes with the owner's file descriptor, however the process ends; no child must inherit that by a bare fork.
    """

    def __init__(self, descriptor: RingDescriptor, mapping: Mapping, ring: Ring, lock: int) -> None:
        self.descriptor = descriptor
        self._mapping = mapping
        self._open_ring: Ring | None = ring
        self._lock = lock
        self._size = os.fstat(lock).st_size

    def check(self) -> None:
        """Raises RingError if somebody has cut or removed the segment, or overwritten what the ring begins with."""
        source, segment, last = self.descriptor.source, self.descriptor.segment, self._ring.last_frame_id
        if not os.fstat(self._lock).st_nlink:
            raise RingError(f"the ring of {source} is destroyed: its segment {segment} was removed")
        try:
            checked(Ring(self._mapping.memory), self.descriptor)
        except RingError as error:
            raise RingError(f"the ring of {source} ({segment}) is damaged: {error}") from error
        if last > MOST_FRAME_ID:
            raise RingError(f"the ring of {source} ({segment}) is damaged: it says that its last frame was {last}")

    def add_reader(self, bit: int, pinned: bool) -> None:
        """Offers every frame whose publish begins from now on to `bit`; for a present reader only `pinned` changes.

        A frame that is being published at this moment may or may not be offered. The slots that wait for a pinned
        reader are never reused.
        """
        self._ring.add_reader(bit, pinned)

    def remove_reader(self, bit: int) -> int:
        """Ends the offers to a reader that has ended, and gives up what it held or what waited for it.

        That includes a frame that is being published at this moment. Returns the number of frames given up.
        """
        return self._ring.remove_reader(bit)

    def reap(self, bit: int) -> int:
        """Gives up what a dead reader held and what waited for it; new frames are still offered to its successor.

        Returns the number of frames given up. Not for a reader that will `recover`.
        """
        return self._ring.reap(bit)

    def recover(self, bit: int) -> int:
        """Makes pending again what a reader held that has died, as its successor will; returns the number of frames."""
        return self._ring.recover(bit)

    def reap_writer(self) -> int:
        """Frees what a dead writer had reserved; only if no new writer is there, which does this itself."""
        return self._ring.reap_writer()

    def idle(self) -> bool:
        """Whether no reader wants or holds a frame and no slot is reserved: with the writer gone, the ring may go."""
        return self._ring.idle()

    @property
    def last_frame_id(self) -> int:
        """The last frame that was published, also if the writer was killed before it could note that."""
        return self._ring.last_frame_id

    def last_published(self) -> tuple[int, float | None]:
        """The last frame's id and its pts in seconds, None if it has none; exact while nobody writes.

        (`last_frame_id` of the ring before, None) if nothing was published here.
        """
        ring = self._ring
        pts = ring.last_pts
        return ring.last_frame_id, pts if math.isfinite(pts) else None

    def waits_for(self, bit: int) -> bool:
        """Whether a frame is pending for that reader."""
        ring = self._ring
        return any(ring.control(slot)[1] & (1 << bit) for slot in range(ring.slots))

    def has_room(self) -> bool:
        """Whether the writer would get a slot: one that nobody holds and no pinned reader waits for."""
        ring = self._ring
        pinned = ring.pinned
        words = (ring.control(slot) for slot in range(ring.slots))
        return any(not held and not pending & pinned for _, pending, held in words)

    def statistics(self) -> RingStatistics:
        """Counters, and how the slots are in use."""
        ring = self._ring
        words = [ring.control(slot) for slot in range(ring.slots)]
        writer = 1 << 15
        return RingStatistics(
            published=ring.published,
            expired=ring.expired,
            last_frame_id=ring.last_frame_id,
            slots=ring.slots,
            free=sum(not pending and not held for _, pending, held in words),
            pending=sum(bool(pending) for _, pending, _ in words),
            held=sum(bool(held & ~writer) for _, _, held in words),
            reserved=sum(bool(held & writer) for _, _, held in words),
            readers=ring.readers.bit_count(),
            pinned=ring.pinned.bit_count(),
        )

    def close(self) -> None:
        """Removes the segment; harmless when repeated. Who is still attached keeps the memory until it detaches."""
        if self._open_ring is None:
            return
        self._open_ring = None
        self._mapping.unlink()
        self._mapping.close()
        os.close(self._lock)

    @property
    def _ring(self) -> Ring:
        if self._open_ring is None:
            raise RingError(f"the ring of {self.descriptor.source} is closed")
        # Touching what somebody has cut off would be the end of this process, and of the whole run with it.
        size = os.fstat(self._lock).st_size
        if size < self._size:
            raise RingError(
                f"the ring of {self.descriptor.source} is destroyed: its segment {self.descriptor.segment} "
                f"was cut from {self._size} to {size} bytes"
            )
        return self._open_ring
