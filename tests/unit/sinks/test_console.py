"""The console sink: its lines, and that nobody waits for who reads them."""

from __future__ import annotations

import errno
import logging
import os
import pty
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from support.findings import multi_label, single_label
from support.predictions import failure, meta, prediction

from mpipeline.clock import ManualClock
from mpipeline.prediction import Prediction
from mpipeline.sinks.console import ConsoleOptions, ConsoleSink

CAT, CATS = ((4, 4, 20, 20),), ((4, 4, 20, 20), (30, 4, 40, 20))


@dataclass
class Bench:
    """A sink that prints into a pipe."""

    clock: ManualClock
    reads: int
    writes: int

    def sink(self, interval: float = 0.0) -> ConsoleSink:
        made = ConsoleSink("console", ConsoleOptions(interval=interval), self.clock, self.writes)
        made.open(resume=False)
        return made

    def lines(self) -> list[str]:
        """What was printed since the last look."""
        text = b""
        while True:
            try:
                text += os.read(self.reads, 65_536)
            except BlockingIOError:
                return text.decode().splitlines()


@pytest.fixture
def bench() -> Iterator[Bench]:
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    made = Bench(ManualClock(), reads, writes)
    yield made
    for descriptor in (made.reads, made.writes):
        if descriptor >= 0:
            os.close(descriptor)


def test_a_line_for_each_frame(bench: Bench) -> None:
    sink = bench.sink()
    sink.write(prediction(meta("gate", 1), *CATS), None)
    sink.write(prediction(meta("gate", 2)), None)
    sink.write(failure(meta("gate", 3)), None)
    sink.write(Prediction.of(meta("yard", 1), single_label()), None)
    sink.write(Prediction.of(meta("yard", 2), multi_label()), None)
    assert bench.lines() == [
        "gate frame 1: 2 cat",
        "gate frame 2: nothing",
        "gate frame 3: 1 not inferred: backend_failed",
        "yard frame 1: 1 cat",
        "yard frame 2: 1 dark, 1 wet",
    ]


def test_each_of_several_models_has_lines_of_its_own(bench: Bench) -> None:
    sink = bench.sink(interval=10.0)
    for model, found in (("people", CATS), ("faces", CAT)):
        sink.write(replace(prediction(meta("gate", 1), *found), model=model), None)
    sink.end("gate")
    assert bench.lines() == ["gate:people frame 1: 2 cat", "gate:faces frame 1: 1 cat"]


def test_a_line_for_each_interval_tells_the_most_of_each_class(bench: Bench) -> None:
    sink = bench.sink(interval=1.0)
    for frame_id in range(1, 5):
        sink.write(prediction(meta("gate", frame_id), *(CATS if frame_id == 2 else CAT)), None)
    sink.write(prediction(meta("yard", 7)), None)
    assert bench.lines() == []
    bench.clock.advance(1.0)
    sink.write(failure(meta("gate", 6)), None)
    assert bench.lines() == ["gate frames 1-6 (5): up to 2 cat; 1 not inferred: backend_failed"]
    sink.write(prediction(meta("gate", 7)), None)
    sink.end("gate")
    sink.close()
    sink.close()
    assert bench.lines() == ["gate frame 7: nothing", "yard frame 7: nothing"]


def test_nobody_waits_for_a_reader_who_does_not_read(bench: Bench) -> None:
    sink = bench.sink()
    os.set_blocking(bench.writes, False)
    while True:
        try:
            os.write(bench.writes, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(bench.writes, True)
    for frame_id in range(1, 9):
        sink.write(prediction(meta("gate", frame_id), *CAT), None)
    bench.lines()
    sink.write(prediction(meta("gate", 9)), None)
    assert bench.lines() == ["gate frames 1-9 (9): up to 1 cat"]


def test_once_the_reader_has_gone_it_goes_on_without_lines(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    sink = bench.sink()
    os.close(bench.reads)
    bench.reads = -1
    with caplog.at_level(logging.WARNING, "mpipeline.console"):
        for frame_id in range(1, 4):
            sink.write(prediction(meta("gate", frame_id)), None)
        sink.close()
    assert [record.getMessage() for record in caplog.records] == ["cannot print to the standard output: Broken pipe"]


def test_a_full_disk_is_told_and_frames_are_summed_up_until_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    sink = bench.sink()
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "mpipeline.console"):
        patched.setattr("mpipeline.sinks.console.os.write", full)
        sink.write(prediction(meta("gate", 1)), None)
        sink.write(prediction(meta("gate", 2), *CAT), None)
    sink.write(prediction(meta("gate", 3)), None)
    assert bench.lines() == ["gate frames 1-3 (3): up to 1 cat"]
    assert [record.getMessage() for record in caplog.records] == [
        "cannot print to the standard output: No space left on device"
    ]


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_on_a_terminal_the_lines_go_to_the_log_unless_that_is_quiet(
    level: int, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """There they would run into the table of progress; without a log at that level there is no table either."""
    ours, theirs = pty.openpty()
    sink = ConsoleSink("console", ConsoleOptions(interval=0), bench.clock, theirs)
    sink.open(resume=False)
    with caplog.at_level(level, "mpipeline.console"):
        sink.write(prediction(meta("gate", 1), *CAT), None)
    logged = [record.getMessage() for record in caplog.records]
    if level == logging.INFO:
        assert logged == ["gate frame 1: 1 cat"]
    else:
        assert logged == []
        assert os.read(ours, 100).split() == b"gate frame 1: 1 cat".split()
    os.close(theirs)
    os.close(ours)


def test_it_keeps_nothing_so_a_resumed_run_does_not_ask_it(bench: Bench) -> None:
    assert ConsoleSink("console", ConsoleOptions()).open(resume=True) is None
