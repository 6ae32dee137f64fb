"""The contract of a source, held by every kind in the registry.

A kind takes part through a table below: how to make one that gives exactly `count` frames and then ends, or a live one
without an end. Kinds of other distributions that stand in no table are not tested here.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from support import gstreamer, media, webcams
from support.media import VideoSpec
from support.webcams import SMALL, SMALL_JPEG, Webcams

from mpipeline import registry
from mpipeline.frame import FrameFormat, Pixels, plane_views
from mpipeline.sources.source import GrabbedFrame, Source, StreamInfo

SENTINEL = 0xA5

FINITE: dict[str, Callable[[int], dict[str, Any]]] = {
    "video": lambda count: {"uri": str(media.video(VideoSpec(frames=count)))},
    "synthetic": lambda count: {"uri": "synthetic", "count": count, "width": 320, "height": 180, "rate": 15.0},
    "callable": lambda count: {"target": "support.producers:clip", "properties": {"count": count}},
    "python": lambda count: {"target": "support.cameras:Clip", "options": {"count": count}},
    "images": lambda count: {"uri": str(media.pictures(count)), "rate": 15.0},
    "gstreamer": lambda count: {"gstreamer": gstreamer.pattern(count)},
    "playlist": lambda count: {"uris": [str(path) for path in media.parts(count)]},
}


# Sources without an end. Cameras are seen only by a process in which the stand-in is loaded; see the last test.
LIVE: dict[str, dict[str, Any]] = {"device": {"uri": 0}}
HERE = [*FINITE, *(LIVE if webcams.are_here() else ())]


def options_of(kind: str, count: int) -> dict[str, Any]:
    return LIVE[kind] if kind in LIVE else FINITE[kind](count)


def make(kind: str, count: int = 5) -> Source:
    """A source of that kind with `count` frames, or without an end, not yet open."""
    if kind == "gstreamer":
        gstreamer.needs("videotestsrc")
    source_class = registry.load("sources", kind)
    source: Source = source_class("conformance", source_class.Options(**options_of(kind, count)))
    return source


def memory(format: FrameFormat) -> tuple[Pixels, tuple[Pixels, ...]]:
    """A payload filled with a sentinel, and its planes."""
    payload = np.full(format.payload_bytes(), SENTINEL, np.uint8)
    return payload, plane_views(format, payload)


def read_all(source: Source) -> tuple[StreamInfo, list[GrabbedFrame]]:
    """Opens, reads to the end, or five frames of what has none, closes."""
    try:
        info = source.open()
        frames: list[GrabbedFrame] = []
        while not (info.live and len(frames) == 5) and (grabbed := source.grab()) is not None:
            frames.append(grabbed)
        return info, frames
    finally:
        source.close()


def eager(kind: str, count: int) -> Source:
    """The same, and it seeks however little is won."""
    source = make(kind, count)
    if hasattr(source, "_seek_from"):
        source._seek_from = 1
    return source


def pictures(source: Source, *, is_open: bool = False) -> list[tuple[GrabbedFrame, bytes]]:
    """Reads to the end and closes; every frame with its pixels."""
    if not is_open:
        source.open()
    found = []
    while (grabbed := source.grab()) is not None:
        payload, planes = memory(grabbed.format)
        source.retrieve(planes)
        found.append((grabbed, payload.tobytes()))
    source.close()
    return found


def told(one: tuple[GrabbedFrame, bytes]) -> tuple[Any, ...]:
    """All of it but the clocks."""
    grabbed, payload = one
    return grabbed.format, grabbed.pts, grabbed.key_frame, grabbed.corrupt, payload


def test_every_built_in_kind_takes_part() -> None:
    from mpipeline.sources import KINDS

    assert set(KINDS) <= {*FINITE, *LIVE}


@pytest.mark.parametrize("kind", HERE)
class TestEveryKind:
    def test_options_are_a_frozen_model_that_refuses_unknown_keys(self, kind: str) -> None:
        options_class = registry.load("sources", kind).Options

        assert issubclass(options_class, BaseModel)
        options = options_class(**options_of(kind, 3))
        with pytest.raises(ValidationError):
            options_class(**options_of(kind, 3), no_such_option=1)
        with pytest.raises(ValidationError):
            options.uri = "other"

    def test_options_survive_a_trip_through_plain_data(self, kind: str) -> None:
        options_class = registry.load("sources", kind).Options
        options = options_class(**options_of(kind, 3))

        assert options_class(**options.model_dump()) == options

    def test_what_open_tells_is_what_comes(self, kind: str) -> None:
        info, frames = read_all(make(kind))

        assert (info.width, info.height) == (frames[0].format.width, frames[0].format.height)
        assert info.rate == pytest.approx(15.0)
        assert info.frame_count in (0, 5)
        assert info.codec

    def test_the_clocks(self, kind: str) -> None:
        _, frames = read_all(make(kind))

        captured = [frame.captured_ns for frame in frames]
        assert captured == sorted(captured)
        assert all(frame.wall_ns > 1_500_000_000 * 10**9 for frame in frames)
        times = [frame.pts for frame in frames]
        assert all(after > before for before, after in itertools.pairwise(times))  # type: ignore[operator]

    def test_the_first_frame_is_a_key_frame(self, kind: str) -> None:
        _, frames = read_all(make(kind))

        assert frames[0].key_frame
        assert not frames[0].corrupt

    def test_retrieve_fills_every_plane_and_nothing_else(self, kind: str) -> None:
        source = make(kind)
        source.open()
        grabbed = source.grab()
        assert grabbed is not None
        payload, planes = memory(grabbed.format)
        source.retrieve(planes)
        source.close()

        padding = np.ones(payload.shape, bool)
        for plane in grabbed.format.planes():
            rows = padding[plane.offset : plane.offset + plane.stride * plane.rows].reshape(plane.rows, plane.stride)
            rows[:, : plane.row_bytes] = False
        assert (payload[padding] == SENTINEL).all()
        assert all((view != SENTINEL).any() for view in planes)

    def test_retrieve_may_be_repeated_and_left_out(self, kind: str) -> None:
        source = make(kind)
        source.open()
        source.grab()
        grabbed = source.grab()  # the first one was not retrieved
        assert grabbed is not None
        first, planes = memory(grabbed.format)
        source.retrieve(planes)
        second, planes = memory(grabbed.format)
        source.retrieve(planes)
        source.close()

        assert (first == second).all()

    def test_close_is_harmless_at_any_time(self, kind: str) -> None:
        source = make(kind)
        source.close()
        source = make(kind)
        source.open()
        source.close()
        source.close()
        source = make(kind)
        source.open()
        source.grab()
        source.close()
        source.close()

    def test_what_is_live_has_no_end_and_cannot_seek(self, kind: str) -> None:
        source = make(kind)
        info = source.open()

        assert info.live is (kind in LIVE)
        if info.live:
            assert (info.frame_count, info.ends) == (0, False)
            assert source.seek(3, 0.2) is False
        assert source.grab() is not None
        source.close()

    def test_connects_says_whether_it_reaches_over_the_network(self, kind: str) -> None:
        assert make(kind).connects is False

    def test_no_errors_are_counted_where_there_are_none(self, kind: str) -> None:
        source = make(kind)
        read_all(source)

        assert source.decode_errors == 0

    def test_nothing_heavy_is_imported_before_open(self, kind: str) -> None:
        program = (
            "import sys; from mpipeline import registry; "
            f"registry.load('sources', {kind!r}); "
            "print([name for name in ('av', 'cv2', 'gi', 'onnxruntime') if name in sys.modules])"
        )
        printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

        assert printed.strip() == "[]"


@pytest.mark.parametrize("kind", FINITE)
class TestEveryFiniteKind:
    def test_exact_count_then_none(self, kind: str) -> None:
        info, frames = read_all(make(kind, 5))

        assert len(frames) == 5
        assert not info.live

    def test_frames_differ(self, kind: str) -> None:
        source = make(kind)
        source.open()
        pictures = []
        while (grabbed := source.grab()) is not None:
            payload, planes = memory(grabbed.format)
            source.retrieve(planes)
            pictures.append(payload)
        source.close()

        assert all((before != after).any() for before, after in itertools.pairwise(pictures))

    def test_two_readings_are_equal(self, kind: str) -> None:
        readings = []
        for _ in range(2):
            source = make(kind)
            source.open()
            grabbed = source.grab()
            assert grabbed is not None
            payload, planes = memory(grabbed.format)
            source.retrieve(planes)
            source.close()
            readings.append((grabbed.format, grabbed.pts, payload.tobytes()))

        assert readings[0] == readings[1]

    def test_after_a_seek_all_is_as_without(self, kind: str) -> None:
        everything = pictures(make(kind, 40))
        for frame_id in (1, 25, 40):
            source = eager(kind, 40)
            pts = everything[frame_id - 1][0].pts
            assert pts is not None
            source.open()
            sought = source.seek(frame_id, pts)
            rest = pictures(source, is_open=True)

            assert [told(one) for one in rest] == [told(one) for one in everything[frame_id if sought else 0 :]]
            assert source.decode_errors == 0

    def test_a_seek_to_what_is_not_there_changes_nothing(self, kind: str) -> None:
        everything = pictures(make(kind, 40))
        for frame_id, pts in ((30, 0.0), (41, 1e6), (10**9, 1e9), (0, 0.0)):
            source = eager(kind, 40)
            source.open()
            assert source.seek(frame_id, pts) is False
            assert [told(one) for one in pictures(source, is_open=True)] == [told(one) for one in everything]


def test_cameras_hold_it_too(tmp_path: Path) -> None:
    """In a process of its own, into which the stand-in for webcams is loaded."""
    cameras = Webcams(tmp_path)
    cameras.add(0, SMALL, SMALL_JPEG)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "device"]
    run = subprocess.run(
        command, check=False, env={**os.environ, **cameras.environment}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert "passed" in run.stdout
    assert "skipped" not in run.stdout
