"""The plan: workers, bits, policies, rings and their memory, from a config."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config import RunConfig
from mpipeline.errors import ConfigError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Role
from mpipeline.ring.descriptor import bytes_needed
from mpipeline.sources.source import StreamInfo
from mpipeline.supervisor.plan import Plan, is_every_frame, make_plan, slots_for
from mpipeline.transport import codec


def config(sinks: int = 1, max_size: int = 8, sources: list[dict[str, Any]] | None = None, **sink: Any) -> RunConfig:
    given = sources or [
        {"name": "file", "uri": "a.mp4"},
        {"name": "cam", "uri": "rtsp://10.0.0.1/x"},
        {"name": "made", "kind": "synthetic", "width": 320, "height": 200},
    ]
    made = [{"name": f"s{n}", "kind": "python", "target": f"m:C{n}", **sink} for n in range(sinks)]
    batching = {"max_size": max_size}
    return RunConfig.from_mapping(
        {"sources": given, "model": {"target": "m:Model"}, "sinks": made, "batching": batching}
    )


def ring_of(plan: Plan, source: str) -> Any:
    return next(ring for ring in plan.rings if ring.source == source)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([{"uri": "rtsp://10.0.0.1/x"}], 1),
        ([{"uri": f"rtsp://10.0.0.{n}/x"} for n in range(3)], 3),
        ([{"uri": f"rtsp://10.0.0.{n}/x"} for n in range(9)], 8),
        ([{"uri": "a.mp4"}], 8),
        ([{"uri": "rtsp://10.0.0.1/x"}, {"uri": "a.mp4"}], 8),
    ],
)
def test_inference_knows_how_many_frames_wait_together(sources: list[dict[str, Any]], expected: int) -> None:
    plan = make_plan(config(sources=sources))
    assert next(w for w in plan.workers if w.role is Role.INFERENCE).spec["at_once"] == expected


def test_a_source_that_is_known_to_be_live_counts_as_such() -> None:
    plan = make_plan(config(sources=[{"name": "a", "uri": "a.mp4"}]), {"a": StreamInfo(True, 64, 48)})
    assert next(w for w in plan.workers if w.role is Role.INFERENCE).spec["at_once"] == 1


def test_workers_sinks_first() -> None:
    plan = make_plan(config(2))
    assert [(w.role, w.name) for w in plan.workers] == [
        (Role.SINK, "sink:s0"),
        (Role.SINK, "sink:s1"),
        (Role.INFERENCE, "inference"),
        (Role.DECODER, "decoder:file"),
        (Role.DECODER, "decoder:cam"),
        (Role.DECODER, "decoder:made"),
    ]


def test_each_reader_has_a_bit_of_its_own_and_inference_the_first() -> None:
    plan = make_plan(config(14))
    assert [feed.bit for sink in plan.sinks for feed in sink.feeds] == list(range(1, 15))
    assert next(w for w in plan.workers if w.role is Role.INFERENCE).spec["bit"] == 0
    with pytest.raises(ConfigError, match="15 sinks are too many"):
        make_plan(config(15))


def test_specs_can_travel() -> None:
    from mpipeline.messages import Start

    for worker in make_plan(config(2)).workers:
        start = Start(worker.spec)
        assert codec.decode(codec.encode(start)) == start


def test_delivery_by_nature_unless_configured() -> None:
    made = config(sources=[{"uri": "a.mp4"}, {"uri": "b.mp4", "delivery": "latest"}, {"uri": "rtsp://h/x"}])
    file, latest, cam = made.sources
    assert is_every_frame(file, live=False)
    assert not is_every_frame(file, live=True)
    assert not is_every_frame(latest, live=False)
    assert not is_every_frame(cam, live=True)


@pytest.mark.parametrize(
    ("policy", "file", "live"),
    [
        ("auto", "block", "drop_oldest"),
        ("block", "block", "drop_oldest"),
        ("drop_oldest", "drop_oldest", "drop_oldest"),
        ("drop_newest", "drop_newest", "drop_newest"),
    ],
)
def test_overflow_never_blocks_a_live_stream(policy: str, file: str, live: str) -> None:
    (sink,) = make_plan(config(overflow=policy)).sinks
    assert (sink.overflow(every_frame=True), sink.overflow(every_frame=False)) == (file, live)


def test_rings_take_known_sizes_expected_ones_or_an_assumption() -> None:
    plan = make_plan(config(), {"file": StreamInfo(live=False, width=640, height=480)})
    assert [(r.width, r.height, r.assumed) for r in plan.rings] == [
        (640, 480, False),
        (1920, 1080, True),
        (320, 200, False),
    ]
    for ring in plan.rings:
        assert ring.bytes == bytes_needed(ring.slots, FrameFormat(PixelFormat.I420, ring.width, ring.height))
    assert plan.ring_bytes == sum(ring.bytes for ring in plan.rings)


def test_a_ring_is_planned_for_the_pixels_that_its_kind_writes() -> None:
    own = {"kind": "callable", "target": "m:Camera", "name": "own", "expect": {"width": 640, "height": 480}}
    spec = {"sources": [{"uri": 0, "width": 640, "height": 480}, own], "model": {"target": "m:M"}}
    camera, other = make_plan(RunConfig.from_mapping(spec)).rings
    assert (camera.source, camera.every_frame, camera.assumed) == ("video0", False, False)
    for ring in (camera, other):
        assert ring.bytes == bytes_needed(ring.slots, FrameFormat(PixelFormat.BGR24, 640, 480))


def test_a_source_that_could_not_be_looked_at_is_assumed() -> None:
    plan = make_plan(config(), {"file": StreamInfo(live=False, width=0, height=0)})
    assert ring_of(plan, "file").assumed


@pytest.mark.parametrize(("max_size", "slots"), [(1, 8), (3, 8), (8, 12), (32, 28)])
def test_slots_of_files_grow_with_the_batch(max_size: int, slots: int) -> None:
    made = config(max_size=max_size)
    assert slots_for(made, made.sources[0], every_frame=True) == slots
    assert slots_for(made, made.sources[1], every_frame=False) == 6


def test_configured_slots_win() -> None:
    made = config(sources=[{"uri": "a.mp4", "slots": 3}])
    assert slots_for(made, made.sources[0], every_frame=True) == 3
