"""Inference pipelines over small videos: what they gave, and what they left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from support import media
from support.leftovers import segments_of, wait_until
from support.media import VideoSpec

from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.pipeline import InferencePipeline

Seen = tuple[int, int, int | None]  # source, frame id, number in the picture


def film(frames: int, **more: Any) -> str:
    """The path of a video of that many frames, numbered from 0."""
    return str(media.video(VideoSpec(frames=frames, **more)))


def number(frame: VideoFrame) -> int | None:
    """The number in the picture of a frame."""
    return media.frame_number(frame.image[:, :, 0])


def numbers(frames: list[VideoFrame]) -> list[int | None]:
    """As `on_video_frame`: the numbers of the pictures."""
    return [number(frame) for frame in frames]


@dataclass
class Notebook:
    """A sink that notes every call: `calls` as they came, `by_source` the frame ids with the predictions."""

    calls: list[tuple[Any, Any]] = field(default_factory=list)
    by_source: dict[int, list[tuple[int, Any]]] = field(default_factory=dict)

    def __call__(self, predictions: Any, frames: Any) -> None:
        is_batch = isinstance(frames, list)
        ids = [frame and frame.frame_id for frame in frames] if is_batch else frames.frame_id
        self.calls.append((predictions, ids))
        pairs = zip(predictions, frames, strict=True) if is_batch else [(predictions, frames)]
        for prediction, frame in pairs:
            if frame is not None:
                self.by_source.setdefault(frame.source_id, []).append((frame.frame_id, prediction))

    def ids(self, source: int = 0) -> list[int]:
        """The frame ids of a source in the order in which they came."""
        return [frame_id for frame_id, _ in self.by_source.get(source, [])]


def endless() -> dict[str, Any]:
    """Arguments for a source without an end."""
    return {"video_reference": "TestPatternStreamProducer"}


def make(sink: Any = None, logic: Any = numbers, **more: Any) -> InferencePipeline:
    """A pipeline with logic of its own, over a film of 30 frames unless told otherwise."""
    arguments = {"video_reference": film(30), "on_video_frame": logic, "on_prediction": sink, **more}
    return InferencePipeline.init_with_custom_logic(**arguments)


def nothing(frames: list[VideoFrame]) -> list[None]:
    """As `on_video_frame`: looks at no picture."""
    return [None] * len(frames)


class Moment:
    """A sink that says when the first frame has come."""

    def __init__(self) -> None:
        self.has_come = threading.Event()

    def __call__(self, *_: Any) -> None:
        self.has_come.set()


def complete(count: int) -> list[tuple[int, int]]:
    """Frame ids and numbers of a whole film."""
    return [(n + 1, n) for n in range(count)]


def own_threads() -> set[str]:
    """The threads of pipelines that live."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("mpipeline")}


def own_workers() -> list[int]:
    """The worker processes that this process has."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "--lifeline" in child.cmdline() or child.status() == psutil.STATUS_ZOMBIE:
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def nothing_left() -> Iterator[None]:
    """Threads, processes, segments and descriptors are afterwards what they were before."""
    before = descriptors()
    yield
    wait_until(lambda: not own_threads(), "the end of all threads", lambda: str(own_threads()))
    assert not own_workers()
    assert not segments_of(os.getpid())
    is_closed = lambda: len(descriptors()) <= len(before)  # noqa: E731
    wait_until(is_closed, "closed descriptors", lambda: str(set(descriptors()) - set(before)))


def descriptors() -> list[str]:
    """What this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue
    return found
