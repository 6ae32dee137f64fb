"""Runs whose workers are threads of this program, in part or all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import runs
from support.leftovers import segments_of, wait_until

from mpipeline.config import RunConfig
from mpipeline.errors import EXIT_DONE, EXIT_FAILED, ConfigError
from mpipeline.frame import Frame, FrameFormat, PixelFormat, Pixels
from mpipeline.messages import PlayMode
from mpipeline.pipeline import Pipeline
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.supervisor.status import RunStatus
from mpipeline.workers.decoder_worker import DecoderWorker
from mpipeline.workers.inference_worker import InferenceWorker
from mpipeline.workers.runtime import WorkerContext
from mpipeline.workers.sink_worker import SinkWorker

ALL = {"decoder:a": DecoderWorker, "inference": InferenceWorker, "sink:jsonl": SinkWorker}


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("mpipeline")}


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for `support.detectors` in a process
    yield
    assert not threads()
    assert not segments_of(psutil.Process().pid)
    assert not [child for child in psutil.Process().children() if "mpipeline" in " ".join(child.cmdline())]


def config(tmp_path: Path, *sources: Mapping[str, Any], **more: Any) -> RunConfig:
    sink = {"kind": "jsonl", "name": "jsonl", "path": str(tmp_path / "out.jsonl")}
    return RunConfig.from_mapping({**runs.config(*sources, sinks=(sink,), **more), "run_dir": str(tmp_path / "run")})


@pytest.mark.parametrize("hosted", [ALL, {"sink:jsonl": SinkWorker}, {"inference": InferenceWorker}])
def test_frames_are_the_same_whoever_is_hosted(tmp_path: Path, hosted: Mapping[str, Any]) -> None:
    seen: list[RunStatus] = []
    pipeline = Pipeline(config(tmp_path, runs.clip("a", 60)), hosted=hosted)
    assert pipeline.run(seen.append) == EXIT_DONE
    assert runs.frame_ids(tmp_path / "out.jsonl") == runs.complete(a=60)
    own = psutil.Process().pid
    pids = {worker.name: worker.pid for status in seen for worker in status.workers if worker.pid}
    assert {name for name, pid in pids.items() if pid == own} <= set(hosted)
    assert not {name for name, pid in pids.items() if pid != own} & set(hosted)


def test_an_unknown_worker_cannot_be_hosted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="decoder:b"):
        Pipeline(config(tmp_path, runs.clip("a", 1)), hosted={"decoder:b": DecoderWorker})


def test_one_that_fails_is_not_started_again(tmp_path: Path) -> None:
    made = []

    def fail(context: WorkerContext, spec: Mapping[str, Any]) -> SinkWorker:
        made.append(1)
        raise ValueError("no sink today")

    seen: list[RunStatus] = []
    code = Pipeline(config(tmp_path, runs.clip("a", 5)), hosted={"sink:jsonl": fail}).run(seen.append)
    assert code == EXIT_FAILED
    assert made == [1]
    assert "no sink today" in {worker.name: worker.failure for worker in seen[-1].workers}["sink:jsonl"]


class Stuck:
    """A camera whose second frame never comes; once it is `free` it breaks off there, and begins anew."""

    Options = None  # type: ignore[assignment]

    def __init__(self, name: str, options: Any) -> None:
        self.decode_errors = 0
        self.connects = False
        self.format = FrameFormat(PixelFormat.GRAY8, 16, 16)
        self.is_stuck = threading.Event()
        self.free = threading.Event()
        self._count = 0

    def open(self) -> StreamInfo:
        self._count = 0
        return StreamInfo(True, 16, 16)

    def seek(self, frame_id: int, pts: float) -> bool:
        return False

    def grab(self) -> GrabbedFrame | None:
        self._count += 1
        if self._count > 1:
            self.is_stuck.set()
            self.free.wait()
            return None
        return GrabbedFrame(self.format, None, time.monotonic_ns(), time.time_ns())

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        planes[0][:] = 7

    def close(self) -> None:
        pass


@pytest.mark.parametrize("words", [1, 2])
def test_a_run_ends_although_hosted_code_does_not_return(tmp_path: Path, words: int) -> None:
    source = Stuck("a", None)

    def make(context: WorkerContext, spec: Mapping[str, Any]) -> DecoderWorker:
        return DecoderWorker(context, spec, make=lambda name: source)

    pipeline = Pipeline(config(tmp_path, runs.camera("a")), hosted={"decoder:a": make})
    threading.Thread(target=stop_when, args=(pipeline, source.is_stuck, words), name="stopper").start()
    assert pipeline.run() in (EXIT_DONE, EXIT_FAILED)
    source.free.set()
    wait_until(lambda: not threads(), "the end of the thread that was left behind")


def stop_when(pipeline: Pipeline, moment: threading.Event, words: int) -> None:
    moment.wait()
    for _ in range(words):
        pipeline.stop()


def test_a_source_is_paused_and_resumed(tmp_path: Path) -> None:
    pipeline = Pipeline(config(tmp_path, runs.camera("a", rate=100), runs.camera("b", rate=100)))
    seen: list[str] = []

    def step(status: RunStatus) -> None:
        """Pause, then mute, then play, each when the one before has arrived; then stop."""
        state = next(source.state for source in status.sources if source.name == "a")
        wanted = ["STREAMING", "PAUSED", "MUTED", "STREAMING"][len(seen)] if len(seen) < 4 else ""
        if state == wanted:
            seen.append(state)
            if len(seen) < 4:
                pipeline.play("a", (PlayMode.PAUSE, PlayMode.MUTE, PlayMode.PLAY)[len(seen) - 1])
            else:
                pipeline.stop()

    with pytest.raises(ConfigError, match="no source 'c'"):
        pipeline.play("c", PlayMode.PAUSE)
    assert pipeline.run(step) == EXIT_DONE
    assert seen == ["STREAMING", "PAUSED", "MUTED", "STREAMING"]


def test_frames_have_the_pixels_of_a_hosted_source(tmp_path: Path) -> None:
    """What a hosted decoder writes into shared memory is what a process reads there."""
    levels: list[int] = []
    source = Stuck("a", None)
    source.free.set()
    found = threading.Event()

    class Peek(SinkWorker):
        def __init__(self, context: WorkerContext, spec: Mapping[str, Any]) -> None:
            super().__init__(context, spec)
            self._sink.write = self._note

        def _note(self, prediction: Any, frame: Frame | None) -> None:
            if frame is not None:
                levels.append(int(frame.planes[0][0, 0]))
                found.set()

    make = lambda context, spec: DecoderWorker(context, spec, make=lambda name: source)  # noqa: E731
    sink = {
        "name": "peek",
        "kind": "python",
        "target": "support.sinks:Appending",
        "options": {"path": str(tmp_path / "peeked")},
    }
    spec = {**config(tmp_path, runs.camera("a")).to_mapping(), "sinks": [sink]}
    pipeline = Pipeline(RunConfig.from_mapping(spec), hosted={"decoder:a": make, "sink:peek": Peek})
    threading.Thread(target=stop_when, args=(pipeline, found, 2), name="stopper").start()
    pipeline.run()
    assert set(levels) == {7}  # the first may have come before the sink was there
