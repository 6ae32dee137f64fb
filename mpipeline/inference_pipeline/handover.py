"""Between the two callbacks: a place for one batch, which waits for the sink or is waited for."""

from __future__ import annotations

import threading
from collections import deque

from mpipeline.inference_pipeline.batches import Batch

_MOST = 1  # more would only be older when the sink gets it


class Handover:
    """`put` in one thread, `next` in another; `end` after the last batch, or `close` to give up what is there."""

    def __init__(self) -> None:
        self.is_closed = False
        self._news = threading.Condition()
        self._batches: deque[Batch] = deque()
        self._has_ended = False

    def put(self, batch: Batch) -> None:
        """Waits for room."""
        with self._news:
            while len(self._batches) >= _MOST and not self.is_closed:
                self._news.wait()
            if not self.is_closed:
                self._batches.append(batch)
                self._news.notify_all()
                return
        batch.settle()

    def next(self) -> Batch | None:
        """Waits for the next batch; None when there will be no more."""
        with self._news:
            while not self.is_closed:
                batch = self._batches.popleft() if self._batches else None
                if batch is not None:
                    self._news.notify_all()
                    return batch
                if self._has_ended:
                    break
                self._news.wait()
        return None

    def end(self) -> None:
        """Nothing more will be put."""
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def close(self) -> None:
        """Gives back what is there, and what is still put; harmless when repeated."""
        with self._news:
            self.is_closed = True
            left = list(self._batches)
            self._batches.clear()
            self._news.notify_all()
        for batch in left:
            batch.settle()
