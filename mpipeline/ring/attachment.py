"""One process's access to a ring: the mapped segment, the checked native ring in it, the payloads of its slots."""

from __future__ import annotations

import errno
import threading

import numpy as np

from mpipeline._native import Ring
from mpipeline.errors import RingError, RingGone, RingShortage
from mpipeline.frame import Pixels
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.mapping import attach, is_segment_name

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # of open files or memory


class Attachment:
    """Attaches to the ring that a descriptor names.

    Raises RingGone if there is no such segment any more, RingShortage if this process lacks something for it just now,
    RingError if it is not that ring. Whoever makes the segment shorter afterwards kills with SIGBUS every process that
    touches what is gone. It is looked for before each access to the ring, so that only who is looking at pixels at that
    moment dies of it: a mapping can neither see nor prevent that. A worker is started again then, and is refused here.
    """

    def __init__(self, descriptor: RingDescriptor) -> None:
        if not is_segment_name(descriptor.segment):
            raise RingError(f"{descriptor.segment!r} is not the name of a ring's segment")
        try:
            self._mapping = attach(descriptor.segment)
        except FileNotFoundError as error:
            raise RingGone(
                f"the ring of {descriptor.source} does not exist: no segment {descriptor.segment}; its run has ended"
            ) from error
        except ValueError as error:  # mmap refuses a file of no bytes
            raise RingError(f"segment {descriptor.segment} is empty: it was never completed") from error
        except OSError as error:
            if error.errno in _SHORTAGES:
                text = f"cannot attach to the ring of {descriptor.source} just now: {error.strerror}"
                raise RingShortage(f"{text}; close files or raise the limit (ulimit -n), or free memory") from error
            raise RingError(f"cannot map segment {descriptor.segment!r}: {error.strerror}") from error
        self._is_cut = False
        self._closing = threading.Lock()  # a lease may be given back by another thread while this one lets go
        try:
            self._ring: Ring | None = checked(Ring(self._mapping.memory), descriptor)
        except RingError as error:
            self._mapping.close()
            raise RingError(
                f"cannot attach to the ring of {descriptor.source} ({descriptor.segment}): {error}"
            ) from error
        self._payload_bytes = descriptor.format.payload_bytes()
        self._source = descriptor.source

    @property
    def ring(self) -> Ring:
        """The native ring. It keeps the memory mapped for as long as somebody has it.

        RingError after `close`, and if the segment was cut.
        """
        if self._ring is None:
            raise RingError(f"the ring of {self._source} is closed")
        if self.is_cut():
            raise RingError(f"the ring of {self._source} is destroyed: its segment {self._mapping.name} was cut")
        return self._ring

    def is_cut(self) -> bool:
        """Whether touching the ring would kill this process; after `close` as it was then."""
        with self._closing:
            return self._look()

    @property
    def memory(self) -> Pixels:
        """The whole segment, 1-D uint8; a view that keeps it mapped."""
        return np.frombuffer(self._mapping.memory, np.uint8)

    def payload(self, slot: int, *, writable: bool) -> Pixels:
        """The bytes of the frame in a slot, 1-D uint8; a view that keeps the memory mapped."""
        buffer = self._mapping.memory if writable else self._mapping.memory.toreadonly()
        return np.frombuffer(buffer, np.uint8, self._payload_bytes, self.ring.payload_offset(slot))

    def close(self) -> None:
        """Lets go; harmless when repeated, and while views and leases are alive."""
        with self._closing:
            self._look()
            self._ring = None
            self._mapping.close()

    def _look(self) -> bool:
        """Not without the lock: the mapping's descriptor may be another file's as soon as it is closed."""
        self._is_cut = self._is_cut or self._mapping.is_cut()
        return self._is_cut


def checked(ring: Ring, descriptor: RingDescriptor) -> Ring:
    """The ring, if it is the one that the descriptor names; RingError otherwise."""
    found = (ring.slots, ring.payload_bytes, ring.source_index)
    expected = (descriptor.slots, descriptor.format.payload_bytes(), descriptor.index)
    if found != expected:
        raise RingError(f"it has slots, bytes a frame, index {found} where {expected} is expected")
    return ring
