"""Fakes of all four contracts, for tests of loops and of programs that use them: small, exact, and honest.

Each passes the same checks as the real kinds. They work on one level of grey a frame, so that a test can follow the
pixels from the source through the model to the sink: frame number n (from 1) is painted with `level_of(n)`, the models
report the level that they see as the class, and the sink notes the level of the pixels that it was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from mpipeline.backends.backend import BackendOptions
from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import BackendError, PredictionRejected, Reason, SinkError, SourceError
from mpipeline.frame import Frame, FrameFormat, PixelFormat, Pixels
from mpipeline.models.family import ModelOptions
from mpipeline.prediction import Detections, Prediction
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.tensor import Geometry, ModelInfo, Precision, Tensor, TensorSpec

_INPUT = "fake_images"


def level_of(frame_number: int) -> int:
    """The level of grey, 16..235, with which frame `frame_number` is painted."""
    return 16 + frame_number * 37 % 220


def seen(level: int, width: int, height: int) -> Detections:
    """What the fake models say of a frame: one box around all of it, its class the level of its first pixel."""
    box = np.array([[0, 0, width, height]], np.float32)
    return Detections(box, np.full(1, 0.5, np.float32), np.array([level], np.int32), (f"level {level}",))


class FakeSourceOptions(BaseModel):
    """`frames` is how many there are until the end, or until the error that `fails_with` names.

    `sizes`: frame number → (width, height) from that frame on. `refuses_with`: `open` raises at once. `seeks`: whether
    `seek` does. `connects`: whether it needs a permit. `pts_jumps`: frame number → seconds added to the pts from that
    frame on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = 10
    live: bool = False
    rate: float = 25.0
    has_pts: bool = True
    width: int = 16
    height: int = 16
    sizes: Mapping[int, tuple[int, int]] = {}
    fails_with: Reason | None = None
    refuses_with: Reason | None = None
    retryable: bool = True
    seeks: bool = True
    connects: bool = False
    pts_jumps: Mapping[int, float] = {}


class FakeSource:
    """Frames of one level of grey, or the trouble that it was told to make. Nothing waits."""

    Options: ClassVar[type[BaseModel]] = FakeSourceOptions

    def __init__(self, name: str, options: FakeSourceOptions, clock: Clock | None = None) -> None:
        self.decode_errors = 0
        self.connects = options.connects
        self.closed = False
        self.sought: tuple[int, float] | None = None
        self._name = name
        self._options = options
        self._clock = clock if clock is not None else SystemClock()
        self._number = 0

    def open(self) -> StreamInfo:
        """The geometry of the first frame; raises SourceError if told to refuse."""
        options = self._options
        if options.refuses_with is not None:
            raise self._error(options.refuses_with)
        return StreamInfo(options.live, options.width, options.height, options.rate, options.frames, "fake")

    def seek(self, frame_id: int, pts: float) -> bool:
        """Goes on behind that frame if it is one of the file's; noted in `sought`."""
        options = self._options
        can = options.seeks and not options.live and 1 <= frame_id <= options.frames
        if not can or pts != self._pts(frame_id):
            return False
        self._number, self.sought = frame_id, (frame_id, pts)
        return True

    def grab(self) -> GrabbedFrame | None:
        """The next frame; behind the last one the end, or the error."""
        options = self._options
        if self._number >= options.frames:
            if options.fails_with is not None:
                raise self._error(options.fails_with)
            return None
        self._number += 1
        pts = self._pts(self._number)
        return GrabbedFrame(self._format(), pts, self._clock.monotonic_ns(), self._clock.wall_ns(), key_frame=True)

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Paints the frame that was grabbed last."""
        for plane in planes:
            plane[:] = level_of(self._number)

    def close(self) -> None:
        """Notes it in `closed`."""
        self.closed = True

    def _pts(self, number: int) -> float | None:
        if not self._options.has_pts:
            return None
        jumped = sum(seconds for first, seconds in self._options.pts_jumps.items() if first <= number)
        return (number - 1) / self._options.rate + jumped

    def _format(self) -> FrameFormat:
        size = (self._options.width, self._options.height)
        for number in sorted(self._options.sizes):
            if number <= self._number:
                size = self._options.sizes[number]
        return FrameFormat(PixelFormat.GRAY8, *size)

    def _error(self, reason: Reason) -> SourceError:
        return SourceError(
            f"{self._name}: {reason} after {self._number} frames", reason, retryable=self._options.retryable
        )


class FakeFamily:
    """Takes 1 x 4 x 4 tensors of float32 in which every number is the level of the frame's first pixel."""

    input_name = _INPUT
    input_shape = (1, 4, 4)
    input_dtype = "float32"
    batch: int | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        self.options = options

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """By the name of the input."""
        return "its input is that of the fake backend" if [one.name for one in info.inputs] == [_INPUT] else None

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Fills the row with the level."""
        row[:] = frame.planes[0][0, 0]
        width, height = frame.format.width, frame.format.height
        return Geometry(4 / width, 4 / height, 0.0, 0.0, width, height)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """One box a frame, unless `confidence` is above its score of 0.5."""
        levels = outputs["levels"]
        found = [seen(int(levels[i]), shape.width, shape.height) for i, shape in enumerate(geometries)]
        return [one if self.options.confidence <= 0.5 else Detections.empty() for one in found]


class FakeBackend:
    """Gives the mean of each row as `levels`. Raises BackendError for a row whose mean is in `poison`."""

    takes: ClassVar[str] = "tensors"
    precisions: ClassVar[tuple[Precision, ...]] = ("float32",)

    def __init__(self, options: BackendOptions, poison: frozenset[int] = frozenset()) -> None:
        self.poison = poison
        self.batches: list[int] = []
        self._is_open = False

    def open(self) -> ModelInfo:
        """Describes the one input and the one output."""
        self._is_open = True
        inputs = (TensorSpec(_INPUT, (None, *FakeFamily.input_shape), np.dtype("float32")),)
        return ModelInfo(inputs, (TensorSpec("levels", (None,), np.dtype("float32")),))

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Notes the size of the batch in `batches`."""
        if not self._is_open:
            raise BackendError("the fake backend is not open")
        levels = inputs[_INPUT].mean(axis=(1, 2, 3))
        self.batches.append(len(levels))
        if bad := self.poison.intersection(levels.astype(int).tolist()):
            raise BackendError(f"the fake backend cannot bear level {sorted(bad)[0]}")
        return {"levels": levels}

    def close(self) -> None:
        """Cannot run any more."""
        self._is_open = False


