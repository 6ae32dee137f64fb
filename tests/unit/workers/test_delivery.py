"""The promises of delivery, kept by inference, sinks, rings and membership together: every single fault by itself."""

from __future__ import annotations

import pytest
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup

from mpipeline.testing.fakes import level_of


def assert_exactly_once(made: Lab, sink: str) -> None:
    """Every frame of every source that must reach everybody, once, in order."""
    for name, source in made.sources.items():
        if source.every_frame:
            assert made.stores[sink].ids(name) == list(range(1, source.frames + 1))


def assert_lossy_in_order(made: Lab, sink: str) -> None:
    """Whatever came, came once and in order, to each incarnation."""
    written = made.stores[sink].written
    for begin, end in zip(made.lives[sink], [*made.lives[sink][1:], len(written)], strict=True):
        for source in made.sources:
            ids = [w.prediction.frame.frame_id for w in written[begin:end] if w.key[0] == source]
            assert ids == sorted(set(ids))


def assert_pixels_are_those_of_the_frame(made: Lab) -> None:
    for store in made.stores.values():
        for one in store.written:
            level = level_of(one.prediction.frame.frame_id)
            assert one.prediction.detections is not None
            assert one.prediction.detections.class_id.tolist() == [level]
            assert one.level in (None, level)


def assert_no_slot_leaked(made: Lab) -> None:
    """Every slot can be written again: nobody holds it, and no reader that must have everything waits for it."""
    for ring in made.rings():
        for slot in range(ring.descriptor.slots):
            _, pending, held = ring._ring.control(slot)
            assert held == 0, made.describe()
            assert pending & ring._ring.pinned == 0, made.describe()


def assert_all_is_well(made: Lab, *lossless: str) -> None:
    for sink in made.stores:
        if sink in lossless:
            assert_exactly_once(made, sink)
        assert_lossy_in_order(made, sink)
    assert_pixels_are_those_of_the_frame(made)
    assert_no_slot_leaked(made)


FILES = [SourceSetup("a", 30), SourceSetup("b", 17)]
BOTH = [SinkSetup("must"), SinkSetup("pixels", pixels=True)]


def test_without_faults_every_frame_arrives_once_and_each_source_ends() -> None:
    with lab(FILES, BOTH) as made:
        made.finish()
        for _ in range(5):
            made.step()
        assert_all_is_well(made, "must", "pixels")
        assert all(ring.idle() for ring in made.rings())
        assert {one.level for one in made.stores["must"].written} == {None}
        assert None not in {one.level for one in made.stores["pixels"].written}
        assert sorted(made.stores["must"].ended) == ["a", "b"]


def test_no_sinks_at_all() -> None:
    with lab(FILES, []) as made:
        made.finish()
        assert_no_slot_leaked(made)


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("remembers", [True, False])
def test_a_sink_is_killed_again_and_again(pixels: bool, remembers: bool) -> None:
    with lab(FILES, [SinkSetup("must", pixels, remembers=remembers), SinkSetup("other")], seed=3) as made:
        for turn in range(60):
            made.step()
            if turn % 7 == 6:
                made.kill_sink("must", while_reading=turn % 2 == 0)
            if turn % 7 == 1 and "must" not in made.sinks:
                made.start_sink("must")
        if "must" not in made.sinks:
            made.start_sink("must")
        made.finish()
        assert len(made.lives["must"]) > 5
        if remembers:
            assert_exactly_once(made, "must")
        for name, source in made.sources.items():
            assert sorted(set(made.stores["must"].ids(name))) == list(range(1, source.frames + 1))
        assert_all_is_well(made, "other")


def test_inference_is_killed_again_and_again() -> None:
    with lab(FILES, BOTH, seed=5) as made:
        for turn in range(60):
            made.step()
            if turn % 6 == 5:
                made.kill_inference()
            if turn % 6 == 1 and made.inference is None:
                made.start_inference()
        if made.inference is None:
            made.start_inference()
        made.finish()
        assert_all_is_well(made, "must", "pixels")


