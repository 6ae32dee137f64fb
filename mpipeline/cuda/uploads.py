"""Frames of a batch on their way to a GPU: as they are, plane by plane, from where they lie if that is page-locked.

An integrated GPU reads page-locked memory itself, and nothing is copied. What is not page-locked is first copied into
memory that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpipeline.cuda.driver import Address, Bytes, DeviceMemory, Gpu, HostMemory, Stream
from mpipeline.cuda.page_locking import PageLocking, Piece
from mpipeline.cuda.thread import GpuThread
from mpipeline.frame import Frame, plane_views

_ALIGNMENT = 256  # of frames in device memory, in bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """A frame in page-locked memory, as in a slot of a ring; `piece` is what is held for it, None if it is a copy."""

    bytes: Bytes
    address: Address | None
    piece: Piece | None


class Uploads:
    """The uploads of one lane: for one batch at a time."""

    def __init__(self, thread: GpuThread, locked: PageLocking) -> None:
        self._thread = thread
        self._locked = locked
        self._here: HostMemory | None = None
        self._there: DeviceMemory | None = None

    def stage(self, frames: Sequence[Frame]) -> list[Staged]:
        """Each frame in page-locked memory. Not on the GPU's thread; `bring` and `let_go` are to follow."""
        pieces = [self._held(frame) for frame in frames]
        try:
            return self._staged(frames, pieces)
        except BaseException:
            held = [Staged(piece.bytes, piece.address, piece) for piece in pieces if piece is not None]
            self._thread.call(lambda _: self.let_go(held))
            raise

    def bring(self, gpu: Gpu, staged: Sequence[Staged], stream: Stream) -> list[Address]:
        """Puts into the stream that the frames come up; where the GPU finds each then. On its thread."""
        mapped = [one.address if gpu.facts.integrated else None for one in staged]
        room = sum(_aligned(one.bytes.nbytes) for one, address in zip(staged, mapped, strict=True) if address is None)
        if room and (self._there is None or room > self._there.size):
            self._free_device()
            self._there = gpu.allocate(room)
        addresses, offset = [], 0
        for one, address in zip(staged, mapped, strict=True):
            if address is not None:
                addresses.append(address)
                continue
            assert self._there is not None
            addresses.append(self._there.address + offset)
            gpu.upload(addresses[-1], one.bytes, stream)
            offset += _aligned(one.bytes.nbytes)
        return addresses

    def let_go(self, staged: Sequence[Staged]) -> None:
        """The stream has done with these, all that were staged. On the GPU's thread."""
        for one in staged:
            if one.piece is not None:
                self._locked.let_go(one.piece)

    def free(self) -> None:
        """Gives its memory back. No stream may be using it. On the GPU's thread."""
        self._free_device()
        here, self._here = self._here, None
        if here is not None:
            here.free()

    def _staged(self, frames: Sequence[Frame], pieces: Sequence[Piece | None]) -> list[Staged]:
        sizes = [frame.format.payload_bytes() for frame in frames]
        room = sum(_aligned(size) for size, piece in zip(sizes, pieces, strict=True) if piece is None)
        here = self._host_memory(room) if room else None
        staged, offset = [], 0
        for frame, size, piece in zip(frames, sizes, pieces, strict=True):
            if piece is not None:
                staged.append(Staged(piece.bytes, piece.address, piece))
                continue
            assert here is not None
            copy = here.array[offset : offset + size]
            for plane, target in zip(frame.planes, plane_views(frame.format, copy), strict=True):
                np.copyto(target, plane)
            staged.append(Staged(copy, None if here.address is None else here.address + offset, None))
            offset += _aligned(size)
        return staged

    def _held(self, frame: Frame) -> Piece | None:
        """Frames in a ring lie as `FrameFormat.planes` says; others are not found among what is page-locked."""
        return self._locked.hold(frame.planes[0].ctypes.data, frame.format.payload_bytes())

    def _host_memory(self, size: int) -> HostMemory:
        if self._here is None or size > self._here.array.nbytes:
            old, self._here = self._here, None
            self._here = self._thread.call(lambda gpu: _exchanged(gpu, old, size))
        return self._here

    def _free_device(self) -> None:
        there, self._there = self._there, None
        if there is not None:
            there.free()


def _exchanged(gpu: Gpu, old: HostMemory | None, size: int) -> HostMemory:
    if old is not None:
        old.free()
    return gpu.allocate_host(size)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