class FakeFrameBackend:
    """The same detections from the frames themselves."""

    takes: ClassVar[str] = "frames"

    def __init__(self, options: BackendOptions) -> None:
        pass

    def open(self) -> ModelInfo:
        """Nothing to load."""
        return ModelInfo((), ())

    def infer(self, frames: Sequence[Frame]) -> list[Detections]:
        """One box a frame."""
        return [seen(int(f.planes[0][0, 0]), f.format.width, f.format.height) for f in frames]

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True, slots=True)
class Written:
    """A prediction that a fake sink has taken; `level` of its pixels, None if it was given none."""

    prediction: Prediction
    level: int | None

    @property
    def key(self) -> tuple[str, int]:
        """Source and frame id."""
        return self.prediction.frame.source, self.prediction.frame.frame_id


@dataclass
class Store:
    """Where fake sinks write: like a disk, it outlives the sink object, so that a successor can go on behind it."""

    written: list[Written] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def ids(self, source: str) -> list[int]:
        """Frame ids of a source in the order in which they were written."""
        return [w.prediction.frame.frame_id for w in self.written if w.prediction.frame.source == source]


class FakeSinkOptions(BaseModel):
    """`store`: a `Store` (a new one if absent). `remembers`: `open` tells what the store has. `rejects`: frame ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Any = None
    wants_frames: bool = False
    remembers: bool = True
    rejects: frozenset[int] = frozenset()


class FakeSink:
    """Appends to a store; what is in the store survives."""

    Options: ClassVar[type[BaseModel]] = FakeSinkOptions
    several_models: ClassVar[bool] = True

    def __init__(self, name: str, options: FakeSinkOptions) -> None:
        self.wants_frames = options.wants_frames
        self.store: Store = options.store if options.store is not None else Store()
        self._name = name
        self._options = options
        self._is_open = False

    def open(self, resume: bool) -> Mapping[str, int]:
        """Empties the store unless `resume`."""
        self._is_open = True
        if not resume:
            self.store.written.clear()
            self.store.ended.clear()
        last: dict[str, int] = {}
        for one in (written.prediction for written in self.store.written):
            last[one.origin] = max(one.frame.frame_id, last.get(one.origin, 0))
        return last if self._options.remembers else {}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Notes the prediction and the level of the pixels."""
        if not self._is_open:
            raise SinkError(f"{self._name} is not open")
        if prediction.frame.frame_id in self._options.rejects:
            raise PredictionRejected(f"{self._name} does not like frame {prediction.frame.frame_id}")
        level = int(frame.planes[0][0, 0]) if frame is not None else None
        self.store.written.append(Written(prediction, level))

    def end(self, source: str) -> None:
        """Notes the source."""
        self.store.ended.append(source)

    def close(self) -> None:
        """Takes no more."""
        self._is_open = False
