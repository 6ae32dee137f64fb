"""How frames go through an `InferencePipeline`: batches, calls to the sink, errors of both callbacks, pauses, updates.

What other tests show is not shown again here; `inference_pipeline_flow_rows.py` says which tests those are.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.pipelines import Moment, Notebook, complete, endless, film, make, nothing, numbers

from mpipeline.clock import SystemClock
from mpipeline.errors import SourceError, StreamOperationNotAllowedError
from mpipeline.inference_pipeline.entities import StatusUpdate, UpdateSeverity, VideoFrame


def of(updates: list[StatusUpdate], event: str) -> list[StatusUpdate]:
    return [one for one in updates if one.event_type == event]


# --- batches ----------------------------------------------------------------------------------------------------------


def test_logic_gets_the_frames_that_are_there_in_the_order_of_their_sources() -> None:
    batches: list[list[int | None]] = []

    def logic(frames: list[VideoFrame]) -> list[None]:
        assert isinstance(frames, list)
        batches.append([frame.source_id for frame in frames])
        return [None] * len(frames)

    make(None, logic, video_reference=[film(10), film(20), film(15)]).start()
    assert batches == [[0, 1, 2]] * 10 + [[1, 2]] * 5 + [[1]] * 5


def test_max_fps_of_two_files_is_half_as_many_batches() -> None:
    """Of frames, 50 a second; of batches 25, so that 10 of them take 9 / 25 s at least."""
    clock, moments = SystemClock(), list[int]()

    def logic(frames: list[VideoFrame]) -> list[int | None]:
        moments.append(clock.monotonic_ns())
        return numbers(frames)

    notebook = Notebook()
    make(notebook, logic, video_reference=[film(10), film(10)], max_fps=50).start()
    assert notebook.by_source == {0: complete(10), 1: complete(10)}
    assert moments[-1] - moments[0] >= 8 / 25 * 1e9


@pytest.mark.parametrize("results", [None, 5, "text", {"a": 1}, iter([1])])
def test_results_that_are_no_list_are_told_and_not_guessed_at(results: Any) -> None:
    with pytest.raises(TypeError, match="a list with one result for each"):
        make(None, lambda frames: results).start()


def test_dropped_frames_leave_gaps_in_the_ids_and_rates_are_known_of_those_that_come() -> None:
    """Also of frames that pushed others out."""
    kept: list[VideoFrame] = []
    enough, waits = threading.Event(), threading.Event()

    def sink(_: Any, frame: VideoFrame) -> None:
        kept.append(frame)
        if len(kept) == 5:
            enough.set()

    def logic(frames: list[VideoFrame]) -> list[None]:
        waits.wait(0.35)
        return nothing(frames)

    updates: list[StatusUpdate] = []
    arguments = {"source_buffer_filling_strategy": "DROP_OLDEST", "status_update_handlers": [updates.append]}
    with make(sink, logic, **arguments, **endless()) as pipeline:
        pipeline.start(use_main_thread=False)
        enough.wait()
    ids = [frame.frame_id for frame in kept]
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > len(ids)
    assert {frame.fps for frame in kept} == {10.0}
    assert all(frame.measured_fps is not None for frame in kept)
    drops = [set(one.payload) for one in of(updates, "FRAME_DROPPED")]
    assert drops
    assert all(one == {"frame_timestamp", "frame_id", "cause", "source_id"} for one in drops)


# --- calls to the sink ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sources", [1, 2])
def test_a_sink_is_called_with_two_positional_arguments(sources: int) -> None:
    calls: list[tuple[int, int]] = []
    make(lambda *given, **named: calls.append((len(given), len(named))), video_reference=[film(5)] * sources).start()
    assert set(calls) == {(2, 0)}


def test_an_error_of_the_sink_is_an_update_and_no_end() -> None:
    updates: list[StatusUpdate] = []

    def sink(*_: Any) -> None:
        raise KeyError("class")

    make(sink, video_reference=film(3), status_update_handlers=[updates.append]).start()
    told = of(updates, "INFERENCE_RESULTS_DISPATCHING_ERROR")
    assert len(told) == 3
    assert (told[0].severity, told[0].context) == (UpdateSeverity.ERROR, "inference_pipeline")
    assert told[0].payload == {
        "error_type": "KeyError",
        "error_message": "'class'",
        "error_context": "inference_results_dispatching",
    }


def test_an_error_of_the_logic_is_an_update_and_the_end() -> None:
    updates: list[StatusUpdate] = []

    def logic(frames: list[VideoFrame]) -> list[None]:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(ZeroDivisionError):
        make(None, logic, status_update_handlers=[updates.append]).start()
    told = of(updates, "INFERENCE_ERROR")
    assert [one.payload for one in told] == [
        {"error_type": "ZeroDivisionError", "error_message": "by nothing", "error_context": "inference_thread"}
    ]
    events = [one.event_type for one in updates]
    assert events.index("INFERENCE_THREAD_STARTED") < events.index("INFERENCE_ERROR")
    assert events.index("INFERENCE_ERROR") < events.index("INFERENCE_THREAD_FINISHED")


# --- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "mute", "resume"])
def test_a_source_that_has_ended_can_neither_be_stopped_nor_resumed(verb: str) -> None:
    pipeline = make(video_reference=film(5))
    pipeline.start()
    with pytest.raises(StreamOperationNotAllowedError, match=rf"Could not {verb.upper()} .*StreamState\.ENDED"):
        getattr(pipeline, f"{verb}_stream")(0)


@pytest.mark.parametrize("verb", ["pause", "mute"])
def test_a_stopped_source_can_be_terminated(verb: str) -> None:
    moment = Moment()
    pipeline = make(moment, nothing, **endless())
    pipeline.start(use_main_thread=False)
    moment.has_come.wait()
    getattr(pipeline, f"{verb}_stream")()
    pipeline.terminate()
    pipeline.join()


def test_frames_of_a_muted_source_are_dropped_with_a_cause() -> None:
    moment, muted = Moment(), threading.Event()
    updates: list[StatusUpdate] = []

    def heard(update: StatusUpdate) -> None:
        updates.append(update)
        if update.payload.get("cause") == "Buffering not allowed at the moment":
            muted.set()

    with make(moment, nothing, status_update_handlers=[heard], **endless()) as pipeline:
        pipeline.start(use_main_thread=False)
        moment.has_come.wait()
        pipeline.mute_stream()
        muted.wait()
        pipeline.resume_stream()
    states = [one.payload["new_state"].value for one in of(updates, "SOURCE_STATE_UPDATE")]
    assert "MUTED" in states
    assert states.index("MUTED") < len(states) - 1


def test_a_file_goes_from_initialising_to_running_to_ended() -> None:
    updates: list[StatusUpdate] = []
    make(video_reference=film(60), status_update_handlers=[updates.append]).start()
    told = of(updates, "SOURCE_STATE_UPDATE")
    states = [one.payload["new_state"].value for one in told]
    assert states[-2:] == ["RUNNING", "ENDED"]
    assert set(states[:-2]) <= {"INITIALISING"}
    assert told[0].payload["previous_state"].value == "NOT_STARTED"
    assert {one.payload["source_id"] for one in told} == {0}


# --- updates ----------------------------------------------------------------------------------------------------------

OF_A_FRAME = {"frame_timestamp", "frame_id", "source_id"}
OF_AN_ERROR = {"error_type", "error_message", "error_context"}


def test_every_update_has_the_keys_of_its_event() -> None:
    updates: list[StatusUpdate] = []

    def sink(*_: Any) -> None:
        raise ValueError("no")

    broken = media.cut(Path(film(90, suffix=".mkv")), 0.5)
    with pytest.raises(SourceError):
        make(sink, video_reference=[film(20), str(broken)], status_update_handlers=[updates.append]).start()
    keys: dict[str, set[frozenset[str]]] = {}
    for update in updates:
        keys.setdefault(update.event_type, set()).add(frozenset(update.payload))
    assert keys == {
        "INFERENCE_THREAD_STARTED": {frozenset()},
        "INFERENCE_THREAD_FINISHED": {frozenset()},
        "INFERENCE_COMPLETED": {frozenset({"frames_ids", "frames_timestamps", "sources_id"})},
        "INFERENCE_RESULTS_DISPATCHING_ERROR": {frozenset(OF_AN_ERROR)},
        "SOURCE_STATE_UPDATE": {frozenset({"previous_state", "new_state", "source_id"})},
        "SOURCE_ERROR": {frozenset({*OF_AN_ERROR, "source_id"})},
        "VIDEO_CONSUMPTION_STARTED": {frozenset({"source_id"})},
        "VIDEO_CONSUMPTION_FINISHED": {frozenset({"source_id"})},
        "FRAME_CAPTURED": {frozenset(OF_A_FRAME)},
        "FRAME_CONSUMED": {frozenset(OF_A_FRAME)},
    }


def test_updates_of_frames_name_each_of_them() -> None:
    updates: list[StatusUpdate] = []
    make(None, nothing, video_reference=[film(10), film(5)], status_update_handlers=[updates.append]).start()
    for event in ("FRAME_CAPTURED", "FRAME_CONSUMED"):
        told = [(one.payload["source_id"], one.payload["frame_id"]) for one in of(updates, event)]
        assert sorted(told) == [(0, n) for n in range(1, 11)] + [(1, n) for n in range(1, 6)]
    batches = [(one.payload["sources_id"], one.payload["frames_ids"]) for one in of(updates, "INFERENCE_COMPLETED")]
    assert batches == [([0, 1], [n, n]) for n in range(1, 6)] + [([0], [n]) for n in range(6, 11)]
