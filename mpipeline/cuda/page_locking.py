"""Memory of this process that is page-locked where it lies, so that a GPU copies from it, or reads it, by itself.

It is made and freed on the GPU's thread; any other may look in it for a piece and hold that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from mpipeline.cuda.driver import Address, Bytes, Gpu, HostMemory
from mpipeline.errors import BackendError


@dataclass(eq=False, slots=True)
class _Block:
    """Registered memory, how many pieces of it are held, and whether it is to go with the last of them."""

    name: str
    memory: HostMemory
    begin: int
    held: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Page-locked bytes that stay where they are until they are let go; `address` is where the device sees them."""

    bytes: Bytes
    address: Address | None
    block: _Block


class PageLocking:
    """Page-locks memory by name, `limit` bytes of it at most."""

    def __init__(self, gpu: Gpu, limit: int) -> None:
        self._gpu = gpu
        self._limit = limit
        self._blocks: list[_Block] = []
        self._lock = threading.Lock()

    def add(self, name: str, memory: Bytes) -> None:
        """Page-locks the memory, whole pages of it. Raises BackendError with the reason if it cannot be."""
        facts = self._gpu.facts
        if not facts.registers:
            raise BackendError(f"{facts} page-locks no memory that exists")
        taken = sum(block.memory.array.nbytes for block in self._blocks)
        if taken + memory.nbytes > self._limit:
            room = f"of the {self._limit >> 20} MB that model.page_locked_mb allows, {taken >> 20} are taken"
            raise BackendError(f"{room}, and it has {memory.nbytes >> 20}")
        if facts.registers_read_only:
            memory = memory.view()
            memory.flags.writeable = False
        block = _Block(name, self._gpu.register(memory), memory.ctypes.data)
        with self._lock:
            self._blocks.append(block)

    def hold(self, begin: int, size: int) -> Piece | None:
        """The `size` bytes at `begin`, an address of this process, if they are page-locked; to be let go once."""
        with self._lock:
            for block in self._blocks:
                offset = begin - block.begin
                if 0 <= offset <= block.memory.array.nbytes - size and not block.gone:
                    block.held += 1
                    address = None if block.memory.address is None else block.memory.address + offset
                    return Piece(block.memory.array[offset : offset + size], address, block)
        return None

    def let_go(self, piece: Piece) -> None:
        """No stream uses the piece any more. On the GPU's thread."""
        with self._lock:
            piece.block.held -= 1
        self._sweep()

    def remove(self, name: str) -> None:
        """The memory of that name becomes ordinary memory, as soon as no piece of it is held. On the GPU's thread."""
        with self._lock:
            for block in self._blocks:
                block.gone = block.gone or block.name == name
        self._sweep()

    def free(self) -> None:
        """Lets all of it be ordinary memory. No stream may be using it."""
        with self._lock:
            blocks, self._blocks = self._blocks, []
        for block in blocks:
            block.memory.free()

    def _sweep(self) -> None:
        with self._lock:
            done = [block for block in self._blocks if block.gone and not block.held]
            self._blocks = [block for block in self._blocks if block not in done]
        for block in done:
            block.memory.free()
