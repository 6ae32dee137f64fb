"""The run's status from what the supervisor knows."""

from __future__ import annotations

import pytest
from support.blocks import FEW, blocks_kept
from support.children import child

from mpipeline.clock import NS_PER_S
from mpipeline.config import RunConfig
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Bye, Heartbeat, RingRequest, Role
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.supervisor.child import ProcessState
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.status import RunStatus, describe

NOW = 100 * NS_PER_S
PLAN = make_plan(
    RunConfig.from_mapping(
        {"name": "r", "sources": [{"name": "a", "kind": "synthetic"}], "model": {"target": "m:M"}},
    )
)
DECODER, INFERENCE = child(Role.DECODER, "a"), child(Role.INFERENCE, "")


def status(*, stream: RingRequest | None = None, **decoder: object) -> RunStatus:
    made = [child(Role.DECODER, "a", **{"heard_ns": NOW, **decoder}), INFERENCE]
    streams = {"a": stream} if stream is not None else {}
    return describe(PLAN, "running", {c.name: c for c in made}, streams, [], NOW)  # type: ignore[misc]


def test_before_anything_is_known() -> None:
    made = status()
    assert (made.name, made.phase, made.attached, made.frames_inferred) == ("r", "running", (), 0)
    (source,) = made.sources
    assert (source.state, source.width, source.frames, source.dropped) == ("CONNECTING", 0, 0, {})


def test_a_stream_that_flows() -> None:
    ring = RingDescriptor("", "a", 0, 0, FrameFormat(PixelFormat.I420, 64, 48))
    counters = {
        "frames_published{source=a}": 7.0,
        "frames_dropped{reason=expired,source=a}": 2.0,
        "frames_dropped{reason=max_fps,source=a}": 3.0,
        "decode_errors{source=a}": 1.0,
        "reconnects{source=a}": 4.0,
        "bytes_written{source=a}": 32256.0,
    }
    beat = Heartbeat(7, {}, "STREAMING")
    made = status(stream=RingRequest(ring, True, 0, 25.0, 90), heartbeat=beat, counters=counters)
    (source,) = made.sources
    assert (source.state, source.live, source.width, source.height) == ("STREAMING", True, 64, 48)
    assert (source.rate, source.frame_count, source.frames) == (25.0, 90, 7)
    assert (source.decode_errors, source.reconnects) == (1, 4)
    assert source.dropped == {"expired": 2, "max_fps": 3}
    assert (source.bytes_written, source.bytes_copied) == (32256, 0)


def test_a_stream_whose_decoder_is_silent_is_stalled() -> None:
    (source,) = status(heartbeat=Heartbeat(1, {}, "STREAMING"), heard_ns=NOW - 3 * NS_PER_S).sources
    assert (source.state, source.reason) == ("STALLED", "stalled")


@pytest.mark.parametrize(
    ("rate", "silence_s", "state"),
    [
        (0.0, 1.9, "STREAMING"),
        (0.0, 2.1, "STALLED"),
        (25.0, 1.9, "STREAMING"),
        (25.0, 2.1, "STALLED"),
        (0.5, 7.9, "STREAMING"),
        (0.5, 8.1, "STALLED"),
    ],
)
def test_a_stream_of_few_frames_may_be_silent_for_longer(rate: float, silence_s: float, state: str) -> None:
    ring = RingDescriptor("", "a", 0, 0, FrameFormat(PixelFormat.I420, 64, 48))
    heard = NOW - int(silence_s * NS_PER_S)
    beat = Heartbeat(1, {}, "STREAMING")
    (source,) = status(stream=RingRequest(ring, True, 0, rate), heartbeat=beat, heard_ns=heard).sources
    assert source.state == state


def test_the_last_words_count_more_than_the_last_heartbeat() -> None:
    made = status(heartbeat=Heartbeat(1, {}, "STREAMING"), bye=Bye("FAILED", "truncated", "cut off"))
    (source,) = made.sources
    assert (source.state, source.reason, source.detail) == ("FAILED", "truncated", "cut off")


def test_a_decoder_that_is_given_up_has_failed_and_says_why() -> None:
    made = status(state=ProcessState.FATAL, failure="it ended 11 times", heartbeat=Heartbeat(1, {}, "STREAMING"))
    (source,) = made.sources
    assert (source.state, source.detail) == ("FAILED", "it ended 11 times")


def test_workers_and_what_was_inferred() -> None:
    inference = child(Role.INFERENCE, "", incarnation=3, heartbeat=Heartbeat(12, {}))
    inference.counters = {"frames_inferred{source=a}": 8.0, "batches": 5.0}
    made = describe(PLAN, "over", {"decoder:a": DECODER, "inference": inference}, {}, [], NOW)  # type: ignore[dict-item]
    assert made.frames_inferred == made.sources[0].inferred == 8
    worker = next(w for w in made.workers if w.name == "inference")
    assert (worker.role, worker.state, worker.restarts, worker.progress) == ("inference", "RUNNING", 2, 12)


def test_looking_again_and_again_keeps_nothing() -> None:
    assert blocks_kept(lambda: status(heartbeat=Heartbeat(1, {"frames_decoded{source=a}": 2.0}, "STREAMING"))) < FEW


@pytest.mark.parametrize(("state", "told"), [(ProcessState.STARTING, "building"), (ProcessState.RUNNING, "")])
def test_what_a_process_does_before_it_can_work(state: ProcessState, told: str) -> None:
    inference = child(Role.INFERENCE, "", state=state, heartbeat=Heartbeat(0, {}, detail="building"))
    made = describe(PLAN, "running", {c.name: c for c in (DECODER, inference)}, {}, [], NOW)  # type: ignore[misc]
    assert {worker.name: worker.detail for worker in made.workers} == {DECODER.name: "", inference.name: told}
