"""What `status` and `top` make of two states of a run."""

from __future__ import annotations

import io

from rich.console import Console

from mpipeline.cli.status_change import Change, History
from mpipeline.cli.status_tables import as_data, tables
from mpipeline.clock import NS_PER_S
from mpipeline.supervisor.status import RunStatus, SinkState, SourceStatus, WorkerStatus


def run(frames: int, inferred: int, latency_s: float, written: int) -> RunStatus:
    sources = (
        SourceStatus(
            name="gate",
            state="STREAMING",
            live=True,
            width=640,
            height=480,
            frames=frames,
            inferred=inferred,
            dropped={"expired": 3},
            latency_seconds=latency_s,
        ),
        SourceStatus("yard", "RECONNECTING", "timeout", "no data for 5 s", reconnects=2),
    )
    workers = (WorkerStatus("inference", "inference", "RUNNING", 77, 1, inferred, memory_mb=80.0, cpu=0.5),)
    sinks = (SinkState("out", "jsonl", "RUNNING", written=written, dropped={"queue_full": 4}),)
    return RunStatus("cameras", "running", sources, workers, {}, ("watcher",), sinks)


CHANGE = Change(run(100, 90, 9.0, 80), run(150, 110, 10.0, 100), 2.0)


def shown(change: Change, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(tables(change))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_tables() -> None:
    text = shown(CHANGE)
    assert "cameras running, degraded, attached: watcher" in text
    gate = next(line for line in text.splitlines() if line.startswith("gate"))
    assert gate.split() == ["gate", "STREAMING", "640x480", "25.0", "10.0", "50", "ms", "150", "3", "expired", "0"]
    out = next(line for line in text.splitlines() if line.startswith("out"))
    assert out.split() == ["out", "jsonl", "RUNNING", "10.0", "100", "0", "4", "queue_full", "0", "0"]
    assert "source yard is RECONNECTING (timeout): no data for 5 s" in text


def test_the_data() -> None:
    data = as_data(CHANGE)
    assert data["health"] == "degraded"
    assert data["sources"][0]["fps_in"] == 25.0
    assert data["sources"][0]["fps_out"] == 10.0
    assert data["sources"][0]["latency_ms"] == 50.0
    assert data["sources"][1]["latency_ms"] is None
    assert data["sinks"][0]["fps"] == 10.0
    assert data["workers"][0]["restarts"] == 1


def test_without_an_earlier_state_nothing_moves() -> None:
    state = run(100, 90, 9.0, 80)
    first = History(3.0).note(state, 0)
    assert first.fps_in(state.sources[0]) == 0.0
    assert first.latency_ms(state.sources[0]) == 100.0


def test_rates_are_of_the_last_seconds() -> None:
    history = History(3.0)
    for second in range(20):
        change = history.note(run(10 * second, 0, 0.0, 0), second * NS_PER_S)
    assert change.fps_in(change.after.sources[0]) == 10.0


def test_counters_that_begin_anew_are_no_negative_rates() -> None:
    change = Change(run(100, 90, 9.0, 80), run(5, 5, 0.5, 5), 1.0)
    assert change.fps_in(change.after.sources[0]) == 0.0
