"""Repetitions in turns, and what is made of them: medians with their spread, ratios of runs that stand side by side.

Machines are noisy, and noise comes in spells. So every repetition measures each contender once, in changing order, and
a ratio is always one of two figures of the same repetition.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]  # figure → value
Rounds = Sequence[Mapping[str, Figures]]  # one for each repetition: contender → figures


@dataclass(frozen=True)
class Spread:
    """The median of some values, and between what they lie: the 10th and 90th percentile, or all if they are few."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.text()

    def text(self, form: str = "{:.2f}") -> str:
        """The three numbers, each in this form."""
        return f"{form.format(self.median)} ({form.format(self.low)} to {form.format(self.high)})"


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    ordered = sorted(values)
    skipped = len(ordered) // 10
    return Spread(statistics.median(ordered), ordered[skipped], ordered[-1 - skipped])


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that so large a share does not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def take_turns(
    contenders: Mapping[str, Callable[[], Figures]],
    repetitions: int,
    what: str = "",
    *,
    quiet: bool = False,
    minutes: float = math.inf,
) -> Rounds:
    """Each repetition measures every contender once; the order is turned round from one to the next.

    No repetition but the first is begun if it would probably end after so many `minutes`. `quiet`: without a line for
    each, which would take longer than what is measured.
    """
    rounds: list[Mapping[str, Figures]] = []
    begun = time.monotonic()
    for repetition in range(repetitions):
        took_s = time.monotonic() - begun
        if rounds and took_s * (repetition + 1) / repetition > 60 * minutes:
            print(f"{repetition} of {repetitions} repetitions: time is up", file=sys.stderr, flush=True)
            break
        names = list(contenders)
        if repetition % 2:
            names.reverse()
        taken = {}
        for name in names:
            if not quiet:
                print(f"{repetition + 1}/{repetitions} {what}{': ' if what else ''}{name}", file=sys.stderr, flush=True)
            taken[name] = dict(contenders[name]())
        rounds.append(taken)
    return rounds


def values(rounds: Rounds, contender: str, figure: str) -> list[float]:
    """One figure of one contender in every repetition."""
    return [taken[contender][figure] for taken in rounds]


def ratios(rounds: Rounds, figure: str, of: str, to: str) -> Spread:
    """The figure of one contender divided by that of another, each time within one repetition."""
    return spread([taken[of][figure] / taken[to][figure] for taken in rounds])


def others(rounds: Rounds, beginning: str = "") -> str:
    """A sentence about what else the machine did, from the figures `others_cores` of these contenders."""
    found = [
        figures["others_cores"] for taken in rounds for name, figures in taken.items() if name.startswith(beginning)
    ]
    cores = spread(found)
    return f"Meanwhile other programs of the machine kept {cores} cores busy."
