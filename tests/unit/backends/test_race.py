"""The race of two backends: its input, when outputs are equal, and what is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpipeline.backends.race import Race, deviation, made_up
from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.tensor import TensorSpec


class Runner:
    """A backend that takes so many seconds for a run; `seconds` is asked anew each time."""

    def __init__(self, clock: ManualClock, seconds: Callable[[int], float], name: str, order: list[str]) -> None:
        self._clock, self._seconds, self._name, self._order = clock, seconds, name, order
        self.runs = 0

    def run(self, inputs: Any) -> dict[str, Any]:
        self._clock.advance(self._seconds(self.runs))
        self._order.append(self._name)
        self.runs += 1
        return {}


def raced(first: Callable[[int], float], second: Callable[[int], float]) -> tuple[Any, list[str], float]:
    clock, order = ManualClock(), []
    begun = clock.monotonic_ns()
    runners: list[Any] = [Runner(clock, first, "first", order), Runner(clock, second, "second", order)]
    return (
        Race(clock, clock.monotonic_ns).run(runners[0], runners[1], {}),
        order,
        (clock.monotonic_ns() - begun) / NS_PER_S,
    )


def test_both_run_in_turn_and_medians_count() -> None:
    result, order, took = raced(lambda n: 5.0 if n == 2 else 0.06, lambda n: 0.05)
    assert result.first_ms == pytest.approx(60)
    assert result.second_ms == pytest.approx(50)
    assert result.ratio == pytest.approx(1.2)
    assert order[:8] == ["first", "second", "second", "first"] * 2
    assert order.count("first") == order.count("second") == 15
    assert took == pytest.approx(14 * 0.06 + 5 + 15 * 0.05)


@pytest.mark.parametrize(("seconds", "pairs"), [(0.001, 30), (0.05, 20), (0.5, 15), (3.0, 4), (60.0, 1)])
def test_it_ends_in_time(seconds: float, pairs: int) -> None:
    result, order, _ = raced(lambda _: seconds, lambda _: seconds)
    assert len(order) == 2 * pairs
    assert result.ratio == pytest.approx(1)


def test_one_run_and_what_it_costs_of_the_processor() -> None:
    clock = ManualClock()
    runner: Any = Runner(clock, lambda _: 0.25, "one", [])
    assert Race(clock, lambda: clock.monotonic_ns() // 2).cost_ms(runner, {}) == pytest.approx(125)


def test_the_input_is_made_up_the_same_each_time() -> None:
    specs = (
        TensorSpec("images", (None, 3, None, 320), np.dtype(np.float32)),
        TensorSpec("half", (4, None), np.dtype(np.float16)),
        TensorSpec("bytes", (1, 8, 8, 3), np.dtype(np.uint8)),
        TensorSpec("sizes", (None, 2), np.dtype(np.int64)),
    )
    inputs = made_up(specs)
    shapes = {name: (value.shape, value.dtype.name) for name, value in inputs.items()}
    assert shapes == {
        "images": ((1, 3, 640, 320), "float32"),
        "half": ((4, 3), "float16"),
        "bytes": ((1, 8, 8, 3), "uint8"),
        "sizes": ((1, 2), "int64"),
    }
    assert inputs["images"].std() > 0.2
    assert all((value == inputs[name]).all() for name, value in made_up(specs).items())


def test_equal_but_for_rounding() -> None:
    wanted = {"boxes": np.array([[0.5, 300.0, np.nan, np.inf]], np.float32), "ids": np.array([1, 2])}
    assert deviation(wanted, wanted) == ""
    near = {"boxes": wanted["boxes"] * np.float32(1.0001) + np.float32(1e-4), "ids": wanted["ids"]}
    assert deviation(wanted, near) == ""
    half = {"x": np.array([0.5, 3.0], np.float16)}
    assert deviation(half, {"x": half["x"] + np.float16(0.004)}) == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"boxes": np.array([0.504, 300.0], np.float32)}, "boxes differs by up to 0.004"),
        ({"boxes": np.array([0.5, 302.0], np.float32)}, "boxes differs by up to 2"),
        ({"boxes": np.array([0.5, np.nan], np.float32)}, "boxes differs"),
        ({"boxes": np.array([0.5, 300.0], np.float16)}, "boxes is [2] float16 instead of [2] float32"),
        ({"boxes": np.array([[0.5, 300.0]], np.float32)}, "boxes is [1, 2] float32 instead of [2] float32"),
        ({"scores": np.array([0.5, 300.0], np.float32)}, "its outputs are scores instead of boxes"),
    ],
)
def test_something_else(found: dict[str, Any], said: str) -> None:
    assert deviation({"boxes": np.array([0.5, 300.0], np.float32)}, found).startswith(said)


def test_whole_numbers_must_be_equal() -> None:
    assert deviation({"ids": np.array([1, 2])}, {"ids": np.array([1, 3])}) == "ids differs by up to 1"
