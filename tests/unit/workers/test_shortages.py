"""A reader that lacks open files when a ring is told of: it waits for them, and so do the frames. Without processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup
from unit.workers.test_damaged_rings import assert_complete

from mpipeline.errors import RingShortage, SinkError
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.ring.reader import RingReader

GROWING = [SourceSetup("growing", 30, slots=5, resize_at=9), SourceSetup("b", 17)]
SINKS = [SinkSetup("must"), SinkSetup("pixels", pixels=True)]


class Lack:
    """Which readers, by their bits, cannot attach just now; `tries` counts."""

    def __init__(self) -> None:
        self.bits: set[int] = set()
        self.tries = 0

    def attach(self, descriptor: RingDescriptor, bit: int, copied: Callable[[int], object]) -> RingReader:
        if bit in self.bits:
            self.tries += 1
            raise RingShortage(f"cannot attach to the ring of {descriptor.source} just now: Too many open files")
        return RingReader(descriptor, bit, copied)


@pytest.fixture
def lack(monkeypatch: pytest.MonkeyPatch) -> Lack:
    made = Lack()
    monkeypatch.setattr("mpipeline.workers.read_rings.RingReader", made.attach)
    return made


def bit_of(made: Lab, victim: str) -> int:
    return 0 if victim == "inference" else made.sinks[victim].bit


def steps(made: Lab, count: int) -> None:
    for _ in range(count):
        made.step(0.05)


@pytest.mark.parametrize("victim", ["inference", "pixels"])
def test_a_file_waits_and_loses_nothing(lack: Lack, victim: str) -> None:
    with lab(GROWING, SINKS, seed=3) as made:
        while len(made.stores["must"].ids("growing")) < 4:
            made.step()
        lack.bits.add(bit_of(made, victim))
        steps(made, 400)
        assert lack.tries > 1
        assert not made.is_over()
        assert made.stores["pixels"].ids("growing")[-1] < 30
        assert "growing" not in made.stores["pixels"].ended
        lack.bits.clear()
        made.finish()
        assert_complete(made, "growing", "b")
        assert {child.incarnation for child in made.children.values()} == {1}
        assert not made.found


def test_a_sink_says_that_it_waits_and_fails_if_the_run_ends_first(lack: Lack) -> None:
    with lab(GROWING, SINKS, seed=3) as made:
        loop = made.sinks["pixels"].loop
        lack.bits.add(bit_of(made, "pixels"))
        while not loop.retrying.is_active:
            made.step(0.05)
        state, _, detail = loop.retrying.state()
        assert state == "RETRYING"
        assert "sink pixels cannot see the pixels of growing" in detail
        with pytest.raises(SinkError, match="ulimit -n"):
            loop.attempt(last=True)


def test_a_live_stream_goes_on_without_pixels(lack: Lack) -> None:
    with lab([SourceSetup("live", 60, every_frame=False, resize_at=20)], SINKS, seed=1) as made:
        while not made.stores["pixels"].ids("live"):
            made.step()
        lack.bits.add(bit_of(made, "pixels"))
        made.finish()
        late = [written for written in made.stores["pixels"].written if written.key[1] > 40]
        assert late
        assert {written.level for written in late} == {None}
