"""Reads sources in the caller's own process, a choice of their frames, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mpipeline import registry
from mpipeline.config.schema import SourceSpec
from mpipeline.frame import Frame, FrameMeta, plane_views
from mpipeline.sources.source import GrabbedFrame, Source

_LONGEST_STEP = 30  # those between are decoded as well


def footage(spec: SourceSpec, most: int) -> Iterator[Frame]:
    """At most so many frames, of a file at most every `_LONGEST_STEP`th, of a stream the first. Raises SourceError.

    The pixels of a frame are valid until the next is asked for.
    """
    source: Source = registry.load("sources", spec.kind)(spec.name, spec.options)
    try:
        info = source.open()
        step = 1 if info.live else min(max(1, info.frame_count // most), _LONGEST_STEP)
        payload = np.zeros(0, np.uint8)
        number = given = 0
        while given < most and (grabbed := source.grab()) is not None:
            number += 1
            if (number - 1) % step:
                continue
            if len(payload) != grabbed.format.payload_bytes():
                payload = np.zeros(grabbed.format.payload_bytes(), np.uint8)
            planes = plane_views(grabbed.format, payload)
            source.retrieve(planes)
            given += 1
            yield Frame(_meta(spec.name, number, grabbed), grabbed.format, planes)
    finally:
        source.close()


def _meta(name: str, number: int, grabbed: GrabbedFrame) -> FrameMeta:
    form = grabbed.format
    times = (grabbed.pts, grabbed.captured_ns, grabbed.wall_ns)
    return FrameMeta(name, number, *times, form.width, form.height, 0.0, grabbed.key_frame, grabbed.corrupt)
