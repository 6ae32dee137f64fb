"""What a person sees of a run."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from rich.console import Console

from mpipeline.cli import display as shown
from mpipeline.cli.display import Lines, Rates, display, table
from mpipeline.clock import NS_PER_S
from mpipeline.config import RunConfig
from mpipeline.supervisor.status import RunStatus, SourceStatus, WorkerStatus

CONFIG = RunConfig.from_mapping({"sources": [{"kind": "synthetic"}], "model": {"target": "m:M"}})


def source(frames: int = 0, **fields: Any) -> SourceStatus:
    given = {"name": "gate", "state": "STREAMING", "frames": frames, "frame_count": 200, **fields}
    return SourceStatus(**given)


def status(one: SourceStatus, phase: str = "running", workers: tuple[WorkerStatus, ...] = ()) -> RunStatus:
    return RunStatus("night", phase, (one,), workers, {})


def text_of(one: SourceStatus, rates: Rates | None = None, **more: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(table(status(one, **more), rates or Rates()))
    return out.getvalue()


def test_rates_are_means_over_the_last_seconds() -> None:
    rates = Rates()
    assert rates.of("gate") == 0.0
    for tenth in range(100):
        rates.note(status(source(tenth * 3)), tenth * NS_PER_S // 10)
    assert rates.of("gate") == pytest.approx(30, rel=0.05)
    for tenth in range(100, 200):
        rates.note(status(source(300)), tenth * NS_PER_S // 10)
    assert rates.of("gate") == 0.0


def test_a_source_in_the_table() -> None:
    said = text_of(source(50, width=64, height=48, dropped={"expired": 3, "stale": 1}, decode_errors=7))
    for part in ("night", "gate", "STREAMING", "64x48", "50", "3 expired 1 stale", "7", "25%"):
        assert part in said


def test_several_models_by_name() -> None:
    one = source(50, by_model={"people": 48, "faces": 12})
    assert "people 48  faces 12" in text_of(one)
    assert "inferred" not in text_of(source(50))
    assert shown._line(one, Rates()).endswith("25%, people 48, faces 12")


def test_reasons_and_troubled_workers_in_the_table() -> None:
    worker = WorkerStatus("decoder:gate", "decoder", "BACKOFF", 0, 4, 0)
    said = text_of(source(state="RECONNECTING", reason="unreachable", live=True), workers=(worker,))
    assert "RECONNECTING unreachable" in said
    assert "decoder:gate BACKOFF, restarted 4x" in said
    assert "%" not in said


@pytest.mark.parametrize("one", [source(50, live=True), source(50, frame_count=0), source(50, state="ENDED")])
def test_no_percentage_where_there_is_none(one: SourceStatus) -> None:
    assert "%" not in text_of(one)


def test_a_file_longer_than_it_declares_is_not_over_100_percent() -> None:
    assert "100%" in text_of(source(250))


def test_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = [0]

    class Clock:
        def monotonic_ns(self) -> int:
            return now[0]

    monkeypatch.setattr(shown, "SystemClock", Clock)
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    caplog.set_level(logging.INFO, "mpipeline")
    lines = Lines()
    for tenth in range(1, 130):
        now[0] = tenth * NS_PER_S // 10
        lines(status(source(tenth, dropped={"expired": 2})))
    assert len(caplog.records) == 2
    assert "gate STREAMING" in caplog.records[0].getMessage()
    assert "2 dropped" in caplog.records[0].getMessage()
    lines(status(source(130), phase="over"))
    assert len(caplog.records) == 3


def test_nothing_when_quiet_and_lines_where_there_is_no_terminal() -> None:
    with display(CONFIG, json=False, level="info", enabled=False, stream=io.StringIO()) as watch:
        assert watch is None
    with display(CONFIG, json=False, level="info", enabled=True, stream=io.StringIO()) as watch:
        assert isinstance(watch, Lines)


@pytest.mark.parametrize("json", [False, True])
def test_a_table_on_a_terminal_unless_json(json: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with display(CONFIG, json=json, level="info", enabled=True, stream=stream) as watch:
        assert watch is not None
        watch(status(source(5), phase="over"))
        if not json:
            logging.getLogger("mpipeline.x").warning("a [word] in brackets")
    assert ("STREAMING" in stream.getvalue()) is not json
    assert ("a [word] in brackets" in stream.getvalue()) is not json
