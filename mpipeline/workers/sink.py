"""The sink loop: deliveries in, `write` calls out, pixels borrowed on demand, acknowledgements back."""

from __future__ import annotations

import logging

from mpipeline.clock import Clock
from mpipeline.errors import PredictionRejected, ProtocolError, SinkError
from mpipeline.frame import Frame
from mpipeline.log import Summariser
from mpipeline.messages import PredictionReady, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.reader import Lease, RingReader
from mpipeline.sinks.sink import Sink
from mpipeline.workers.retrying import Retrying
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import from_wire

logger = logging.getLogger("mpipeline.sink")

_HOPELESS = 50  # predictions rejected in a row, after which the sink has failed


class SinkLoop:
    """Writes what a subscription brings. `progress` counts predictions written."""

    def __init__(self, name: str, sink: Sink, subscription: Subscription, clock: Clock, recorder: Recorder) -> None:
        self.progress = 0
        self.retrying = Retrying(name, clock)
        self._name = name
        self._sink = sink
        self._subscription = subscription
        self._recorder = recorder
        self._summary = Summariser(logger, clock)
        self._rings: dict[str, RingReader] = {}
        self._rejected_in_row = 0
        self._unfinished: tuple[PredictionReady | SourceEnded, Lease | None] | None = None

    def attach(self, reader: RingReader) -> None:
        """Pixels of this ring may be asked for; what a predecessor was reading is pending again.

        Not so what is written already, by a predecessor or while this ring was not known: nobody would ask for it.
        """
        segment = reader.descriptor.segment
        if segment in self._rings:
            reader.close()
            return
        reader.recover()
        written = self._subscription.acknowledged.get(reader.descriptor.source, 0)
        for ref, meta in reader.pending():
            if meta.frame_id <= written:
                reader.skip(ref.slot, ref.sequence)
        self._rings[segment] = reader

    @property
    def ending(self) -> str:
        """The source whose end is to be tried again; empty if it is something else, or nothing."""
        message = self._unfinished[0] if self._unfinished is not None else None
        return message.source if isinstance(message, SourceEnded) else ""

    def knows(self, segment: str) -> bool:
        """Whether this ring is attached."""
        return segment in self._rings

    def retire(self, segment: str) -> None:
        """No pixels will be asked for of this ring any more."""
        if (reader := self._rings.pop(segment, None)) is not None:
            reader.close()

    def take(self, message: PredictionReady | SourceEnded) -> None:
        """Works off one delivery, or begins to: `retrying` says whether it must be tried again before the next one.

        SinkError goes up: the sink cannot go on.
        """
        self._summary.flush()
        if isinstance(message, PredictionReady) and self._subscription.is_duplicate(message):
            self._count("predictions_duplicate")
            self._skip(message)
            self._subscription.done(message.frame.source, message.frame.frame_id)
            return
        lease = self._borrow(message) if isinstance(message, PredictionReady) else None
        self._unfinished = message, lease
        self.attempt()

    def attempt(self, last: bool = False) -> None:
        """Tries the present delivery. A failure that can pass leaves it for another attempt, unless this is the `last`.

        After a SinkError the pixels stay held: for the next attempt, or for the successor of this process to recover.
        """
        assert self._unfinished is not None
        message, lease = self._unfinished
        try:
            if isinstance(message, SourceEnded):
                self._sink.end(message.source)
            else:
                self._write(message, lease.frame if lease is not None else None)
        except SinkError as error:
            if not error.retryable or last:
                raise
            self._count("sink_retries")
            self.retrying.failed(error)
            return
        self._unfinished = None
        self.retrying.succeeded()
        if lease is not None:
            lease.release()
        if isinstance(message, SourceEnded):
            self._subscription.done(message.source, 0)
        else:
            self._subscription.done(message.frame.source, message.frame.frame_id)

    def close(self, finished: bool = True) -> None:
        """Closes the sink, then the rings. Unless it has `finished`, a successor will go on with what is written."""
        self._summary.flush(everything=True)
        self.retrying.close()
        try:
            abandon = None if finished else getattr(self._sink, "abandon", None)
            (abandon or self._sink.close)()
        finally:
            for reader in self._rings.values():
                reader.close()
            self._rings.clear()

    def _write(self, message: PredictionReady, frame: Frame | None) -> None:
        try:
            self._sink.write(from_wire(message), frame)
        except (PredictionRejected, ProtocolError) as error:
            self._rejected_in_row += 1
            self._count("sink_errors")
            self._summary.add("rejected predictions", str(error), sink=self._name)
            if self._rejected_in_row >= _HOPELESS:
                raise SinkError(f"{self._rejected_in_row} predictions in a row were rejected, last: {error}") from error
            return
        self.progress += 1
        self._rejected_in_row = 0
        self._count("predictions_written")

    def _borrow(self, message: PredictionReady) -> Lease | None:
        if message.ref is None or not self._sink.wants_frames:
            return None
        reader = self._rings.get(message.ref.ring)
        lease = reader.acquire(message.ref.slot, message.ref.sequence) if reader is not None else None
        if lease is None:
            self._count("frames_missing")
        return lease

    def _count(self, metric: str) -> None:
        self._recorder.add(metric, sink=self._name)

    def _skip(self, message: PredictionReady) -> None:
        if message.ref is not None and (reader := self._rings.get(message.ref.ring)) is not None:
            reader.skip(message.ref.slot, message.ref.sequence)
