"""A ring between processes that are killed at random: one writer, three readers, and an owner who buries and restarts.

usage, from the tests directory: python -m support.ring_chaos FRAMES wait|reuse [SEED]

`wait`: the writer waits for all readers, and each must see every frame. `reuse`: old frames are given up, and only
reader 0, which is pinned, must see every frame. Exits with 1 if a frame was torn, lost, out of order, or a slot leaked.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mpipeline.frame import FrameFormat, FrameMeta, PixelFormat
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter

FORMAT = FrameFormat(PixelFormat.GRAY8, 64, 48)
SLOTS = 6
READERS = 3
STALLED_SECONDS = 120.0
WRITER = READERS  # its place among the processes

# Columns of the notes that each reader keeps where no SIGKILL can destroy them.
LAST, READ, TORN, DISORDERED, DUPLICATES = range(5)
Notes = npt.NDArray[np.int64]


def pattern(frame_id: int) -> int:
    return (frame_id * 31 + frame_id // 251) & 0xFF


def write(descriptor: RingDescriptor, frames: int, reuse: bool) -> None:
    writer = RingWriter(descriptor, reuse)
    frame_id = writer.last_frame_id + 1
    while frame_id <= frames:
        slot = writer.reserve(0.1)
        if slot is not None:
            writer.planes(slot)[0][:] = pattern(frame_id)
            writer.publish(slot, FrameMeta("gate", frame_id, frame_id / 25, 1, 1, 64, 48))
            frame_id += 1


def read(descriptor: RingDescriptor, bit: int, complete: bool, notes: Notes, done: Notes) -> None:
    reader = RingReader(descriptor, bit)
    reader.recover()
    mine, seen = notes[bit], 0
    while True:
        last_look = done[0] == 1
        for ref, meta in reader.pending():
            if not complete and meta.frame_id % 10 == bit:
                reader.skip(ref.slot, ref.sequence)
                continue
            lease = reader.acquire(ref.slot, ref.sequence)
            if lease is None:
                continue
            note(
                mine, lease.frame.meta.frame_id, bool((lease.frame.planes[0] != pattern(meta.frame_id)).any()), complete
            )
            lease.release()
        if last_look:
            return
        seen = reader.wait_published(seen, 0.05)


def note(mine: Notes, frame_id: int, torn: bool, complete: bool) -> None:
    """Keeps account of one frame. Killed before the lease ends, the reader gets the same frame once more."""
    mine[TORN] += torn
    duplicate = frame_id == mine[LAST]
    mine[DUPLICATES] += duplicate
    in_order = frame_id == mine[LAST] + 1 if complete else frame_id > mine[LAST]
    mine[DISORDERED] += not (in_order or duplicate)
    mine[READ] += 1
    mine[LAST] = frame_id


def start(role: Callable[[], None]) -> int:
    """Forks a process that does nothing but `role`."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            role()
            code = 0
        except BaseException:  # noqa: BLE001 - this is the end of the process
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


@dataclass
class Chaos:
    owned: OwnedRing
    frames: int
    reuse: bool
    dice: random.Random
    notes: Notes = field(default_factory=lambda: np.frombuffer(mmap.mmap(-1, 4096), np.int64)[:15].reshape(3, 5))
    done: Notes = field(default_factory=lambda: np.frombuffer(mmap.mmap(-1, 4096), np.int64)[:1])
    processes: list[int] = field(default_factory=list)
    kills: int = 0

    def is_complete(self, bit: int) -> bool:
        return not self.reuse or bit == 0

    def start(self, place: int) -> int:
        descriptor = self.owned.descriptor
        if place == WRITER:
            return start(lambda: write(descriptor, self.frames, self.reuse))
        return start(lambda: read(descriptor, place, self.is_complete(place), self.notes, self.done))

    def run(self) -> None:
        for bit in range(READERS):
            self.owned.add_reader(bit, pinned=self.is_complete(bit))
        self.processes = [self.start(place) for place in range(READERS + 1)]
        progress, progressed = -1, time.monotonic()
        while not self.writer_has_ended():
            place = self.dice.randrange(READERS + 1)
            self.kill(place)
            now = self.owned.last_frame_id
            if now > progress:
                progress, progressed = now, time.monotonic()
            if time.monotonic() - progressed > STALLED_SECONDS:
                raise RuntimeError(f"no frame for {STALLED_SECONDS} s after {progress}: {self.owned.statistics()}")
        self.done[0] = 1
        for process in self.processes[:READERS]:
            _, status = os.waitpid(process, 0)
            assert status == 0, f"a reader ended with {status}"
        self.processes.clear()

    def writer_has_ended(self) -> bool:
        """Lets the processes work for a moment."""
        while signal.sigtimedwait({signal.SIGCHLD}, 0):  # those that were killed
            pass
        signal.sigtimedwait({signal.SIGCHLD}, self.dice.uniform(0.005, 0.08))
        ended, status = os.waitpid(self.processes[WRITER], os.WNOHANG)
        assert status == 0, f"the writer ended with {status}"
        return ended != 0

    def kill(self, place: int) -> None:
        os.kill(self.processes[place], signal.SIGKILL)
        _, status = os.waitpid(self.processes[place], 0)
        assert status in {0, signal.SIGKILL}, f"process {place} ended with {status}"
        self.kills += 1
        fate = self.dice.randrange(3)
        if place == WRITER:
            if fate == 0:
                self.owned.reap_writer()
        elif not self.is_complete(place):
            if fate == 0:
                self.owned.reap(place)
            elif fate == 1:
                self.owned.remove_reader(place)
                self.owned.add_reader(place, pinned=False)
        self.processes[place] = self.start(place)

    def faults(self) -> list[str]:
        statistics = self.owned.statistics()
        faults = [
            f"{name} frames: {self.notes[:, column].sum()}"
            for name, column in (("torn", TORN), ("disordered", DISORDERED))
            if self.notes[:, column].any()
        ]
        if statistics["published"] != self.frames or statistics["last_frame_id"] != self.frames:
            faults.append(f"frames published: {statistics}")
        if not self.owned.idle():
            faults.append(f"leaked slots: {statistics}")
        for bit in range(READERS):
            if self.is_complete(bit) and self.notes[bit, LAST] != self.frames:
                faults.append(f"reader {bit} saw the frames up to {self.notes[bit, LAST]} only")
        return faults


def main(frames: int, mode: str, seed: int) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    owned = create_ring(f"test-{uuid.uuid4().hex[:12]}", "gate", 0, FORMAT, SLOTS)
    chaos = Chaos(owned, frames, mode == "reuse", random.Random(seed))
    started = time.monotonic()
    try:
        chaos.run()
        faults = chaos.faults()
        print(
            f"{mode}: published {owned.statistics()['published']}, read {chaos.notes[:, READ].tolist()}, "
            f"again {chaos.notes[:, DUPLICATES].tolist()}, expired {owned.statistics()['expired']}, "
            f"kills {chaos.kills}, {time.monotonic() - started:.0f} s; {'; '.join(faults) or 'no fault'}"
        )
        return 1 if faults else 0
    finally:
        for process in chaos.processes:
            os.kill(process, signal.SIGKILL)
        owned.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1))
