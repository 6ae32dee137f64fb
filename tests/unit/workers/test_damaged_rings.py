"""A ring is damaged in the middle of a run: its source begins anew, and no file loses a frame. Without processes."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from support.damaging import DAMAGES, damage
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup
from unit.workers.test_schedules import act, disturb

from mpipeline.errors import EXIT_SOURCE_FAILED, RingError
from mpipeline.supervisor.child import ProcessState

FILES = [SourceSetup("a", 30), SourceSetup("b", 17)]
SINKS = [SinkSetup("must"), SinkSetup("pixels", pixels=True)]


def strike(made: Lab, source: str, how: str, rng: random.Random | None = None) -> None:
    """Damages a ring of this source, if it has one."""
    for segment in made.members._rings.segments(source)[-1:]:
        with suppress(FileNotFoundError):  # it was removed before
            damage(segment, how, rng)


def farewell(made: Lab) -> None:
    """Inference is over: what is lost is told."""
    made.settle_control()
    made.members.farewell(made.children["inference"])  # type: ignore[arg-type]


def is_lost(made: Lab, source: str) -> bool:
    decoder = made.children[f"decoder:{source}"]
    return decoder.state is ProcessState.FATAL


def is_complete(made: Lab, sink: str, source: str) -> bool:
    """Whether the sink has every frame once, in order, and with its pixels if it wanted them."""
    written = [w for w in made.stores[sink].written if w.key[0] == source]
    right = [w.key[1] for w in written] == list(range(1, made.sources[source].frames + 1))
    return right and not (made.sink_setups[sink].pixels and None in {w.level for w in written})


def assert_complete(made: Lab, *sources: str) -> None:
    """Nothing of these sources was lost, doubled or put out of order."""
    wrong = [(sink, source) for sink in made.sink_setups for source in sources if not is_complete(made, sink, source)]
    assert not wrong, made.describe()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", DAMAGES)
def test_it_costs_a_file_no_frame_and_the_others_nothing(how: str, seed: int) -> None:
    with lab(FILES, SINKS, seed=seed) as made:
        while len(made.stores["pixels"].ids("a")) < 4:
            made.step()
        strike(made, "a", how)
        made.finish()
        farewell(made)
        assert_complete(made, "a", "b")
        assert made.children["decoder:a"].incarnation > 1
        assert {made.children[name].incarnation for name in ("decoder:b", "inference", "sink:must", "sink:pixels")} == {
            1
        }
        assert not is_lost(made, "a")


@pytest.mark.parametrize("how", DAMAGES)
def test_again_and_again(how: str) -> None:
    with lab(FILES, SINKS, seed=5) as made:
        for turn in range(80):
            made.step()
            if turn % 9 == 8 and not made.children["decoder:a"].is_over:
                strike(made, "a", how)
        made.finish()
        farewell(made)
        assert_complete(made, "b")
        if not is_lost(made, "a"):
            assert_complete(made, "a")


@pytest.mark.parametrize("how", ["cut", "header", "slots"])
def test_while_inference_or_a_sink_is_down(how: str) -> None:
    with lab(FILES, SINKS, seed=2) as made:
        for victim in ("inference", "pixels"):
            while len(made.stores["pixels"].ids("a")) < (4 if victim == "inference" else 12):
                made.step()
            made.kill_inference() if victim == "inference" else made.kill_sink(victim)
            strike(made, "a", how)
            for _ in range(4):
                made.step()
            made.start_inference() if victim == "inference" else made.start_sink(victim)
        made.finish()
        farewell(made)
        assert_complete(made, "a", "b")


@pytest.mark.parametrize("finder", ["pixels", "inference"])
def test_a_ring_that_is_found_damaged_while_it_is_retired(monkeypatch: pytest.MonkeyPatch, finder: str) -> None:
    """Whoever finds it reads nothing of the source until the supervisor has told of the damage."""
    with lab([SourceSetup("growing", 40, slots=5, resize_at=9), FILES[1]], SINKS, seed=2) as made:
        rings, retire, struck = made.members._rings, made.members._rings.retire, []

        def find(now_ns: int) -> list[str]:
            retired = retire(now_ns)
            loop = made.inference if finder == "inference" else made.sinks[finder].loop
            assert loop is not None
            for segment in retired:
                ring = loop.rings.get(segment)
                assert ring is not None
                struck.append(segment)
                with loop.rings.guard(ring.reader.descriptor):
                    raise RingError("nonsense in a slot")
            return retired

        monkeypatch.setattr(rings, "retire", find)
        made.finish()
        farewell(made)
        assert len(struck) == 1
        assert_complete(made, "growing", "b")
        assert not is_lost(made, "growing")


def test_a_live_stream_flows_again_in_order() -> None:
    with lab([SourceSetup("live", 60, every_frame=False), FILES[1]], SINKS, seed=1) as made:
        while not made.stores["must"].ids("live"):
            made.step()
        strike(made, "live", "emptied")
        made.finish()
        for sink in made.stores.values():
            ids = sink.ids("live")
            assert ids == sorted(set(ids))
            assert max(ids) > 50
        assert_complete(made, "b")


@pytest.mark.parametrize("how", ["emptied", "slots"])
def test_what_a_file_that_is_read_to_its_end_loses_is_told(how: str) -> None:
    with lab([SourceSetup("a", 4), FILES[1]], SINKS, seed=1) as made:
        for _ in range(5):
            made.step_decoder("a")
            made.settle_control()
        assert made.children["decoder:a"].is_over is False
        made.step_decoder("a")
        assert made.children["decoder:a"].is_over
        strike(made, "a", how)
        made.finish()
        farewell(made)
        decoder = made.children["decoder:a"]
        assert (decoder.state, decoder.exit_code) == (ProcessState.FATAL, EXIT_SOURCE_FAILED)
        assert "frames from 1 to 4" in decoder.failure
        assert "--resume" in decoder.failure
        assert_complete(made, "b")
        assert made.stores["must"].ended.count("a") == 1


def test_a_file_whose_frames_all_sinks_have_loses_nothing() -> None:
    with lab([SourceSetup("a", 4), FILES[1]], SINKS, seed=1) as made:
        made.finish()
        strike(made, "a", "emptied")
        made.settle_control()
        farewell(made)
        assert not is_lost(made, "a")
        assert_complete(made, "a")


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.long) for n in range(1000, 1200))])
def test_whatever_else_happens_no_file_loses_a_frame_silently(seed: int) -> None:
    with lab(
        [*FILES, SourceSetup("live", 60, every_frame=False), SourceSetup("growing", 22, slots=5, resize_at=9)],
        SINKS,
        seed=seed,
    ) as made:
        for _ in range(made.rng.randint(20, 900)):
            if made.rng.random() < 0.02:
                strike(made, made.rng.choice(list(made.sources)), made.rng.choice(DAMAGES), made.rng)
            disturb(made)
            act(made)
        if made.inference is None:
            made.start_inference()
        for name in made.sink_setups:
            if name not in made.sinks:
                made.start_sink(name)
        made.finish()
        farewell(made)
        for source in ("a", "b", "growing"):
            if is_lost(made, source):
                assert not all(is_complete(made, sink, source) for sink in made.sink_setups)
            else:
                assert all(is_complete(made, sink, source) for sink in made.sink_setups), source
