"""Records that wait to be sent together, and how the one is found for which a server refuses them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from mpipeline.errors import PredictionRejected

T = TypeVar("T")


class Gathered(Generic[T]):
    """A queue that is sent by at most `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = self._size = most
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """One more, behind the others."""
        self._items.append(item)

    def clear(self) -> None:
        """Forgets all."""
        self._items.clear()
        self._size = self._most

    def send(self, deliver: Callable[[list[T]], None]) -> None:
        """Hands everything to `deliver`, in order. What was taken is gone from here, whatever happens afterwards.

        If it raises PredictionRejected for several, it gets half as many, until it takes them or refuses a single one:
        that is left out and the error goes up. Other errors go up at once.
        """
        while self._items:
            batch = self._items[: self._size]
            try:
                deliver(batch)
            except PredictionRejected:
                if len(batch) > 1:
                    self._size = len(batch) // 2
                    continue
                self._drop(1)
                raise
            self._drop(len(batch))

    def _drop(self, count: int) -> None:
        del self._items[:count]
        self._size = self._most
