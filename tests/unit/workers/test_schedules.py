"""The promises of delivery under random schedules: any part is killed at any time, messages are lost or come twice.

Each seed is one run of 3 sources and 3 sinks; a failing one is repeated by its number.
"""

from __future__ import annotations

import pytest
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup

from mpipeline.testing.fakes import level_of

SOURCES = [
    SourceSetup("file", 25, slots=4),
    SourceSetup("growing", 22, slots=5, resize_at=9),
    SourceSetup("live", 60, every_frame=False, slots=4, resize_at=30),
]
SINKS = [
    SinkSetup("must", credit=5),
    SinkSetup("pixels", pixels=True, credit=3, remembers=False),
    SinkSetup("lossy", pixels=True, overflow="drop_newest", queue=2, credit=2),
]


def disturb(made: Lab) -> None:
    """One thing of all that can happen, most often nothing."""
    rng = made.rng
    what = rng.random()
    if what < 0.05:
        name = rng.choice(list(made.sink_setups))
        if name in made.sinks:
            made.kill_sink(name, while_reading=rng.random() < 0.5)
        else:
            made.start_sink(name)
    elif what < 0.08:
        if made.inference is not None:
            made.kill_inference()
        else:
            made.start_inference()
    elif what < 0.11:
        name = rng.choice(list(made.sources))
        if not made.children[f"decoder:{name}"].is_over:
            made.kill_decoder(name, while_writing=rng.random() < 0.5)
            made.start_decoder(name)
    elif what < 0.15:
        made.wires.loss = rng.choice((0.0, 0.3, 0.9))
    elif what < 0.17:
        made.clock.advance(rng.random() * 5)


def act(made: Lab) -> None:
    """One part does one step."""
    rng = made.rng
    which = rng.randrange(4)
    if which == 0:
        made.step_decoder(rng.choice(list(made.decoders)))
    elif which == 1:
        made.step_inference()
    elif which == 2 and made.sinks:
        made.step_sink(rng.choice(list(made.sinks)), rng.randint(0, 3))
    else:
        made.settle_control()
    made.clock.advance(rng.random() * 0.05)


def play(seed: int) -> None:
    """A run with faults, then its end without, then what was promised."""
    with lab(SOURCES, SINKS, max_batch=3, seed=seed) as made:
        for _ in range(made.rng.randint(20, 900)):
            disturb(made)
            act(made)
        if made.inference is None:
            made.start_inference()
        for name in SINKS:
            if name.name not in made.sinks:
                made.start_sink(name.name)
        made.finish()
        made.step(advance_s=11.0)
        made.step()
        made.step()
        check(made)


def check(made: Lab) -> None:
    for sink in SINKS:
        written = made.stores[sink.name].written
        for source in SOURCES:
            ids = made.stores[sink.name].ids(source.name)
            if source.every_frame and sink.name != "lossy":
                assert sorted(set(ids)) == list(range(1, source.frames + 1)), (sink.name, source.name)
                assert source.name in made.stores[sink.name].ended, sink.name
            if sink.remembers and source.every_frame:
                assert len(ids) == len(set(ids)), (sink.name, source.name)
            for begin, end in zip(made.lives[sink.name], [*made.lives[sink.name][1:], len(written)], strict=True):
                life = [w.key[1] for w in written[begin:end] if w.key[0] == source.name]
                assert life == sorted(set(life)), (sink.name, source.name)
        assert {one.level for one in written} - {None} <= {level_of(n) for n in range(1, 100)}
        assert all(one.level in (None, level_of(one.key[1])) for one in written)
        assert all(one.prediction.detections is not None for one in written)
    for ring in made.rings():
        controls = [ring._ring.control(slot) for slot in range(ring.descriptor.slots)]
        assert all(held == 0 for _, _, held in controls), made.describe()
        assert all(pending & ring._ring.pinned == 0 for _, pending, _ in controls), made.describe()
    assert len(made.rings()) == len(SOURCES), "an older ring was left"


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_promises_hold(seed: int) -> None:
    play(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1010))
def test_whatever_happens_for_longer(seed: int) -> None:
    for turn in range(50):
        play(seed * 100 + turn)
