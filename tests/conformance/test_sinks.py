"""The contract of `sinks/sink.py`, once for all kinds: built-in ones and those of entry points."""

from __future__ import annotations

import csv
import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.findings import embedding, multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, meta, picture, prediction
from support.servers import Mosquitto, RedisServer
from support.sinking import flush
from support.webhook_server import WebhookServer

from mpipeline import registry
from mpipeline.errors import SinkError
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Prediction
from mpipeline.sinks import KINDS
from mpipeline.sinks.sink import Sink

# What a kind must be told to run, given a place for its files; a kind that is absent here runs with its defaults.
OPTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "jsonl": lambda place: {"path": f"{place}/{{source}}.jsonl"},
    "csv": lambda place: {"path": f"{place}/{{source}}.csv"},
    "video": lambda place: {"path": f"{place}/{{source}}.mp4"},
    "images": lambda place: {"path": place, "max_fps": 25},
    "udp": lambda _: {"host": "127.0.0.1", "port": 9},  # the port for what nobody wants
    "python": lambda place: {"target": "support.sinks:Appending", "options": {"path": f"{place}/lines.txt"}},
    "database": lambda place: {"url": f"sqlite:///{place}/predictions.db"},
    "mqtt": lambda place: {"url": started(Mosquitto).url},
    "redis": lambda place: {"url": started(RedisServer).url, "job": place, "stream": f"of {place}"},
    "webhook": lambda place: {"url": started(WebhookServer).url},
    "zmq": lambda place: {"bind": "tcp://127.0.0.1:*"},
}
ALL = sorted(registry.kinds("sinks"))
BUILTIN = sorted(KINDS)
ON_DISK = sorted(set(KINDS) - {"console", "udp", "mqtt", "redis", "webhook", "zmq"})
_RUNNING: dict[type[Any], Any] = {}


def started(kind: type[Any]) -> Any:
    """The server of this kind, started for the first test that needs it; skips where it is not installed."""
    if kind not in _RUNNING:
        _RUNNING[kind] = kind().__enter__()
    return _RUNNING[kind]


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    yield
    while _RUNNING:
        _RUNNING.popitem()[1].__exit__(None, None, None)


def make(kind: str, place: Path) -> Sink:
    cls = registry.load("sinks", kind)
    options = OPTIONS.get(kind, lambda _: {})(str(place))
    sink: Sink = cls("under-test", cls.Options(**options))
    return sink


def write(sink: Sink, source: str, *ids: int) -> None:
    for frame_id in ids:
        frame = meta(source, frame_id)
        sink.write(prediction(frame, (4, 4, 20, 20)), picture(frame) if sink.wants_frames else None)
    flush(sink)


@pytest.mark.parametrize("kind", ALL)
def test_the_whole_life(kind: str, tmp_path: Path) -> None:
    sink = make(kind, tmp_path)
    assert isinstance(sink.wants_frames, bool)
    assert dict(sink.open(resume=False) or {}) == {}
    write(sink, "a", 1, 2)
    write(sink, "b", 1)
    sink.end("a")
    write(sink, "b", 2, 9)
    sink.end("b")
    sink.close()
    sink.close()


@pytest.mark.parametrize("kind", ALL)
def test_closed_at_any_moment(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path / "never opened").close()
    opened = make(kind, tmp_path / "opened")
    opened.open(resume=False)
    opened.end("a source that never came")
    opened.close()
    written = make(kind, tmp_path / "written")
    written.open(resume=False)
    write(written, "a", 1)
    written.close()


@pytest.mark.parametrize("kind", ALL)
def test_every_sort_of_prediction_is_taken(kind: str, tmp_path: Path) -> None:
    sink = make(kind, tmp_path)
    sink.open(resume=False)
    for frame_id, make_prediction in enumerate((prediction, failure, prediction), 1):
        frame = meta("a", frame_id, corrupt=True)
        sink.write(make_prediction(frame), picture(frame) if sink.wants_frames else None)
    every_kind = (with_masks(64, 48), with_keypoints(), single_label(), multi_label(), embedding())
    for frame_id, findings in enumerate(every_kind, 4):
        frame = meta("a", frame_id)
        sink.write(Prediction.of(frame, findings), picture(frame) if sink.wants_frames else None)
    sink.write(prediction(meta("a", 9)), None)  # the pixels had to be given up
    without_pts = type(meta())("a", 10, None, 0, 0, 64, 48)
    sink.write(failure(without_pts), picture(without_pts) if sink.wants_frames else None)
    flush(sink)
    sink.close()


@pytest.mark.parametrize("kind", ALL)
def test_resume_tells_what_survives_a_crash(kind: str, tmp_path: Path) -> None:
    """The first sink is never closed, as if it had been killed; a kind that cannot know may say nothing."""
    first = make(kind, tmp_path)
    first.open(resume=False)
    write(first, "a", 1, 2)
    write(first, "b", 1)
    second = make(kind, tmp_path)
    known = dict(second.open(resume=True) or {})
    assert known in ({}, {"a": 2, "b": 1})
    write(second, "a", 2, 3)
    write(second, "b", 2)
    second.close()


def write_of(sink: Sink, model: str, *ids: int) -> None:
    """Frames of source a as a model with a name has seen them."""
    for frame_id in ids:
        frame = meta("a", frame_id)
        sink.write(of_model(frame, model), picture(frame) if sink.wants_frames else None)
    flush(sink)


