"""Sinks that are called without a run: made from their options, written to, flushed."""

from __future__ import annotations

from typing import Any

from support.predictions import meta, picture, prediction

from mpipeline import registry


def make(kind: str, name: str = "under-test", **options: Any) -> Any:
    """A sink of this kind, not open yet."""
    cls = registry.load("sinks", kind)
    return cls(name, cls.Options(**options))


def write(sink: Any, source: str, *ids: int) -> None:
    """Writes a frame for each id, and has the sink send what it may have gathered."""
    for frame_id in ids:
        frame = meta(source, frame_id)
        sink.write(prediction(frame, (4, 4, 20, 20)), picture(frame) if sink.wants_frames else None)
    flush(sink)


def flush(sink: Any) -> None:
    """Has a sink that gathers send it; of others everything is written already."""
    if hasattr(sink, "flush"):
        sink.flush()
