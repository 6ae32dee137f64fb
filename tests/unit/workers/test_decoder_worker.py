"""A decoder's process around its loop: a damaged ring is reported, and is the end of the process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.damaging import damage
from support.worker_ends import Ends

from mpipeline.errors import RingError, RingShortage, SharedMemoryFull
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Bye, Heartbeat, Message, Refused, RingDamaged, RingGranted
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.transport import channel
from mpipeline.workers.decoder_worker import DecoderWorker
from mpipeline.workers.runtime import WorkerContext

NAME = "decoder:a#1"
SOURCE = {"name": "a", "kind": "synthetic", "width": 64, "height": 48, "count": 50}


class Bench:
    """A worker whose supervisor answers before it is asked."""

    def __init__(self, folder: Path) -> None:
        self.ends = Ends(folder, NAME)
        self.supervisor, self.control = self.ends.supervisor, self.ends.control
        self.poller = channel.Poller()
        self.poller.add(self.supervisor)
        self.control.send(Bye())  # the supervisor's end knows it from now on
        assert self.poller.wait(60.0)
        self.supervisor.receive()
        self.ring: OwnedRing = create_ring(uuid.uuid4().hex[:12], "a", 0, FrameFormat(PixelFormat.I420, 64, 48), 8)
        addresses = [self.ends.endpoints.frames]
        spec: dict[str, Any] = {"source": SOURCE, "resume_after": 0, "frames": addresses, "counted": 1}
        self.worker = DecoderWorker(WorkerContext("decoder:a", 1, self.control, self.ends.zmq), spec)

    def answer(self, message: Message) -> None:
        assert self.supervisor.send(NAME, message)

    def granted(self) -> RingGranted:
        return RingGranted(self.ring.descriptor, every_frame=True)

    def step_until(self, published: int) -> None:
        while self.worker.progress < published:
            assert self.worker.step()

    def reports(self) -> list[RingDamaged]:
        """What it has said of rings, up to a last word that is sent now."""
        self.control.send(Bye())
        found: list[RingDamaged] = []
        while True:
            assert self.poller.wait(60.0)
            for _, message in self.supervisor.arrived():
                if isinstance(message, Bye):
                    return found
                if isinstance(message, RingDamaged):
                    found.append(message)
                else:
                    assert not isinstance(message, Heartbeat) or message.state != "FAILED"

    def close(self) -> None:
        self.worker.close()
        self.ring.close()
        self.ends.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("how", ["cut", "emptied"])
def test_a_ring_that_is_cut_while_it_is_written(bench: Bench, how: str) -> None:
    bench.answer(bench.granted())
    bench.step_until(published=3)
    damage(bench.ring.descriptor.segment, how)
    with pytest.raises(RingError, match="was cut"):
        bench.step_until(published=9)
    (report,) = bench.reports()
    assert (report.source, report.segment) == ("a", bench.ring.descriptor.segment)
    assert "was cut" in report.detail


@pytest.mark.parametrize("how", ["cut", "header"])
def test_a_ring_that_is_damaged_before_it_is_attached(bench: Bench, how: str) -> None:
    damage(bench.ring.descriptor.segment, how)
    bench.answer(bench.granted())
    with pytest.raises(RingError, match="cannot attach"):
        bench.step_until(published=1)
    assert [report.segment for report in bench.reports()] == [bench.ring.descriptor.segment]


def test_a_want_of_memory_is_no_damage(bench: Bench) -> None:
    bench.answer(Refused("no room; --shm-size"))
    with pytest.raises(SharedMemoryFull):
        bench.step_until(published=1)
    assert bench.reports() == []


def test_a_want_of_open_files_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[None] = []

    def fail_thrice(descriptor: RingDescriptor, reuse: bool, counted: int) -> RingWriter:
        tries.append(None)
        if len(tries) <= 3:
            raise RingShortage("cannot attach to the ring of a just now: Too many open files")
        return RingWriter(descriptor, reuse, counted)

    monkeypatch.setattr("mpipeline.workers.decoder_worker.RingWriter", fail_thrice)
    bench.answer(bench.granted())
    bench.step_until(published=3)
    assert len(tries) == 4
    assert bench.reports() == []
    assert [r.event for r in caplog.records if r.levelname == "ERROR"] == ["ring_postponed"]  # type: ignore[attr-defined]


def test_its_last_words_name_the_last_frame_that_it_has_published(bench: Bench) -> None:
    bench.answer(bench.granted())
    bench.ring.add_reader(0, pinned=True)
    bench.step_until(published=3)
    assert bench.worker.goodbye().last_frame_id == 3
