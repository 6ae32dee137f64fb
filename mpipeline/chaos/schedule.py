"""When to strike, whom and how: drawn from a seed, so that a schedule can be had again. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROLES = ("decoder", "inference", "sink")
_LONGEST_PAUSE = 4.0  # times the mean: an exponential pause may be very long
_FREEZE_S = (0.5, 3.0)


@dataclass(frozen=True, slots=True)
class Intention:
    """One strike as planned. `choice` in [0, 1) picks among the workers that the role then has; `freeze_s` 0 kills.

    The pause begins when the strike before it was delivered or, `in_flow`, when frames have flowed since then: else
    short pauses would hit starting workers only.
    """

    pause_s: float
    role: str
    choice: float
    freeze_s: float
    in_flow: bool

    def pick(self, names: Sequence[str]) -> str:
        """The victim among these workers, of which there is at least one."""
        return sorted(names)[int(self.choice * len(names))]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The strikes of one job: equal seeds give equal schedules, each job has one of its own.

    Pauses are exponential around `every` seconds, so that a strike is as likely at any moment as at any other.
    """

    seed: int
    every: float
    roles: tuple[str, ...] = ROLES
    freeze_share: float = 0.0

    def job(self, number: int) -> Iterator[Intention]:
        """The strikes of job `number`, without an end."""
        chance = random.Random(f"{self.seed}:{number}")
        while True:
            pause = min(chance.expovariate(1 / self.every), _LONGEST_PAUSE * self.every)
            role, choice = chance.choice(self.roles), chance.random()
            frozen, length = chance.random() < self.freeze_share, chance.uniform(*_FREEZE_S)
            yield Intention(pause, role, choice, round(length, 2) if frozen else 0.0, in_flow=chance.random() < 0.5)
