"""What a sink or an attached program gets of one model, as START tells it: its channel, its reader bit, its sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Feed:
    """One model's share. `predictions` is the address of its inference process, `bit` -1 where no pixels are wanted.

    `is_over`: the model was given up before, and sends nothing.
    """

    model: str
    predictions: str
    sources: frozenset[str]
    bit: int
    is_over: bool = False

    @staticmethod
    def from_spec(spec: Mapping[str, Any]) -> list[Feed]:
        """The feeds that START tells of."""
        return [
            Feed(one["model"], one["predictions"], frozenset(one["sources"]), one["bit"], one.get("over", False))
            for one in spec["feeds"]
        ]


class SourceEnds:
    """When a source has ended for a sink: not before each model that it takes predictions of has said so.

    Who comes back after a crash is told of all ends again. A model that was given up is not waited for.
    """

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = [feed for feed in feeds if not feed.is_over]
        self._told: dict[str, set[str]] = {}  # source → models

    def note(self, source: str, model: str) -> bool:
        """This model has nothing more of the source; says whether no other has either."""
        told = self._told.setdefault(source, set())
        told.add(model)
        return all(feed.model in told for feed in self._feeds if source in feed.sources)

    def give_up(self, model: str, sources: Iterable[str]) -> None:
        """This model has failed for good, where it has seen these sources."""
        gone = frozenset(sources)
        self._feeds = [feed for feed in self._feeds if feed.model != model or not feed.sources & gone]
