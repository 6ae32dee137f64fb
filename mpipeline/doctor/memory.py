"""Memory, and the shared memory in which frames lie: its size, and whether a ring can be made and read there."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import MpipelineError
from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.ring.capacity import MIB, available_bytes, total_bytes
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter

_FORMAT = FrameFormat(PixelFormat.I420, 64, 48)
_FULL_HD = FrameFormat(PixelFormat.I420, 1920, 1080)
_SLOTS = 6  # of a live source
_FEW_SOURCES = 8
_LEVEL = 77  # of the pixels that go through
_LEAST_MEMORY = 1024 * MIB
_REMEDY = "docker run --shm-size=2g, or mount -o remount,size=2g /dev/shm"


def memory(subject: str) -> Findings:
    """What there is of either."""
    available = _available()
    if available is not None:
        text = f"{available // MIB} MiB available"
        little = available < _LEAST_MEMORY
        remedy = "end other programs, or give the container more memory" if little else ""
        yield Finding(subject, "memory", Level.WARNING if little else Level.OK, text, remedy)
    ring = _SLOTS * _FULL_HD.payload_bytes()
    sources = available_bytes() // ring
    text = (
        f"{available_bytes() // MIB} of {total_bytes() // MIB} MiB of /dev/shm free, "
        f"for {sources} live sources of 1920x1080 ({ring // MIB} MiB each)"
    )
    few = sources < _FEW_SOURCES
    yield Finding(subject, "shared memory", Level.WARNING if few else Level.OK, text, _REMEDY if few else "")
    yield _ring(subject)


def _ring(subject: str) -> Finding:
    """Makes the smallest of rings, writes a frame and reads it."""
    try:
        owned = create_ring(f"doctor.{os.getpid()}", "doctor", 0, _FORMAT, 2)
    except (MpipelineError, OSError) as error:
        return Finding(subject, "ring", Level.BROKEN, f"cannot be made: {error}", _REMEDY)
    try:
        owned.add_reader(0, True)
        writer, reader = RingWriter(owned.descriptor, reuse=False), RingReader(owned.descriptor, 0)
        slot = writer.reserve(0.0)
        assert slot is not None
        for plane in writer.planes(slot):
            plane[:] = _LEVEL
        sequence = writer.publish(slot, FrameMeta("doctor", 1, None, 1, 1, _FORMAT.width, _FORMAT.height, 0.0))
        lease = reader.acquire(slot, sequence)
        right = lease is not None and all(bool((plane == _LEVEL).all()) for plane in lease.frame.planes)
        reader.close()
        writer.close()
    finally:
        owned.close()
    if not right:
        return Finding(subject, "ring", Level.BROKEN, "a frame came out of shared memory otherwise than it went in")
    return Finding(subject, "ring", Level.OK, "a frame went through shared memory")


def _available(proc: Path = Path("/proc"), group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that can still be had, by the machine and by the control group; None if neither tells."""
    found = []
    with suppress(OSError):
        told = re.search(r"^MemAvailable:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
        found += [int(told[1]) * 1024] if told is not None else []
    with suppress(OSError, ValueError):
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(found)) if found else None
