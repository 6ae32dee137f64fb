"""The synthetic source keeps the source contract and shows what its scene says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.frame import FrameFormat, PixelFormat, Pixels, plane_views
from mpipeline.sources.source import GrabbedFrame
from mpipeline.sources.synthetic import SyntheticOptions, SyntheticSource, scene_of


def opened(name: str = "gate", clock: ManualClock | None = None, **options: object) -> SyntheticSource:
    source = SyntheticSource(name, SyntheticOptions.model_validate(options), clock)
    source.open()
    return source


def grabbed(source: SyntheticSource) -> GrabbedFrame:
    frame = source.grab()
    assert frame is not None
    return frame


def retrieved(source: SyntheticSource, format: FrameFormat) -> tuple[Pixels, ...]:
    planes = plane_views(format, np.full(format.payload_bytes(), 7, np.uint8))
    source.retrieve(planes)
    return planes


def test_stream_info_repeats_the_options() -> None:
    source = SyntheticSource("gate", SyntheticOptions(width=320, height=200, rate=25, count=9))
    info = source.open()
    assert (info.live, info.width, info.height, info.rate, info.frame_count) == (False, 320, 200, 25.0, 9)


def test_ends_after_count_and_stays_ended() -> None:
    source = opened(count=3)
    assert [source.grab() is None for _ in range(5)] == [False, False, False, True, True]


def test_count_zero_has_no_end() -> None:
    source = opened()
    assert all(source.grab() is not None for _ in range(1000))


def test_presentation_times_follow_the_rate() -> None:
    source = opened(rate=25, count=4)
    assert [grabbed(source).pts for _ in range(4)] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_all_clocks_travel_with_the_frame() -> None:
    clock = ManualClock(start_ns=5 * NS_PER_S)
    frame = grabbed(opened(clock=clock))
    assert (frame.captured_ns, frame.wall_ns) == (clock.monotonic_ns(), clock.wall_ns())
    assert frame.key_frame
    assert not frame.corrupt


def test_realtime_is_live_and_paced_by_the_clock() -> None:
    clock = ManualClock()
    source = SyntheticSource("gate", SyntheticOptions(realtime=True, rate=10), clock)
    assert source.open().live
    start = clock.monotonic_ns()
    assert [(grabbed(source).captured_ns - start) / NS_PER_S for _ in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_realtime_does_not_wait_when_late() -> None:
    clock = ManualClock()
    source = opened(clock=clock, realtime=True, rate=10)
    clock.advance(0.15)
    late = clock.monotonic_ns()
    assert [grabbed(source).captured_ns for _ in range(2)] == [late, late]
    assert grabbed(source).captured_ns > late


def test_not_realtime_never_waits() -> None:
    clock = ManualClock()
    source = opened(clock=clock, rate=1)
    start = clock.monotonic_ns()
    assert {grabbed(source).captured_ns for _ in range(10)} == {start}


def test_grabbing_without_retrieving_skips_frames() -> None:
    first, second = opened(), opened()
    for _ in range(6):
        first.grab()
    for _ in range(6):
        second.grab()
        planes = retrieved(second, grabbed(opened()).format)
    for one, other in zip(retrieved(first, grabbed(opened()).format), planes, strict=True):
        assert np.array_equal(one, other)


def test_opening_again_begins_again() -> None:
    source = opened()
    format = grabbed(source).format
    before = retrieved(source, format)
    grabbed(source)
    source.close()
    source.open()
    grabbed(source)
    assert all(np.array_equal(a, b) for a, b in zip(before, retrieved(source, format), strict=True))


@pytest.mark.parametrize("name", ["i420", "nv12", "bgr24", "gray8"])
@pytest.mark.parametrize("size", [(64, 48), (63, 47), (17, 16)])
def test_fills_every_format_and_odd_sizes(name: str, size: tuple[int, int]) -> None:
    source = opened(width=size[0], height=size[1], pixel_format=name)
    frame = grabbed(source)
    assert frame.format == FrameFormat(PixelFormat[name.upper()], *size)
    retrieved(source, frame.format)


def test_seed_is_derived_from_the_name_the_same_in_every_process() -> None:
    program = "from mpipeline.sources.synthetic import *; print(scene_of('gate', SyntheticOptions()).seed)"
    seeds = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert seeds == {str(scene_of("gate", SyntheticOptions()).seed)}


def test_names_and_seeds_tell_scenes_apart() -> None:
    boxes = [
        scene_of(name, SyntheticOptions(seed=seed)).truth(0)[0]
        for name, seed in (("a", None), ("b", None), ("a", 1), ("a", 2))
    ]
    assert len({box.tobytes() for box in boxes}) == 4
    one, other = (scene_of(name, SyntheticOptions(seed=1)).truth(0)[0] for name in "ab")
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "wrong",
    [{"uri": "synthetic:more"}, {"uri": "video.mp4"}, {"width": 0}, {"rate": 0}, {"count": -1}, {"colour": "red"}],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SyntheticOptions.model_validate(wrong)


@pytest.mark.parametrize("uri", ["synthetic", "synthetic:"])
def test_accepted_uris(uri: str) -> None:
    assert SyntheticOptions(uri=uri).uri == uri


def test_close_may_be_repeated() -> None:
    source = opened()
    source.close()
    source.close()


def test_retrieve_needs_a_grabbed_frame() -> None:
    source = opened()
    with pytest.raises(RuntimeError, match="grab"):
        source.retrieve(())
