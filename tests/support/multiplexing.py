"""A multiplexer for tests: frames bear numbers, time is moved by hand."""

from __future__ import annotations

from collections import Counter

from mpipeline.clock import NS_PER_S
from mpipeline.inference_pipeline.multiplexer import Item, Multiplexer, Rules
from mpipeline.inference_pipeline.windows import Window

Found = list[tuple[int, int]]


BY_NATURE = Rules()


class Bench:
    """A multiplexer over sources that are files unless told otherwise; frames bear numbers."""

    def __init__(
        self,
        sources: int = 2,
        *,
        live: tuple[int, ...] = (),
        rules: Rules = BY_NATURE,
        window: Window | None = None,
        limit: float | None = None,
        staleness_s: float | None = None,
        rate: float = 25.0,
    ) -> None:
        self.now = NS_PER_S
        staleness_ns = None if staleness_s is None else int(staleness_s * NS_PER_S)
        self.made = Multiplexer([rules] * sources, window, limit, staleness_ns)
        for source in live:
            self.made.describe(source, live=True, rate=rate)
        self.made.begin(self.now)

    def offer(self, source: int, *numbers: int) -> None:
        for number in numbers:
            self.made.offer(Item(source, self.now, number), self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += round(seconds * NS_PER_S)

    def take(self) -> Found | None:
        """Source and number of each frame of the batch."""
        items = self.made.take(self.now)
        if items is None:
            return None
        self.made.begin(self.now)
        return [(item.source, item.content) for item in items]

    def take_all(self) -> list[Found]:
        return list(iter(self.take, None))

    def causes(self) -> Counter[str]:
        return Counter(cause for _, cause in self.made.dropped())

    def waits_s(self) -> float | None:
        due = self.made.due_ns(self.now)
        return None if due is None else max(0.0, (due - self.now) / NS_PER_S)
