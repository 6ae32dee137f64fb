"""Sinks that cannot write for a while, while they themselves or inference die: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Set

import pytest
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup

from mpipeline.errors import Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.testing.fakes import FakeSink, level_of

FILES = [SourceSetup("a", 30), SourceSetup("b", 17)]
MIXED = [SourceSetup("a", 30), SourceSetup("live", 40, every_frame=False)]
BOTH = [SinkSetup("must"), SinkSetup("pixels", pixels=True)]


class Disks:
    """Which sinks' disks are full."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.full_at_ends: set[str] = set()


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    state = Disks()

    class OnDisk(FakeSink):
        def write(self, prediction: Prediction, frame: Frame | None) -> None:
            self._look()
            super().write(prediction, frame)

        def end(self, source: str) -> None:
            self._look(state.full_at_ends)
            super().end(source)

        def _look(self, more: Set[str] = frozenset()) -> None:
            if self._name in state.full | more:
                raise SinkError("the disk is full", reason=Reason.NO_SPACE, retryable=True)

    monkeypatch.setattr("support.lab.FakeSink", OnDisk)
    return state


def steps(made: Lab, count: int) -> None:
    for _ in range(count):
        made.step()


def until_retrying(made: Lab, name: str) -> None:
    for _ in range(50):
        if made.sinks[name].loop.retrying.is_active:
            return
        made.step()
    raise AssertionError(f"{name} never failed")


def assert_exactly_once(made: Lab, *sinks: str) -> None:
    for sink in sinks:
        for name, source in made.sources.items():
            ids = made.stores[sink].ids(name)
            assert ids == (list(range(1, source.frames + 1)) if source.every_frame else sorted(set(ids)))
        assert all(one.level in (None, level_of(one.key[1])) for one in made.stores[sink].written)
    for ring in made.rings():
        for slot in range(ring.descriptor.slots):
            _, pending, held = ring._ring.control(slot)
            assert (held, pending & ring._ring.pinned) == (0, 0), made.describe()


@pytest.mark.parametrize("victim", ["must", "pixels"])
def test_an_outage_by_itself(disks: Disks, victim: str) -> None:
    with lab(FILES, BOTH) as made:
        steps(made, 5)
        disks.full.add(victim)
        until_retrying(made, victim)
        steps(made, 60)
        assert not made.is_over()  # a file job waits for as long as it takes
        disks.full.clear()
        made.finish()
        assert_exactly_once(made, "must", "pixels")


@pytest.mark.parametrize("victim", ["must", "pixels"])
@pytest.mark.parametrize("dies", [False, True])
def test_the_end_of_a_file_is_waited_for_and_told_again_to_a_successor(disks: Disks, victim: str, dies: bool) -> None:
    with lab(FILES, BOTH) as made:
        disks.full_at_ends.add(victim)
        for _ in range(4):
            steps(made, 60)
            if dies:
                made.kill_sink(victim)
                made.start_sink(victim)
        assert made.stores[victim].ended == []
        assert made.inference is not None
        assert not made.inference.is_drained(lossless_only=True)  # or the run would end without them
        disks.full_at_ends.clear()
        made.finish()
        assert sorted(made.stores[victim].ended) == ["a", "b"]
        assert_exactly_once(made, "must", "pixels")


@pytest.mark.parametrize("victim", ["must", "pixels"])
def test_the_sink_is_killed_while_it_cannot_write(disks: Disks, victim: str) -> None:
    with lab(FILES, BOTH, seed=1) as made:
        steps(made, 5)
        disks.full.add(victim)
        for _ in range(3):
            until_retrying(made, victim)
            made.kill_sink(victim)
            steps(made, 3)
            made.start_sink(victim)
        disks.full.clear()
        made.finish()
        assert_exactly_once(made, "must", "pixels")


@pytest.mark.parametrize("victim", ["must", "pixels"])
def test_inference_is_killed_while_the_sink_cannot_write(disks: Disks, victim: str) -> None:
    """Each new inference opens sessions of which the sink does not hear before its disk has room again."""
    with lab(MIXED, BOTH, seed=2) as made:
        steps(made, 5)
        disks.full.add(victim)
        until_retrying(made, victim)
        for _ in range(3):
            made.kill_inference()
            steps(made, 3)
            made.start_inference()
            for _ in range(20):
                made.step(0.5)
        disks.full.clear()
        made.finish()
        assert_exactly_once(made, "must", "pixels")


@pytest.mark.parametrize("seed", range(6))
def test_everything_at_random(disks: Disks, seed: int) -> None:
    with lab(MIXED, BOTH, seed=seed) as made:
        for _ in range(150):
            what = made.rng.random()
            name = made.rng.choice(["must", "pixels"])
            if what < 0.15:
                disks.full ^= {name}
            elif what < 0.2:
                if name in made.sinks:
                    made.kill_sink(name, while_reading=made.rng.random() < 0.5)
                else:
                    made.start_sink(name)
            elif what < 0.24:
                if made.inference is not None:
                    made.kill_inference()
                else:
                    made.start_inference()
            made.step(made.rng.choice((0.02, 0.5)))
        disks.full.clear()
        if made.inference is None:
            made.start_inference()
        for name in ("must", "pixels"):
            if name not in made.sinks:
                made.start_sink(name)
        made.finish()
        for source in FILES[:1]:
            for sink in ("must", "pixels"):
                assert made.stores[sink].ids(source.name) == list(range(1, source.frames + 1))


def test_an_outage_of_one_sink_of_a_live_stream_costs_the_others_nothing(disks: Disks) -> None:
    with lab([SourceSetup("live", 60, every_frame=False, slots=6)], BOTH) as made:
        steps(made, 5)
        disks.full.add("pixels")
        until_retrying(made, "pixels")
        before = len(made.stores["must"].written)
        steps(made, 60)
        assert made.stores["must"].ids("live")[-1] == 60
        assert len(made.stores["must"].written) > before + 20
        disks.full.clear()
        made.finish()
        ids = made.stores["pixels"].ids("live")
        assert ids == sorted(set(ids))
        assert ids[-1] == 60  # the freshest: what waited went by the overflow policy
