"""Logs: both formats, redaction, and the once-a-second summary."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from mpipeline import log
from mpipeline.clock import ManualClock


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger(log.ROOT)
    before = (list(root.handlers), root.level, root.propagate)
    yield io.StringIO()
    root.handlers[:], root.level, root.propagate = before


def test_human_line_has_a_sentence_and_keys(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    logging.getLogger("mpipeline.decoder").warning(
        "the stream has stalled", extra={"source": "gate 1", "event": "stalled", "seconds": 3}
    )
    line = stream.getvalue()
    assert line.endswith('WARNING the stream has stalled  event=stalled source="gate 1" seconds=3\n')


def test_json_line_holds_message_event_and_fields(stream: io.StringIO) -> None:
    log.configure(json=True, stream=stream)
    logging.getLogger("mpipeline.decoder").info("two\nlines", extra={"event": "x", "source": "gate", "n": 2})
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["time"].endswith("Z")
    assert {key: entry[key] for key in ("level", "logger", "message", "event", "source", "n")} == {
        "level": "info",
        "logger": "mpipeline.decoder",
        "message": "two\nlines",
        "event": "x",
        "source": "gate",
        "n": 2,
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_credentials_never_reach_the_output(stream: io.StringIO, as_json: bool) -> None:
    log.configure(json=as_json, stream=stream)
    logger = logging.getLogger("mpipeline.decoder")
    uri = "rtsp://viewer:s3cret@cam/live?token=s3cret"
    try:
        raise ValueError(f"no answer from {uri}")
    except ValueError:
        logger.exception("cannot open %s", uri, extra={"event": "x", "uri": uri, "tried": [uri], "by": {"uri": uri}})
    assert "s3cret" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_configure_twice_writes_once_and_respects_the_level(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    log.configure(stream=stream, level="error")
    logger = logging.getLogger("mpipeline.x")
    logger.warning("not this")
    logger.error("this")
    assert stream.getvalue().count("\n") == 1


def test_import_sets_nothing_up() -> None:
    assert not any(type(each).__module__ == "mpipeline.log" for each in logging.getLogger().handlers)


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[tuple[logging.Logger, _Kept]]:
    logger, handler = logging.getLogger("test.summariser"), _Kept()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield logger, handler
    logger.removeHandler(handler)


def test_first_is_reported_at_once_and_the_rest_once_a_second(kept: tuple[logging.Logger, _Kept]) -> None:
    logger, handler = kept
    clock = ManualClock()
    summariser = log.Summariser(logger, clock)
    for number in range(100):
        summariser.add("decode errors", f"number {number}", source="gate")
        clock.advance(0.02)
    summariser.flush(clock.monotonic_ns(), everything=True)
    assert handler.messages() == [
        "number 0",
        "50 decode errors, last was: number 50",
        "49 decode errors, last was: number 99",
    ]
    assert [vars(record)["count"] for record in handler.records] == [1, 50, 49]
    assert {vars(record)["event"] for record in handler.records} == {"decode_errors"}


def test_groups_are_counted_apart(kept: tuple[logging.Logger, _Kept]) -> None:
    logger, handler = kept
    clock = ManualClock()
    summariser = log.Summariser(logger, clock, interval=2)
    summariser.add("drops", "opening", source="a")
    for source in ("a", "b", "a"):
        summariser.add("drops", f"of {source} 100%", source=source)
    clock.advance(1.9)
    summariser.flush()
    assert len(handler.records) == 1
    clock.advance(0.1)
    summariser.flush()
    summariser.flush(everything=True)
    assert handler.messages()[1:] == ["2 drops, last was: of a 100%", "of b 100%"]
