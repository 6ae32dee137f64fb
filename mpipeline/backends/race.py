"""Lets two backends run the same model on the same made-up input: whether they give the same, and which costs less."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mpipeline.backends.backend import Backend
from mpipeline.clock import NS_PER_MS, NS_PER_S, Clock
from mpipeline.tensor import Tensor, TensorSpec

_OPEN_SIDE = 640  # pixels, where a model takes pictures of any size
_TOLERANCE = 1e-3  # absolute up to one, relative above; whole numbers must be equal
_HALF_TOLERANCE = 1e-2  # float16 has three digits
_MOST_PAIRS, _FEWEST_PAIRS = 30, 15
_LONG_NS = 2 * NS_PER_S  # enough for a fast model
_LONGEST_NS = 20 * NS_PER_S  # of a slow model fewer pairs than the fewest must do


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians of one run in milliseconds of processor time, and the median of how many times as fast the second is."""

    first_ms: float
    second_ms: float
    ratio: float


def made_up(inputs: tuple[TensorSpec, ...]) -> dict[str, Tensor]:
    """Inputs that are the same each time: one picture of noise, of the size that the model file says, else 640."""
    noise = np.random.default_rng(20_26)
    made = {}
    for spec in inputs:
        shape = [side or (1 if axis == 0 else 3 if axis == 1 else _OPEN_SIDE) for axis, side in enumerate(spec.shape)]
        if spec.dtype.kind == "f":
            made[spec.name] = noise.random(shape, np.float32).astype(spec.dtype)
        elif spec.dtype == np.uint8:
            made[spec.name] = noise.integers(0, 256, shape, np.uint8)
        else:
            made[spec.name] = np.ones(shape, spec.dtype)
    return made


def deviation(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """How the outputs differ by more than rounding does, as the end of a sentence; empty if they do not."""
    if list(expected) != list(found):
        return f"its outputs are {', '.join(found)} instead of {', '.join(expected)}"
    for name, wanted in expected.items():
        other = found[name]
        if (wanted.shape, wanted.dtype) != (other.shape, other.dtype):
            return f"{name} is {list(other.shape)} {other.dtype} instead of {list(wanted.shape)} {wanted.dtype}"
        tolerance = 0.0 if wanted.dtype.kind != "f" else _HALF_TOLERANCE if wanted.dtype.itemsize == 2 else _TOLERANCE
        if not np.allclose(other, wanted, rtol=tolerance, atol=tolerance, equal_nan=True):
            most = float(np.nanmax(np.abs(other.astype(np.float64) - wanted.astype(np.float64))))
            return f"{name} differs by up to {most:.2g}"
    return ""


class Race:
    """Runs backends and notes what that costs: processor time of all threads, and not how long it takes.

    On a busy machine, such as one whose decoders start at the same moment, how long a run takes says little; and what a
    backend leaves of the processor is for the decoders.
    """

    def __init__(self, clock: Clock, processor_ns: Callable[[], int] = time.process_time_ns) -> None:
        self._clock = clock
        self._processor_ns = processor_ns

    def cost_ms(self, backend: Backend, inputs: Mapping[str, Tensor]) -> float:
        """Of one run, in milliseconds of processor time."""
        begun = self._processor_ns()
        backend.run(inputs)
        return (self._processor_ns() - begun) / NS_PER_MS

    def run(self, first: Backend, second: Backend, inputs: Mapping[str, Tensor]) -> Costs:
        """Both in turn, each as often first, for about two seconds. Both must have run once before."""
        pairs: list[tuple[float, float]] = []
        begun, limit = self._clock.monotonic_ns(), _LONGEST_NS
        while len(pairs) < _MOST_PAIRS and self._clock.monotonic_ns() - begun < limit:
            if len(pairs) % 2:
                of_second = self.cost_ms(second, inputs)
                pairs.append((self.cost_ms(first, inputs), of_second))
            else:
                of_first = self.cost_ms(first, inputs)
                pairs.append((of_first, self.cost_ms(second, inputs)))
            if len(pairs) >= _FEWEST_PAIRS:
                limit = _LONG_NS
        of_firsts, of_seconds = zip(*pairs, strict=True)
        ratio = statistics.median(one / max(other, 1e-6) for one, other in pairs)
        return Costs(statistics.median(of_firsts), statistics.median(of_seconds), ratio)
