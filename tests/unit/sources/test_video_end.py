"""Which ends of a file are good, judged from made-up containers."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpipeline.sources.video_end import EndCheck

RATE = 10
TICK = Fraction(1, RATE)


def check(format_name: str, *, frames: int = 0, samples: int | None = None, seconds: float = 0.0, **more: Any) -> Any:
    """An EndCheck for a container that declares so much."""
    entries = None if samples is None else [SimpleNamespace(timestamp=number) for number in range(samples)]
    stream = SimpleNamespace(index=0, frames=frames, average_rate=RATE, index_entries=entries)
    container = SimpleNamespace(
        format=SimpleNamespace(name=format_name), duration=int(seconds * 1_000_000) or None, start_time=0
    )
    return EndCheck(cast(Any, container), cast(Any, stream), from_start=more.get("from_start", True))


def read(judge: Any, numbers: range, stream_index: int = 0) -> str:
    """What is missing after these packets."""
    for number in numbers:
        judge.saw(SimpleNamespace(stream_index=stream_index, pts=number, dts=number, duration=1, time_base=TICK))
    return str(judge.missing())


def test_an_mp4_must_hold_every_sample_of_its_index() -> None:
    assert read(check("mov,mp4", frames=100, samples=100), range(100)) == ""
    assert "99 of 100" in read(check("mov,mp4", frames=100, samples=100), range(99))


def test_samples_that_an_edit_list_removed_are_not_missing() -> None:
    assert read(check("mov,mp4", frames=100, samples=50), range(50)) == ""


def test_an_mp4_read_from_its_middle_must_reach_its_last_sample() -> None:
    assert read(check("mov,mp4", samples=100, from_start=False), range(60, 100)) == ""
    assert read(check("mov,mp4", samples=100, from_start=False), range(60, 90)) != ""


@pytest.mark.parametrize(
    ("format_name", "declared"),
    [("matroska,webm", {"seconds": 10.0}), ("flv", {"seconds": 10.0}), ("avi", {"frames": 100})],
)
def test_declared_lengths_hold_give_or_take_a_second(format_name: str, declared: dict[str, Any]) -> None:
    assert read(check(format_name, **declared), range(100)) == ""
    assert read(check(format_name, **declared), range(92)) == ""
    assert read(check(format_name, **declared), range(85)) != ""


def test_sound_that_goes_on_longer_is_no_missing_video() -> None:
    judge = check("matroska,webm", seconds=10.0)
    read(judge, range(50))

    assert read(judge, range(100), stream_index=1) == ""


@pytest.mark.parametrize("format_name", ["mpegts", "h264"])
def test_others_promise_nothing(format_name: str) -> None:
    assert read(check(format_name, frames=100, seconds=10.0), range(10)) == ""
