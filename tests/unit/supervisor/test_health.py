"""Whether a run is well, told from its status."""

from __future__ import annotations

import pytest

from mpipeline.supervisor.health import Health, health_of, troubles
from mpipeline.supervisor.status import RunStatus, SinkState, SourceStatus, WorkerStatus


def run(
    source: str = "STREAMING", worker: str = "RUNNING", sink: str = "RUNNING", role: str = "inference"
) -> RunStatus:
    sources = (SourceStatus("gate", source, "timeout", "no data for 5 s"),)
    workers = (WorkerStatus("inference", role, worker, 1, 0, 0, "it was killed"),)
    return RunStatus("r", "running", sources, workers, {}, (), (SinkState("out", "jsonl", sink, "no_space"),))


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (run(), Health.OK),
        (run(source="ENDED", worker="EXITED", sink="EXITED"), Health.OK),
        (run(source="PAUSED"), Health.OK),
        (run(sink="FINISHING"), Health.OK),
        (run(source="CONNECTING"), Health.DEGRADED),
        (run(source="RECONNECTING"), Health.DEGRADED),
        (run(source="STALLED"), Health.DEGRADED),
        (run(worker="STARTING"), Health.DEGRADED),
        (run(worker="BACKOFF"), Health.DEGRADED),
        (run(sink="RETRYING"), Health.DEGRADED),
        (run(source="FAILED"), Health.FAILED),
        (run(worker="FATAL"), Health.FAILED),
        (run(source="FAILED", worker="BACKOFF"), Health.FAILED),
    ],
)
def test_health(status: RunStatus, health: Health) -> None:
    assert health_of(troubles(status)) is health


def test_the_worst_comes_first_with_its_reason() -> None:
    found = [trouble.text for trouble in troubles(run(source="RECONNECTING", worker="FATAL"))]
    assert found == ["inference is FATAL: it was killed", "source gate is RECONNECTING (timeout): no data for 5 s"]


def test_a_source_that_is_given_up_is_told_once() -> None:
    assert len(troubles(run(source="FAILED", worker="FATAL", role="decoder"))) == 1


def test_what_takes_so_long_is_told() -> None:
    worker = WorkerStatus("inference", "inference", "STARTING", 1, 0, 0, detail="building engine of m.onnx, 40 %")
    (trouble,) = troubles(RunStatus("r", "running", (), (worker,), {}))
    assert trouble.text == "inference is STARTING: building engine of m.onnx, 40 %"
