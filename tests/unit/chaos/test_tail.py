"""The tail of a growing file: whole lines only, once each, also when a half one is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpipeline.chaos.tail import Tail, captured_ns


def test_half_lines_wait_and_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    seen: list[int] = []
    tail = Tail(path, lambda record, _: seen.append(record["frame_id"]))
    tail.read()
    path.write_text('{"source": "a", "frame_id": 1}\n{"source": "a", "fr')
    tail.read()
    assert seen == [1]
    path.write_text('{"source": "a", "frame_id": 1}\n{"source": "a", "frame_id": 2}\nno JSON\n')
    tail.read()
    tail.read()
    assert seen == [1, 2]
    assert tail.unreadable == 1


def test_the_thread_reads_and_the_end_reads_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    seen: list[dict[str, Any]] = []
    tail = Tail(path, lambda record, _: seen.append(record))
    tail.start()
    path.write_text('{"source": "a", "frame_id": 1}\n')
    tail.end()
    assert len(seen) == 1


def test_the_time_of_capture_is_read_to_the_microsecond() -> None:
    assert captured_ns({"captured_at": "2023-11-14T22:13:20.080001Z"}) == 1_700_000_000_080_001_000
    assert captured_ns({}) == 0