def write_together(sink: Any, models: tuple[str, ...], *ids: int) -> None:
    """The same where a sink makes one thing of a frame."""
    for frame_id in ids:
        frame = meta("a", frame_id)
        sink.write_together([of_model(frame, model) for model in models], picture(frame))


def of_model(frame: FrameMeta, model: str) -> Prediction:
    return replace(prediction(frame, (4, 4, 20, 20)), model=model)


@pytest.mark.parametrize("kind", BUILTIN)
def test_two_models_of_a_source_are_neither_mixed_up_nor_lost_nor_doubled(kind: str, tmp_path: Path) -> None:
    """The first sink is never closed, as if it had been killed; the second gets some of it again."""
    first, second = make(kind, tmp_path), make(kind, tmp_path)
    assert getattr(first, "several_models", False)
    first.open(resume=False)
    if hasattr(first, "write_together"):
        write_together(first, ("people", "faces"), 1, 2)
        write_together(first, ("people",), 3)
        assert second.open(resume=True) == {"a": 3}
        write_together(second, ("people", "faces"), 2, 3, 4)
    else:
        write_of(first, "people", 1, 2, 3)
        write_of(first, "faces", 1, 2)
        assert dict(second.open(resume=True) or {}) in ({}, {"a:people": 3, "a:faces": 2})
        write_of(second, "faces", 2, 3, 4)
        write_of(second, "people", 3, 4)
    second.end("a")
    second.close()
    if kind in SEEN:
        assert sorted(SEEN[kind](tmp_path)) == sorted(each for n in range(1, 5) for each in expected(kind, n))


def expected(kind: str, frame_id: int) -> list[tuple[str, int]]:
    """What there is of a frame."""
    return [("", frame_id)] if kind == "video" else [(model, frame_id) for model in ("people", "faces")]


@pytest.mark.parametrize("kind", ALL)
def test_resume_where_nothing_was_written(kind: str, tmp_path: Path) -> None:
    sink = make(kind, tmp_path)
    assert dict(sink.open(resume=True) or {}) == {}
    write(sink, "a", 1)
    sink.close()


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_place_that_cannot_be_written_is_a_sink_error(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sink = make(kind, tmp_path / "file")
    with pytest.raises(SinkError, match="file"):
        sink.open(resume=False)
    sink.close()


@pytest.mark.parametrize("kind", ON_DISK)
def test_builtin_kinds_have_a_file_per_source_or_say_why_not(kind: str, tmp_path: Path) -> None:
    assert kind in OPTIONS
    sink = make(kind, tmp_path)
    sink.open(resume=False)
    write(sink, "yard/east", 1)
    sink.close()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["jsonl", "csv", "video"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_after_writes_that_failed_every_frame_is_there_once(
    kind: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third write of the kernel is cut short and the one after it fails; the same call is made until it works."""
    write_all, calls = os.write, 0

    def failing(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            return write_all(descriptor, data[: len(data) // 2])
        if calls > 3 and calls % 3 == 1:
            raise OSError(code, os.strerror(code))
        return write_all(descriptor, data)

    monkeypatch.setattr("mpipeline.sinks.appending.os.write", failing)
    sink = make(kind, tmp_path)
    sink.open(resume=False)
    failures = 0
    for source, frame_id in [(source, n) for n in range(1, 13) for source in "ab"]:
        while True:
            try:
                write(sink, source, frame_id)
                break
            except SinkError as error:
                if not error.retryable:
                    raise
                failures += 1
    assert failures > 5
    survivor = make(kind, tmp_path)  # as if it had been killed now: each has all, and none twice
    assert survivor.open(resume=True) == {"a": 12, "b": 12}
    survivor.close()
    for source in "ab":
        assert COUNTS[kind](tmp_path / f"{source}.{SUFFIX[kind]}") == 12


def _pictures(path: Path) -> int:
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


COUNTS: dict[str, Callable[[Path], int]] = {
    "jsonl": lambda path: len([json.loads(line) for line in path.read_text().splitlines()]),
    "csv": lambda path: len(path.read_text().splitlines()) - 1,
    "video": _pictures,
}
SUFFIX = {"jsonl": "jsonl", "csv": "csv", "video": "mp4"}


def _in_table(place: Path) -> list[tuple[str, int]]:
    with (place / "a.csv").open(newline="", encoding="utf-8") as file:
        return [(row["model"], int(row["frame_id"])) for row in csv.DictReader(file)]


def _in_database(place: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(place / "predictions.db") as database:
        return database.execute("select model, frame_id from predictions").fetchall()


def _in_stream(place: Path) -> list[tuple[str, int]]:
    with started(RedisServer).client() as client:
        entries = [fields for _, fields in client.xrange(f"of {place}")]
    return [(fields["model"], int(fields["frame_id"])) for fields in entries]


def _in_names(place: Path) -> list[tuple[str, int]]:
    words = [path.stem.split("-") for path in place.iterdir()]
    assert all((source, rest) == ("a", ["1of1", "cat"]) for source, _, *rest, _ in words)
    return [(model, int(frame_id)) for _, frame_id, *_, model in words]


# Model and frame id of all that a kind has written, of those that have each exactly once.
SEEN: dict[str, Callable[[Path], list[tuple[str, int]]]] = {
    "jsonl": lambda place: [
        (line["model"], line["frame_id"]) for line in map(json.loads, (place / "a.jsonl").read_text().splitlines())
    ],
    "csv": _in_table,
    "database": _in_database,
    "redis": _in_stream,
    "images": _in_names,
    "video": lambda place: [("", n) for n in range(1, _pictures(place / "a.mp4") + 1)],
}
