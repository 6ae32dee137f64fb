"""A model that takes long to load: its worker says so, and is not taken for dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.leftovers import wait_until
from support.worker_ends import Ends

from mpipeline.clock import ManualClock
from mpipeline.config.schema import BatchingSpec
from mpipeline.errors import BackendError
from mpipeline.messages import Heartbeat
from mpipeline.workers import inference_worker
from mpipeline.workers.inference_worker import InferenceWorker
from mpipeline.workers.runtime import HEARTBEAT_NS, WorkerContext


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    made = Ends(tmp_path, "inference#1")
    yield made
    made.close()


def test_what_takes_so_long_is_told_now_and_then(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()

    def open_predictor(model: Any, max_batch: int, at_once: int, tell: Any) -> Any:
        for number in range(8):
            tell(f"building, {number}")
            clock.advance(HEARTBEAT_NS / 2 / 1e9)
        raise BackendError("it was of no use")

    monkeypatch.setattr(inference_worker, "open_predictor", open_predictor)
    context = WorkerContext("inference", 1, ends.control, ends.zmq)
    context.clock = clock
    spec = {
        "model": {"target": "support.detectors:Fingerprint", "backend": "python"},
        "batching": BatchingSpec().model_dump(mode="json"),
        "bit": 0,
        "frames": ends.endpoints.frames,
        "predictions": ends.endpoints.predictions,
    }
    worker = InferenceWorker(context, spec)
    with pytest.raises(BackendError):
        worker.open()
    worker.close()
    heard: list[str] = []

    def hear() -> bool:
        while (found := ends.supervisor.receive()) is not None:
            _, message = found
            assert isinstance(message, Heartbeat)
            assert message.progress == 0
            heard.append(message.detail)
        return len(heard) == 4

    wait_until(hear, "four heartbeats", lambda: str(heard))
    assert heard == [f"building, {number}" for number in (0, 2, 4, 6)]
