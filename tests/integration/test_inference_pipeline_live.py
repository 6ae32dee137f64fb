"""`InferencePipeline` over live sources: the freshest frames, cameras that come and go, pauses, producers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.fleet import CLIP
from support.leftovers import wait_until
from support.pipelines import Moment, Notebook, complete, film, make, nothing, nothing_left, numbers
from support.producers import Clip
from support.rtsp_server import RtspServer

from mpipeline.errors import SourceError, StreamOperationNotAllowedError
from mpipeline.inference_pipeline.entities import StatusUpdate, VideoFrame
from mpipeline.inference_pipeline.pipeline import InferencePipeline
from mpipeline.inference_pipeline.watchdog import BasePipelineWatchDog


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer({"gate": [media.video(CLIP)], "yard": [media.video(CLIP)]}, udp=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(server: RtspServer) -> Iterator[None]:
    with nothing_left():
        yield


class Flow(Notebook):
    """A notebook that can be waited for."""

    def wait_for(self, source: int, more: int = 5) -> None:
        """Until that source has brought so many frames more."""
        before = len(self.ids(source))
        wait_until(lambda: len(self.ids(source)) >= before + more, f"{more} frames of source {source}")


def running(reference: Any, flow: Any, logic: Any = nothing, **more: Any) -> InferencePipeline:
    pipeline = make(flow, logic, video_reference=reference, **more)
    pipeline.start(use_main_thread=False)
    return pipeline


def test_frames_of_a_stream_are_described() -> None:
    kept: list[VideoFrame] = []
    moment = threading.Event()

    def sink(_: Any, frame: VideoFrame) -> None:
        kept.append(frame)
        if len(kept) == 20:
            moment.set()

    with RtspServer({"gate": [media.video(CLIP)]}, udp=False) as own, running(own.url("gate"), sink):
        moment.wait()
    last = kept[19]
    assert (last.comes_from_video_file, last.total_frames, last.source_id) == (False, None, 0)
    assert last.measured_fps is not None
    assert 1 < last.measured_fps < 200
    assert last.frame_timestamp >= kept[0].frame_timestamp
    assert [frame.frame_id for frame in kept] == sorted({frame.frame_id for frame in kept})


def test_a_slow_callback_gets_the_freshest_and_the_rest_is_told() -> None:
    flow, updates = Flow(), list[StatusUpdate]()
    waits = threading.Event()
    logic = lambda frames: [waits.wait(0.4)] * len(frames)  # noqa: E731
    reference = "TestPatternStreamProducer"  # ten frames a second
    with running(reference, flow, logic, status_update_handlers=[updates.append]):
        flow.wait_for(0, more=6)
    ids = flow.ids()
    assert all(after - before >= 2 for before, after in zip(ids, ids[2:], strict=False))
    assert [one for one in updates if one.event_type == "FRAME_DROPPED"]


def test_a_camera_that_reconnects_is_left_out_and_comes_back(server: RtspServer) -> None:
    flow = Flow()
    with running([server.url("gate"), server.url("yard")], flow):
        flow.wait_for(0)
        flow.wait_for(1)
        server.call("status", camera="gate", code=404)
        server.call("drop", camera="gate")
        wait_until(lambda: flow.calls[-1][1][0] is None, "batches without the one that is away")
        flow.wait_for(1, more=20)
        server.call("status", camera="gate", code=0)
        flow.wait_for(0)
        assert flow.ids(0) == sorted(set(flow.ids(0)))


def test_a_camera_that_is_not_there_at_the_start_holds_up_nobody(server: RtspServer) -> None:
    flow, updates = Flow(), list[StatusUpdate]()
    server.call("status", camera="gate", code=404)
    with running([server.url("gate"), server.url("yard")], flow, status_update_handlers=[updates.append]):
        flow.wait_for(1, more=10)
        assert flow.ids(0) == []
        server.call("status", camera="gate", code=0)
        flow.wait_for(0)


def test_a_camera_that_falls_silent_holds_up_nobody_for_long(server: RtspServer) -> None:
    flow = Flow()
    with running([server.url("gate"), server.url("yard")], flow):
        flow.wait_for(0)
        flow.wait_for(1)
        server.call("stall", camera="gate", seconds=600)
        wait_until(lambda: flow.calls[-1][1][0] is None, "batches without the one that is silent")
        flow.wait_for(1, more=20)


@pytest.mark.parametrize("mode", ["auto", "freshest", "every_frame"])
def test_every_mode_gives_frames_of_all_cameras_in_order(server: RtspServer, mode: str) -> None:
    flow = Flow()
    with running([server.url("gate"), server.url("yard")], flow, video_processing_mode=mode):
        flow.wait_for(0, more=20)
        flow.wait_for(1, more=20)
    for source in (0, 1):
        assert flow.ids(source) == sorted(set(flow.ids(source)))


def test_ending_while_a_camera_connects(server: RtspServer) -> None:
    server.call("mute", on=1)
    pipeline = running(server.url("gate"), None)
    wait_until(lambda: server.call("stats") is not None, "an answer")
    pipeline.terminate()
    pipeline.join()


def test_max_fps_of_a_camera() -> None:
    flow = Flow()
    stamps: list[int] = []

    def logic(frames: list[VideoFrame]) -> list[None]:
        stamps.append(frames[0].captured_ns or 0)
        return [None]

    with running("TestPatternStreamProducer", flow, logic, max_fps=4):
        flow.wait_for(0, more=8)
    assert (stamps[7] - stamps[0]) / 1e9 > 7 / 4 * 0.8


# --- pause, mute, resume ----------------------------------------------------------------------------------------------


def states_of(updates: list[StatusUpdate], source: int) -> list[str]:
    return [
        one.payload["new_state"].value
        for one in updates
        if one.event_type == "SOURCE_STATE_UPDATE" and one.payload["source_id"] == source
    ]


@pytest.mark.parametrize("verb", ["pause", "mute"])
def test_one_source_is_stopped_while_the_other_flows(verb: str) -> None:
    flow, updates = Flow(), list[StatusUpdate]()
    watchdog = BasePipelineWatchDog()
    patterns = ["TestPatternStreamProducer"] * 2
    with running(patterns, flow, status_update_handlers=[updates.append], watchdog=watchdog) as pipeline:
        flow.wait_for(0)
        getattr(pipeline, f"{verb}_stream")(0)
        getattr(pipeline, f"{verb}_stream")(0)
        wait_until(lambda: flow.calls[-1][1][0] is None, "batches without it")
        flow.wait_for(1, more=10)
        assert flow.calls[-1][1][0] is None
        other = "mute" if verb == "pause" else "pause"
        with pytest.raises(StreamOperationNotAllowedError, match=f"Could not {other.upper()} stream in state"):
            getattr(pipeline, f"{other}_stream")(0)
        pipeline.resume_stream(0)
        flow.wait_for(0)
        with pytest.raises(StreamOperationNotAllowedError, match="RUNNING"):
            pipeline.resume_stream()
        pipeline.mute_stream(77)
    stopped = {"pause": "PAUSED", "mute": "MUTED"}[verb]
    assert states_of(updates, 0)[:3] == ["INITIALISING", "RUNNING", stopped] or stopped in states_of(updates, 0)
    report = watchdog.get_report()
    assert len(report.sources_metadata) == 2
    muted = [one for one in report.dropped_frames if one.cause == "Buffering not allowed at the moment"]
    assert bool(muted) is (verb == "mute")


def test_before_the_start_there_is_nothing_to_pause() -> None:
    pipeline = make(video_reference=film(5))
    for call, verb in (
        (pipeline.pause_stream, "PAUSE"),
        (pipeline.mute_stream, "MUTE"),
        (pipeline.resume_stream, "RESUME"),
    ):
        with pytest.raises(StreamOperationNotAllowedError, match=rf"Could not {verb}.*NOT_STARTED"):
            call()


def test_a_paused_file_loses_nothing() -> None:
    flow, moment = Flow(), threading.Event()

    def logic(frames: list[VideoFrame]) -> list[int | None]:
        if frames[0].frame_id == 5:
            pipeline.pause_stream()
            moment.set()
        return numbers(frames)

    pipeline = make(flow, logic, video_reference=film(120))
    pipeline.start(use_main_thread=False)
    moment.wait()
    pipeline.resume_stream()
    pipeline.join()
    assert flow.by_source[0] == complete(120)


# --- producers --------------------------------------------------------------------------------------------------------


def test_a_producer_of_frames_beside_a_file() -> None:
    clip = Clip(25)
    notebook = Notebook()
    make(notebook, video_reference=[lambda: clip, film(30)], video_source_properties=[{"gain": 2}, None]).start()
    assert notebook.by_source == {0: complete(25), 1: complete(30)}
    assert clip.settings == {"gain": 2}
    assert clip.released == 1


def test_a_live_producer_is_opened_again_after_its_end() -> None:
    made: list[Clip] = []

    def camera() -> Clip:
        made.append(Clip(5, is_file=False))
        return made[-1]

    flow = Flow()
    with running(camera, flow):
        wait_until(lambda: len(made) >= 3, "being opened again")
    assert flow.ids() == sorted(set(flow.ids()))


def test_a_producer_that_raises_is_an_error() -> None:
    with pytest.raises(SourceError, match="the lens is dirty"):
        make(video_reference=lambda: Clip(30, fails_at=9)).start()


def test_a_producer_that_never_returns_is_left_behind() -> None:
    gate = threading.Event()
    clip = Clip(30, is_file=False, gate=gate)
    pipeline = running(lambda: clip, Moment())
    wait_until(lambda: any("decoder" in thread.name for thread in threading.enumerate()), "its thread")
    pipeline.terminate()
    pipeline.join()
    gate.set()


def test_a_stream_over_http_that_is_a_file_is_read_once(tmp_path: Path) -> None:
    from support.http_server import HttpServer

    with HttpServer(Path(film(40)).parent) as http:
        notebook = Notebook()
        make(notebook, video_reference=http.url(Path(film(40)).name)).start()
    assert notebook.by_source[0] == complete(40)
