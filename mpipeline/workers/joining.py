"""Puts together what several models have found in one frame, for a sink that makes one thing of a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mpipeline.errors import PredictionRejected, ProtocolError
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.workers.feeds import Feed
from mpipeline.workers.read_rings import ReadRings


@dataclass(frozen=True, slots=True)
class Share:
    """What one model has sent about a frame.

    `prediction` is None if nothing of it is to be written. `settle` is called when the frame is done: with nothing, or
    with the error if the sink has refused it for good, or with the metric that counts such as were left out.
    """

    frame: FrameMeta
    prediction: Prediction | None
    lease: Lease | None
    settle: Callable[[Exception | str], None]

    def close(self, outcome: Exception | str = "") -> None:
        """The frame is done."""
        if self.lease is not None:
            self.lease.release()
        self.settle(outcome if self.prediction is not None else "")


class Joint:
    """Keeps the shares of a frame until each model that sees its source has come to it, then writes them together.

    Of one model frames come in the order of their ids: one that has sent a later frame, or is done with the source, has
    left this one out. A source's frames are written in order, each once.

    Under `every_frame` a frame waits for as long as it takes; its slot is held meanwhile, so the ring bounds how many
    wait. Of a live stream somewhat less than half a ring may wait, or there would be no room for new frames: then the
    oldest is written with what is there, and what comes later for it is refused.
    """

    def __init__(self, sink: Any, feeds: Iterable[Feed]) -> None:
        feeds = list(feeds)
        sources = {source for feed in feeds for source in feed.sources}
        self._write: Callable[[list[Prediction], Any], object] = sink.write_together
        self._models = {source: [feed.model for feed in feeds if source in feed.sources] for source in sources}
        self._waiting: dict[str, dict[int, dict[str, Share]]] = {source: {} for source in sources}
        self._most: dict[str, int] = {}  # live source → how many of its frames may wait
        self._reached: dict[tuple[str, str], int] = {}  # source and model → its last frame that has come
        self._ended: set[tuple[str, str]] = set()
        self._gone = {(source, feed.model) for feed in feeds if feed.is_over for source in feed.sources}
        self._is_finished = False
        self._done: dict[str, int] = {}

    def begin(self, written: Mapping[str, int]) -> None:
        """Source → last frame that a predecessor has written."""
        self._done.update(written)

    def has(self, model: str, frame: FrameMeta) -> bool:
        """Whether this share has come before: it was sent again, by an inference process that is new."""
        return frame.frame_id <= self._reached.get((frame.source, model), 0)

    def add(self, model: str, share: Share, rings: ReadRings) -> bool:
        """Takes a share; `rings` are those that this model's frames are in. False if its frame is written already."""
        source, frame_id = share.frame.source, share.frame.frame_id
        self._reached[source, model] = frame_id
        if live := [ring.reader.descriptor.slots for ring in rings.of(source) if not ring.every_frame]:
            self._most[source] = max(1, min(live) // 2 - 1)
        if frame_id <= self._done.get(source, 0):
            share.close("predictions_late")
            return False
        self._waiting[source].setdefault(frame_id, {})[model] = share
        return True

    def end(self, source: str, model: str) -> None:
        """This model has nothing more of the source."""
        self._ended.add((source, model))

    def give_up(self, model: str, sources: Iterable[str]) -> None:
        """Nothing more comes from this model, of these sources."""
        self._gone.update((source, model) for source in sources)

    def finish(self) -> None:
        """Nothing more comes from any model: what waits is due."""
        self._is_finished = True

    def forget(self, source: str) -> None:
        """A ring of this source is damaged: what waits cannot be looked at, and comes again if it must not be lost."""
        for model in self._models.get(source, ()):
            self._reached.pop((source, model), None)
            self._ended.discard((source, model))
        self._waiting.get(source, {}).clear()

    @property
    def is_due(self) -> bool:
        """Whether a frame can be written."""
        return any(self._next(source) is not None for source in self._waiting)

    def advance(self) -> None:
        """Writes all that can be. After a SinkError that is retryable it is called again, and begins with the same."""
        for source in self._waiting:
            while (frame_id := self._next(source)) is not None:
                self._write_frame(source, frame_id)

    def _next(self, source: str) -> int | None:
        """The frame of a source that is to be written now."""
        waiting = self._waiting[source]
        first = min(waiting, default=None)
        if first is None or len(waiting) > self._most.get(source, len(waiting)):
            return first
        return first if all(self._is_past(source, model, first) for model in self._models[source]) else None

    def _is_past(self, source: str, model: str, frame_id: int) -> bool:
        """Whether this model has sent all that it will of frames up to this one."""
        is_over = self._is_finished or (source, model) in self._gone or (source, model) in self._ended
        return is_over or self._reached.get((source, model), 0) >= frame_id

    def _write_frame(self, source: str, frame_id: int) -> None:
        by_model = self._waiting[source][frame_id]
        shares = [by_model[model] for model in self._models[source] if model in by_model]
        found = [share.prediction for share in shares if share.prediction is not None]
        outcome: Exception | str = ""
        try:
            if found:
                self._write(found, next((share.lease.frame for share in shares if share.lease is not None), None))
        except (PredictionRejected, ProtocolError) as error:
            outcome = error
        del self._waiting[source][frame_id]
        self._done[source] = frame_id
        for share in shares:
            share.close(outcome)
