"""The owner's side: modes, locks, sweeping, room in /dev/shm, and the tracker that must not know of it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import shared_memory
from pathlib import Path

import pytest

from mpipeline._native import ring_layout
from mpipeline.errors import RingError, SharedMemoryFull
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.ring import mapping
from mpipeline.ring.segment import OwnedRing, attach, check_capacity, create_ring, sweep
from mpipeline.ring.writer import RingWriter

MakeRing = Callable[..., OwnedRing]
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def stray(run_id: str) -> Iterator[Path]:
    """A file in /dev/shm under the name of a segment."""
    path = SHARED_MEMORY / f"mp-{run_id}-99"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def test_name_mode_and_size(make_ring: MakeRing, run_id: str) -> None:
    before = os.umask(0)
    try:
        owned = make_ring()
    finally:
        os.umask(before)
    assert owned.descriptor.segment == f"mp-{run_id}-0"
    status = (SHARED_MEMORY / owned.descriptor.segment).stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_blocks * 512 >= status.st_size  # reserved, not sparse


def test_close_removes_the_segment_and_may_be_repeated(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.close()
    owned.close()
    assert not (SHARED_MEMORY / owned.descriptor.segment).exists()


def test_a_live_ring_is_not_swept(make_ring: MakeRing) -> None:
    owned = make_ring()
    assert owned.descriptor.segment not in sweep()
    RingWriter(owned.descriptor, reuse=False).close()


def test_a_ring_without_a_locked_owner_is_swept(make_ring: MakeRing) -> None:
    owned = make_ring()
    os.close(owned._lock)
    assert owned.descriptor.segment in sweep()
    owned._lock = os.open("/dev/null", os.O_RDONLY)  # for close()


def test_a_segment_in_the_making_is_left_alone_for_a_while(stray: Path) -> None:
    assert stray.name not in sweep()
    os.utime(stray, (0, 0))
    assert stray.name in sweep()
    assert not stray.exists()


def test_files_of_others_are_never_swept(stray: Path) -> None:
    stray.write_bytes(b"not a ring at all")
    os.utime(stray, (0, 0))
    assert stray.name not in sweep()
    assert stray.exists()


def test_capacity_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    check_capacity(1)
    with pytest.raises(SharedMemoryFull, match=r"MiB needed, .* MiB available.*--shm-size=\d+m") as raised:
        check_capacity(1 << 60)
    assert raised.value.exit_code == 78


def test_a_ring_larger_than_the_volume_leaves_nothing(run_id: str) -> None:
    volume = os.statvfs(SHARED_MEMORY)
    format = FrameFormat(PixelFormat.BGR24, 16384, 16384)
    slots = volume.f_blocks * volume.f_frsize // format.payload_bytes() + 1
    with pytest.raises(SharedMemoryFull, match="--shm-size"):
        create_ring(run_id, "gate", 0, format, slots)
    assert not (SHARED_MEMORY / f"mp-{run_id}-0").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
def test_no_room_at_creation_leaves_nothing(monkeypatch: pytest.MonkeyPatch, run_id: str, number: int) -> None:
    def refuse(fd: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(SharedMemoryFull) as raised:
        create_ring(run_id, "gate", 0, FrameFormat(PixelFormat.GRAY8, 64, 64), 2)
    assert isinstance(raised.value.__cause__, OSError)
    assert not (SHARED_MEMORY / f"mp-{run_id}-0").exists()


def test_a_kill_while_memory_is_reserved_leaves_what_a_sweep_removes(
    monkeypatch: pytest.MonkeyPatch, run_id: str
) -> None:
    reserve, first_bytes = os.posix_fallocate, []

    def look(fd: int, offset: int, length: int) -> None:
        first_bytes.append(os.pread(fd, 8, 0))
        reserve(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", look)
    create_ring(run_id, "gate", 0, FrameFormat(PixelFormat.GRAY8, 64, 64), 2).close()
    assert first_bytes == [bytes(8), ring_layout()["magic"]]  # the magic is there before the long part begins


def test_impossible_rings_are_refused(run_id: str) -> None:
    with pytest.raises(RingError, match="not possible"):
        create_ring(run_id, "gate", 0, FrameFormat(PixelFormat.GRAY8, 64, 64), 5000)
    assert not (SHARED_MEMORY / f"mp-{run_id}-0").exists()


def test_attaching_to_an_empty_segment_is_an_error(stray: Path, make_ring: MakeRing) -> None:
    with pytest.raises(RingError, match="never completed"):
        RingWriter(replace(make_ring().descriptor, segment=stray.name), reuse=False)


class RecordingTracker:
    def __init__(self) -> None:
        self.registered: list[str] = []

    def register(self, name: str, kind: str) -> None:
        self.registered.append(name)

    def unregister(self, name: str, kind: str) -> None:
        self.registered.append(f"not {name}")


def test_neither_owner_nor_attached_are_tracked(monkeypatch: pytest.MonkeyPatch, make_ring: MakeRing) -> None:
    tracker = RecordingTracker()
    monkeypatch.setattr(shared_memory, "resource_tracker", tracker)
    owned = make_ring()
    attached = attach(owned.descriptor.segment)
    attached.close()
    owned.close()
    assert tracker.registered == []
    assert shared_memory.resource_tracker is tracker


def test_other_threads_are_tracked_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = RecordingTracker()
    monkeypatch.setattr(shared_memory, "resource_tracker", tracker)
    with mapping._untracked():
        shared_memory.resource_tracker.register("mine", "shared_memory")
        other = threading.Thread(target=shared_memory.resource_tracker.register, args=("theirs", "shared_memory"))
        other.start()
        other.join()
    assert tracker.registered == ["theirs"]


def test_a_failed_attach_does_not_unlink(monkeypatch: pytest.MonkeyPatch, make_ring: MakeRing) -> None:
    owned = make_ring()

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOMEM, "no address space")

    with monkeypatch.context() as patch:
        patch.setattr(shared_memory.mmap, "mmap", refuse)
        with pytest.raises(OSError, match="no address space"):
            attach(owned.descriptor.segment)
    assert (SHARED_MEMORY / owned.descriptor.segment).exists()


def test_statistics(make_ring: MakeRing) -> None:
    owned = make_ring()
    owned.add_reader(0, True)
    owned.add_reader(1, False)
    writer = RingWriter(owned.descriptor, reuse=True)
    writer.reserve(0)
    expected = {"slots": 3, "free": 2, "reserved": 1, "readers": 2, "pinned": 1, "published": 0, "expired": 0}
    assert owned.statistics() == {**expected, "last_frame_id": 0, "pending": 0, "held": 0}
    assert owned.reap_writer() == 1
    assert owned.remove_reader(0) == 0
    assert owned.statistics()["pinned"] == 0
