"""Sinks that are called without a run: made from their options, written to, flushed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from support.predictions import meta, picture, prediction

from mpipeline import registry
from mpipeline.prediction import Prediction, origin


def make(kind: str, name: str = "under-test", **options: Any) -> Any:
    """A sink of this kind, not open yet."""
    cls = registry.load("sinks", kind)
    return cls(name, cls.Options(**options))


def write(sink: Any, source: str, *ids: int, model: str = "") -> None:
    """Writes a frame for each id, and has the sink send what it may have gathered."""
    for frame_id in ids:
        frame = meta(source, frame_id)
        found = replace(prediction(frame, (4, 4, 20, 20)), model=model)
        sink.write(found, picture(frame) if sink.wants_frames else None)
    flush(sink)


def flush(sink: Any) -> None:
    """Has a sink that gathers send it; of others everything is written already."""
    if hasattr(sink, "flush"):
        sink.flush()


def send_again(kind: str, url: str, models: Sequence[str] = ("",)) -> None:
    """Frames 1 to 4 of source `a`, through a sink that is never closed, as if it had been killed, and a successor.

    The successor is told twice, as after a lost answer. Each must be at the server once, of each model.
    """
    first = make(kind, url=url)
    first.open(resume=False)
    for model in models:
        write(first, "a", 1, 2, model=model)
    second = make(kind, url=url)
    assert second.open(resume=True) == {origin("a", model): 2 for model in models}
    for model in models:
        write(second, "a", 1, 2, 3, model=model)
        write(second, "a", 3, 4, model=model)
    second.close()
    first.close()


def cut_and_resumed(open_sink: Callable[..., Any], path: Path, work: Sequence[Prediction], draw: Any) -> None:
    """Writes the work, cuts the file somewhere, and writes all of it again into what is left: the file is whole."""
    first = open_sink(path)
    for each in work:
        first.write(each, None)
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: draw(st.integers(0, len(whole)))])
    second = open_sink(path, resume=True)
    for each in work:
        second.write(each, None)
    second.close()
    assert path.read_bytes() == whole
