"""Memory for native rings outside of /dev/shm: private, zeroed, page-aligned."""

from __future__ import annotations

import mmap


def aligned_memory(size: int) -> memoryview:
    """`size` zero bytes that begin on a page."""
    return memoryview(mmap.mmap(-1, size))