def test_a_decoder_is_killed_again_and_again() -> None:
    with lab(FILES, BOTH, seed=7) as made:
        for turn in range(50):
            made.step()
            if turn % 8 == 7 and not made.children["decoder:a"].is_over:
                made.kill_decoder("a", while_writing=turn % 16 == 7)
                made.start_decoder("a")
        made.finish()
        assert_all_is_well(made, "must", "pixels")


@pytest.mark.parametrize("seed", range(5))
def test_messages_that_may_be_lost_or_come_twice(seed: int) -> None:
    with lab(FILES, BOTH, seed=seed) as made:
        made.wires.loss = 0.6
        for _ in range(150):
            made.step()
        made.finish()
        assert_all_is_well(made, "must", "pixels")


def test_a_hint_that_never_comes_is_found_by_walking_the_ring() -> None:
    with lab([SourceSetup("a", 3)], [SinkSetup("must")]) as made:
        for _ in range(5):
            made.step_decoder("a")
            made.settle_control()
        made.wires.hints.clear()
        made.finish()
        assert_all_is_well(made, "must")


def test_a_sink_that_failed_for_good_holds_nobody_up() -> None:
    with lab(FILES, BOTH, seed=1) as made:
        for _ in range(6):
            made.step()
        made.remove_sink("pixels")
        made.finish()
        assert_all_is_well(made, "must")


def test_a_new_resolution_goes_on_in_a_new_ring_and_the_old_one_is_removed() -> None:
    with lab([SourceSetup("a", 30, resize_at=11)], BOTH, seed=2) as made:
        made.finish()
        made.step()
        assert_all_is_well(made, "must", "pixels")
        assert len(made.rings()) == 1


def test_a_new_resolution_while_inference_is_down() -> None:
    with lab([SourceSetup("a", 30, resize_at=4)], BOTH, seed=2) as made:
        for _ in range(4):
            made.step()
        made.kill_inference()
        for _ in range(6):
            made.step()
        made.start_inference()
        made.finish()
        assert_all_is_well(made, "must", "pixels")


def test_a_slow_lossy_sink_never_holds_a_file_up() -> None:
    sinks = [SinkSetup("must"), SinkSetup("slow", overflow="drop_oldest", queue=3)]
    with lab(FILES, sinks, seed=4) as made:
        made.sinks["slow"].subscription.report()
        stuck = made.sinks.pop("slow")  # alive, and never works anything off
        for _ in range(200):
            made.step()
        assert_exactly_once(made, "must")
        made.sinks["slow"] = stuck
        made.finish()
        assert_all_is_well(made, "must")
        total = sum(s.frames for s in FILES)
        dropped = made.recorder.snapshot()["predictions_dropped{reason=overflow,sink=slow}"]
        assert 0 < len(made.stores["slow"].written) == total - dropped


def test_a_stuck_lossy_sink_with_pixels_never_holds_a_file_up() -> None:
    sinks = [SinkSetup("must"), SinkSetup("stuck", pixels=True, overflow="drop_oldest")]
    with lab(FILES, sinks, seed=4) as made:
        stuck = made.sinks.pop("stuck")
        for _ in range(300):
            made.step()
        assert_exactly_once(made, "must")
        made.sinks["stuck"] = stuck


def test_a_lossy_sink_with_pixels_that_is_killed_leaves_no_slot_behind() -> None:
    sinks = [SinkSetup("must"), SinkSetup("lossy", pixels=True, overflow="drop_oldest")]
    with lab(FILES, sinks, seed=9) as made:
        for turn in range(60):
            made.step()
            if turn % 4 == 3:
                made.kill_sink("lossy", while_reading=turn % 8 == 3)
                made.start_sink("lossy")
        made.finish()
        assert_all_is_well(made, "must")


def test_inference_is_killed_while_a_lossy_sink_with_pixels_waits() -> None:
    sinks = [SinkSetup("lossy", pixels=True, overflow="drop_oldest")]
    with lab(FILES, sinks, seed=9) as made:
        for turn in range(60):
            made.step()
            if turn % 4 == 3:
                made.kill_inference()
                made.start_inference()
        made.finish()
        assert_all_is_well(made)
