"""An attached program between the sockets of a run: what it says of rings."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.damaging import damage
from support.shortage import lack_open_files

from mpipeline.attached import Attachment, attach
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef, PixelFormat
from mpipeline.messages import Drain, Hello, Message, RingAttached, RingDamaged, RingRetired, Start
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter
from mpipeline.transport import channel
from mpipeline.transport.run_directory import RunDirectory
from mpipeline.workers.read_rings import ReadRings

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


class Bench:
    """A run as far as the program sees it: its directory, its sockets, a ring with a frame."""

    def __init__(self, root: Path) -> None:
        self.directory = RunDirectory(root, "r")
        self.zmq = channel.context()
        ends = self.directory.endpoints
        self.supervisor = channel.Router(self.zmq, ends.control)
        self.inference = channel.Router(self.zmq, ends.predictions)
        self.poller = channel.Poller()
        self.poller.add(self.supervisor)
        self.ring: OwnedRing = create_ring(uuid.uuid4().hex[:12], "a", 0, FORMAT, 3)
        self.ring.add_reader(14, False)
        self.ref = self._publish()
        made: list[Attachment] = []
        joining = threading.Thread(target=lambda: made.append(attach("r", name="guest", root=root)))
        joining.start()
        self.identity, hello = self.hear()
        assert isinstance(hello, Hello)
        feed = {"model": "", "predictions": ends.predictions, "sources": ["a"], "bit": 14}
        self.tell(Start({"feeds": [feed]}))
        joining.join()
        (self.program,) = made

    def _publish(self) -> FrameRef:
        writer = RingWriter(self.ring.descriptor, reuse=True)
        slot = writer.reserve(0.0)
        assert slot is not None
        sequence = writer.publish(slot, FrameMeta("a", 4, None, 7, 1, 16, 16))
        writer.close()
        return FrameRef(self.ring.descriptor.segment, slot, sequence)

    def hear(self) -> tuple[str, Message]:
        """The next word of the program."""
        assert self.poller.wait(60.0)
        received = self.supervisor.receive()
        assert received is not None
        return received

    def tell(self, *messages: Message) -> None:
        for message in messages:
            assert self.supervisor.send(self.identity, message)

    @property
    def rings(self) -> ReadRings:
        """Those that the program reads for the only model."""
        return self.program._lanes[0].rings

    def introduce(self) -> None:
        """The program hears of the ring."""
        segment = self.ring.descriptor.segment
        self.tell(RingAttached(self.ring.descriptor, every_frame=False))
        poller = channel.Poller()
        poller.add(self.program._control)
        while self.rings.may_come("a", segment):
            poller.wait(0.2)
            self.program._listen()

    def reports(self) -> list[RingDamaged]:
        """What it has said of rings, up to a last word that is sent now."""
        self.program._control.send(Drain())
        found: list[RingDamaged] = []
        while not isinstance(message := self.hear()[1], Drain):
            assert isinstance(message, RingDamaged)
            found.append(message)
        return found

    def close(self) -> None:
        self.program.close()
        self.ring.close()
        self.zmq.destroy(linger=0)
        self.directory.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "root")
    yield made
    made.close()


def test_a_ring_that_it_finds_damaged_is_reported(bench: Bench) -> None:
    bench.introduce()
    damage(bench.ring.descriptor.segment, "slots")
    assert bench.rings.acquire(bench.ref) is None
    (report,) = bench.reports()
    assert (report.source, report.segment) == ("a", bench.ring.descriptor.segment)
    assert report.detail


def test_a_ring_to_which_it_cannot_attach_is_not(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It may be of another version than the run: every ring would be begun anew without end."""
    damage(bench.ring.descriptor.segment, "header")
    bench.introduce()
    assert bench.rings.is_damaged("a", bench.ring.descriptor.segment)
    assert bench.reports() == []
    assert "no pixels for a while" in caplog.text


def test_a_program_without_open_files_sees_the_pixels_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lack_open_files(monkeypatch)
    bench.introduce()
    assert bench.rings.acquire(bench.ref) is None
    monkeypatch.undo()
    bench.rings.try_again(at_once=True)
    lease = bench.rings.acquire(bench.ref)
    assert lease is not None
    lease.release()
    assert bench.reports() == []


def test_a_ring_that_is_retired_is_let_go(bench: Bench) -> None:
    bench.introduce()
    segment = bench.ring.descriptor.segment
    bench.tell(RingRetired(segment))
    while bench.rings.get(segment) is not None:
        bench.program._listen()
    assert not bench.rings.may_come("a", segment)
