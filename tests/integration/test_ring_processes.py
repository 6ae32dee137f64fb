"""Rings between real processes: attaching, dying, sweeping, waiting, and a /dev/shm that is too small."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring, sweep
from mpipeline.ring.writer import RingWriter

FORMAT = FrameFormat(PixelFormat.GRAY8, 64, 48)
SHARED_MEMORY = Path("/dev/shm")
PREAMBLE = """
import sys
from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import create_ring
from mpipeline.ring.writer import RingWriter
FORMAT = FrameFormat(PixelFormat.GRAY8, 64, 48)
run_id = sys.argv[1]
descriptor = RingDescriptor(f"mp-{run_id}-0", "gate", 0, 4, FORMAT)
"""


@pytest.fixture
def run_id() -> Iterator[str]:
    run_id = f"test-{uuid.uuid4().hex[:12]}"
    yield run_id
    for left in SHARED_MEMORY.glob(f"mp-{run_id}-*"):
        left.unlink()


@pytest.fixture
def owned(run_id: str) -> Iterator[OwnedRing]:
    ring = create_ring(run_id, "gate", 0, FORMAT, 4)
    yield ring
    ring.close()


def python(program: str, run_id: str) -> subprocess.Popen[str]:
    """Starts `program`; its standard input keeps it alive if it reads that."""
    command = [sys.executable, "-c", PREAMBLE + program, run_id]
    pipe = subprocess.PIPE
    # Elsewhere than in the source tree, which may lack the compiled module that the installed package has.
    folder = Path(__file__).parent
    return subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out, err


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


OWNER = "ring = create_ring(run_id, 'gate', 0, FORMAT, 4)\nprint('ready', flush=True)\nsys.stdin.read()\n"


def test_who_attaches_and_exits_leaves_the_segment(owned: OwnedRing, run_id: str) -> None:
    _, err = finish(python("reader = RingReader(descriptor, 0)\nwriter = RingWriter(descriptor, False)\n", run_id))
    assert err == ""
    assert (SHARED_MEMORY / owned.descriptor.segment).exists()
    RingReader(owned.descriptor, 0).close()


def test_a_process_may_exit_with_leases_and_views(owned: OwnedRing, run_id: str) -> None:
    owned.add_reader(0, True)
    program = """
writer, reader = RingWriter(descriptor, False), RingReader(descriptor, 0)
slot = writer.reserve(10)
views = writer.planes(slot)
sequence = writer.publish(slot, FrameMeta('gate', 1, None, 1, 1, 64, 48))
lease = reader.acquire(slot, sequence)
reader.close()
"""
    _, err = finish(python(program, run_id))
    assert err == ""
    assert owned.statistics()["held"] == 1
    assert owned.reap(0) == 1
    assert owned.idle()


def test_the_segment_of_a_killed_owner_is_swept(run_id: str) -> None:
    owner = python(OWNER, run_id)
    assert first_line(owner) == "ready"
    name = f"mp-{run_id}-0"
    assert name not in sweep()
    assert (SHARED_MEMORY / name).exists()
    owner.kill()
    owner.communicate(timeout=120)
    assert (SHARED_MEMORY / name).exists()
    assert name in sweep()
    assert not (SHARED_MEMORY / name).exists()


def test_a_living_child_of_a_killed_owner_does_not_keep_the_lock(run_id: str) -> None:
    program = OWNER.replace(
        "print(",
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])\nprint(",
    )
    owner = python(program, run_id)
    assert first_line(owner) == "ready"
    owner.kill()
    owner.wait(timeout=120)
    assert f"mp-{run_id}-0" in sweep()
    owner.communicate(timeout=120)  # closes the child's standard input, which ends it


def test_an_orderly_owner_leaves_nothing(run_id: str) -> None:
    out, err = finish(python("create_ring(run_id, 'gate', 0, FORMAT, 4).close()\nprint('done')", run_id))
    assert (out.strip(), err) == ("done", "")
    assert not (SHARED_MEMORY / f"mp-{run_id}-0").exists()


def test_frames_cross_processes_and_wake_who_waits(owned: OwnedRing, run_id: str) -> None:
    owned.add_reader(0, True)
    program = """
writer = RingWriter(descriptor, False)
print('ready', flush=True)
sys.stdin.readline()
for frame_id in range(1, 201):
    slot = writer.reserve(60)
    writer.planes(slot)[0][:] = frame_id % 256
    writer.publish(slot, FrameMeta('gate', frame_id, None, 1, 1, 64, 48))
"""
    process = python(program, run_id)
    assert first_line(process) == "ready"
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    reader = RingReader(owned.descriptor, 0)
    seen, frames = 0, []
    while len(frames) < 200:
        seen = reader.wait_published(seen, 60)
        for ref, meta in reader.pending():
            with reader.acquire(ref.slot, ref.sequence) as lease:
                assert (lease.frame.planes[0] == meta.frame_id % 256).all()
                frames.append(meta.frame_id)
    finish(process)
    assert frames == list(range(1, 201))
    assert owned.idle()


def test_a_waiting_writer_notices_ctrl_c(owned: OwnedRing, run_id: str) -> None:
    owned.add_reader(0, True)
    writer = RingWriter(owned.descriptor, reuse=False)
    for frame_id in range(1, 5):
        slot = writer.reserve(0)
        assert slot is not None
        writer.publish(slot, FrameMeta("gate", frame_id, None, 1, 1, 64, 48))
    program = """
import signal, threading, os
writer = RingWriter(descriptor, False)
try:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    writer.reserve(100)
except KeyboardInterrupt:
    print('interrupted')
"""
    out, _ = finish(python(program, run_id))
    assert out.strip() == "interrupted"


SMALL_VOLUME = """
import ctypes, os
from mpipeline.errors import SharedMemoryFull
libc = ctypes.CDLL(None, use_errno=True)
NEW_NAMESPACE, PRIVATE, RECURSIVE = 0x20000, 1 << 18, 1 << 14
mounted = libc.unshare(NEW_NAMESPACE) == 0 \\
    and libc.mount(b"none", b"/", None, PRIVATE | RECURSIVE, None) == 0 \\
    and libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=16m") == 0
if not mounted:
    print("not permitted")
    raise SystemExit
from mpipeline.ring.segment import check_capacity
small = create_ring(run_id, "gate", 1, FORMAT, 4)
try:
    check_capacity(64 << 20)
except SharedMemoryFull as error:
    print("checked:", error)
try:
    create_ring(run_id, "gate", 0, FrameFormat(PixelFormat.BGR24, 1920, 1080), 8)
except SharedMemoryFull as error:
    print("created:", error)
print(os.listdir("/dev/shm"))
"""


def test_a_small_volume_is_an_error_with_a_remedy_not_a_bus_error(run_id: str) -> None:
    out, _ = finish(python(SMALL_VOLUME, run_id))
    if out.startswith("not permitted"):
        pytest.skip("this user may not mount a tmpfs in a namespace of its own")
    checked, created, left = out.splitlines()
    assert "64.0 MiB needed, 16.0 MiB available" in checked
    assert "47.5 MiB needed" in created
    assert "--shm-size=49m" in created
    assert left == str([f"mp-{run_id}-1"])
