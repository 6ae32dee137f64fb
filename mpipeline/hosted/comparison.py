"""Runs a model in two ways over the same frames, in turn: what the second changes in what is found, and in time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mpipeline.clock import NS_PER_MS, Clock, SystemClock
from mpipeline.config.schema import ModelSpec, SourceSpec
from mpipeline.errors import BackendError, ConfigError
from mpipeline.frame import Frame
from mpipeline.hosted.differences import Differences
from mpipeline.hosted.footage import footage
from mpipeline.prediction import Findings
from mpipeline.tensor import Execution
from mpipeline.workers.loading import closed_on_error, load_model
from mpipeline.workers.predictor import TensorPredictor


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out. Times are medians in milliseconds a frame, with pre- and postprocessing; None of no frame."""

    first: Execution
    second: Execution
    first_ms: float
    second_ms: float
    differences: Differences

    @property
    def speed(self) -> float:
        """How many times as fast the second is."""
        return self.first_ms / self.second_ms

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON can say it."""
        ways = ((self.first, self.first_ms), (self.second, self.second_ms))
        names = ("library", "version", "precision", "threads")
        told = [{**{name: getattr(way, name) for name in names}, "ms": ms} for way, ms in ways]
        return {"first": told[0], "second": told[1], "speed": self.speed, **self.differences.as_dict()}


class _Way:
    """One way to run the model."""

    def __init__(self, spec: ModelSpec, clock: Clock) -> None:
        loaded = load_model(spec)
        with closed_on_error(loaded.backend):
            if loaded.info.execution is None:
                text = f"backend {spec.backend!r} does not say what executes the model, so it is not compared"
                raise ConfigError(text)
            self.predictor: TensorPredictor = loaded.predictor(loaded.family_with(), 1)
        self.execution: Execution = loaded.info.execution
        self.times_ms: list[float] = []
        self._clock = clock

    def findings(self, frame: Frame) -> Findings:
        """What it finds in the frame; notes how long that took."""
        begun = self._clock.monotonic_ns()
        (found,) = self.predictor.predict([frame])
        self.times_ms.append((self._clock.monotonic_ns() - begun) / NS_PER_MS)
        if not found.is_finite:
            raise BackendError(f"{self.execution.library} gave boxes or scores that are no numbers")
        return found


def compare(
    first: ModelSpec,
    second: ModelSpec,
    sources: Iterable[SourceSpec],
    most: int,
    advance: Callable[[], object] = lambda: None,
    clock: Clock | None = None,
) -> Comparison:
    """Runs both over at most so many frames of each source; `advance` is called after each frame.

    Raises SourceError, ModelError, BackendError, and ConfigError if the sources have no frame.
    """
    timer = clock if clock is not None else SystemClock()
    ways: list[_Way] = []
    differences = Differences(first.confidence)
    try:
        ways += [_Way(first, timer), _Way(second, timer)]
        for source in sources:
            for frame in footage(source, most):
                if not differences.frames:  # the first run of each is slower than all others
                    for way in ways:
                        way.findings(frame)
                        way.times_ms.clear()
                order = ways if differences.frames % 2 else ways[::-1]
                found = {id(way): way.findings(frame) for way in order}
                differences.add(found[id(ways[0])], found[id(ways[1])])
                advance()
    finally:
        for way in ways:
            way.predictor.close()
    if not differences.frames:
        raise ConfigError("there is no frame in any of the inputs, so nothing can be compared")
    medians = [statistics.median(way.times_ms) for way in ways]
    return Comparison(ways[0].execution, ways[1].execution, medians[0], medians[1], differences)
