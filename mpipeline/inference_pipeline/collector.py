"""Where the intake's thread leaves frames and the pipeline's thread finds batches of them."""

from __future__ import annotations

import threading
from collections import deque

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.multiplexer import Item, Multiplexer
from mpipeline.prediction import Prediction

_LONGEST_WAIT_S = 1.0

Arrival = tuple[Prediction, Loan]


class Collector:
    """A multiplexer with a lock, a clock and somebody who waits.

    `close` ends it: what waits is given back, what still comes too, and `next` gives None.
    """

    def __init__(self, multiplexer: Multiplexer, clock: Clock) -> None:
        self._multiplexer = multiplexer
        self._clock = clock
        self._news = threading.Condition()
        self._ended: deque[int] = deque()
        self._is_closed = False

    def offer(self, source: int, prediction: Prediction, loan: Loan) -> None:
        """A frame has come."""
        now = self._clock.monotonic_ns()
        with self._news:
            if not self._is_closed:
                self._multiplexer.offer(Item(source, prediction.frame.captured_ns, (prediction, loan)), now)
                self._news.notify()
                return
        loan.settle()

    def describe(self, source: int, live: bool, rate: float) -> None:
        """What an open source is."""
        with self._news:
            self._multiplexer.describe(source, live, rate)

    def set_away(self, source: int, away: bool) -> None:
        """Whether a frame can be expected of this source at present."""
        with self._news:
            self._multiplexer.set_away(source, away)
            self._news.notify()

    def end(self, source: int) -> None:
        """No further frame of this source will come."""
        with self._news:
            self._multiplexer.end(source)
            self._ended.append(source)
            self._news.notify()

    def next(self) -> tuple[list[Item], list[tuple[Item, str]], list[int]] | None:
        """Waits for a batch, for frames that were dropped with the causes, or for sources that have ended.

        None when all of them have and nothing is left, or after `close`. The drops are the caller's to settle.
        """
        with self._news:
            self._multiplexer.begin(self._clock.monotonic_ns())
            while not self._is_closed:
                now = self._clock.monotonic_ns()
                items = self._multiplexer.take(now) or []
                dropped = self._multiplexer.dropped()
                ended = [self._ended.popleft() for _ in range(len(self._ended))]
                if items or dropped or ended:
                    return items, dropped, ended
                if self._multiplexer.is_over:
                    return None
                due = self._multiplexer.due_ns(now)
                wait_s = _LONGEST_WAIT_S if due is None else max(0.0, (due - now) / NS_PER_S)
                self._news.wait(min(wait_s, _LONGEST_WAIT_S))
            return None

    def close(self) -> None:
        """Ends the waiting; harmless when repeated."""
        with self._news:
            self._is_closed = True
            left = self._multiplexer.clear() + [item for item, _ in self._multiplexer.dropped()]
            self._news.notify_all()
        for item in left:
            item.content[1].settle()
