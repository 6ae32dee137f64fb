"""What the parts that use the GPU directly are given: the GPU, sizes, and how a figure is taken on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from support.pictures import planes_of, scene

from mpipeline.cuda.driver import Bytes, Gpu, Stream
from mpipeline.frame import FrameFormat, plane_views

GB = 1e9
Thing = TypeVar("Thing", bound=Any)


@dataclass(frozen=True)
class Bench:
    """A GPU that this thread has entered, a stream on it, and what is measured.

    Frames are of `form`; the model's input is a square of `side` pixels. A figure is taken over so many `calls`, after
    one that does not count.
    """

    gpu: Gpu
    stream: Stream
    form: FrameFormat
    side: int
    batches: Sequence[int]
    calls: int
    repetitions: int
    minutes: float

    def seconds(self, call: Callable[[], object]) -> float:
        """Of one call, with what it leaves in the stream: the time on the clock of all of them, in equal parts."""
        call()
        self.stream.synchronize()
        begun = time.perf_counter()
        for _ in range(self.calls):
            call()
        self.stream.synchronize()
        return (time.perf_counter() - begun) / self.calls


class Kept(ExitStack):
    """What lives on the GPU until the end of a part, in which no work is left in the stream then."""

    def keep(self, thing: Thing) -> Thing:
        """It is freed at the end; what was kept last goes first."""
        self.callback(thing.free)
        return thing


def payload_of(form: FrameFormat) -> Bytes:
    """A frame as it lies in a slot of a ring."""
    payload = np.zeros(form.payload_bytes(), np.uint8)
    for place, plane in zip(plane_views(form, payload), planes_of(form, scene(form.width, form.height)), strict=True):
        place[:] = plane
    return payload
