"""Whether /dev/shm has room for the rings, and what to do if it has not."""

from __future__ import annotations

import os

from mpipeline.errors import SharedMemoryFull
from mpipeline.ring.mapping import SHARED_MEMORY_DIRECTORY

MIB = 1 << 20


def check_capacity(bytes: int) -> None:
    """Raises SharedMemoryFull if /dev/shm has not `bytes` bytes left."""
    if available_bytes() < bytes:
        raise shared_memory_full(bytes)


def shared_memory_full(needed: int) -> SharedMemoryFull:
    """The error, with what is needed, what there is, and a size that would do."""
    volume = os.statvfs(SHARED_MEMORY_DIRECTORY)
    used = (volume.f_blocks - volume.f_bfree) * volume.f_frsize
    enough = -(-(used + needed) // MIB) + 1
    return SharedMemoryFull(
        f"{SHARED_MEMORY_DIRECTORY} has no room for the frame rings: {needed / MIB:.1f} MiB needed, "
        f"{available_bytes() / MIB:.1f} MiB available. In a container: start it with --shm-size={enough}m; elsewhere: "
        f"mount -o remount,size={enough}m {SHARED_MEMORY_DIRECTORY}. "
        "Or use fewer sources, fewer slots or smaller frames."
    )


def total_bytes() -> int:
    """Bytes of /dev/shm, taken or not."""
    volume = os.statvfs(SHARED_MEMORY_DIRECTORY)
    return volume.f_blocks * volume.f_frsize


def available_bytes() -> int:
    """Bytes of /dev/shm that nobody has taken yet."""
    volume = os.statvfs(SHARED_MEMORY_DIRECTORY)
    return volume.f_bavail * volume.f_frsize
