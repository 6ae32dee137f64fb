"""The sink loop: deliveries in, `write` calls out, pixels borrowed on demand, acknowledgements back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mpipeline.clock import Clock
from mpipeline.errors import PredictionRejected, ProtocolError, Reason, SinkError
from mpipeline.frame import Frame, FrameMeta
from mpipeline.messages import PredictionReady, RingDamaged, SourceEnded
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Prediction
from mpipeline.ring.reader import Lease
from mpipeline.sinks.sink import Sink
from mpipeline.workers.filtering import Filter
from mpipeline.workers.gathering import Gathering
from mpipeline.workers.joining import Joint, Share
from mpipeline.workers.read_rings import AttachedRing, ReadRings
from mpipeline.workers.retrying import Retrying
from mpipeline.workers.sink_account import SinkAccount
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import from_wire


class SinkLoop:
    """Writes what a subscription brings.

    `rings` are those whose pixels may be asked for; `report` hears of one that is damaged. `model` is the name of the
    model whose predictions come; a sink that takes several has a loop for each, and a `joint` for all of them if it is
    given each frame once. `is_end`, given a source and the model, says whether no other model has more of it either.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        subscription: Subscription,
        clock: Clock,
        recorder: Recorder,
        report: Callable[[RingDamaged], object] = lambda _: None,
        filter: Filter | None = None,
        model: str = "",
        is_end: Callable[[str, str], bool] = lambda source, model: True,
        joint: Joint | None = None,
    ) -> None:
        self._account = SinkAccount(name, clock, recorder)
        forget = joint.forget if joint is not None else None
        self.rings = ReadRings(report, forget, self._begin, clock, self._account.copied)
        self.retrying = Retrying(name, clock)
        self._name = name
        self._model = model
        self._is_end = is_end
        self._joint = joint
        self._sink = sink
        self._subscription = subscription
        self._filter = filter
        self._gathering = Gathering(sink)
        has = self._gathering.has if self._gathering.is_used else None
        self._has = has if joint is None else partial(joint.has, model)
        self._unfinished: tuple[Prediction | SourceEnded, Lease | None] | None = None
        self._held_up: PredictionReady | None = None  # by a ring to which this process cannot attach

    @property
    def progress(self) -> int:
        """Predictions written, or left out by `filter`."""
        return self._account.progress

    @property
    def ending(self) -> str:
        """The source whose end is to be tried again; empty if it is something else, or nothing."""
        work = self._unfinished[0] if self._unfinished is not None else None
        return work.source if isinstance(work, SourceEnded) else ""

    def is_lost(self, message: PredictionReady) -> bool:
        """Whether the pixels of this prediction were in a ring that is damaged.

        It is passed over then, and not acknowledged: under `every_frame` it comes again, behind no later one.
        """
        return message.ref is not None and self.rings.is_damaged(message.frame.source, message.ref.ring)

    def take(self, message: PredictionReady | SourceEnded) -> None:
        """Works off one delivery, or begins to: `retrying` says whether it must be tried again before the next one.

        SinkError goes up: the sink cannot go on.
        """
        self._account.summary.flush()
        if isinstance(message, SourceEnded):
            self._end(message)
        elif self._subscription.is_duplicate(message):
            self._pass_over(message, "predictions_duplicate")
            self._subscription.done(message.frame.source, message.frame.frame_id)
        elif self._has is not None and self._has(message.frame):  # sent again, by an inference process that is new
            self._pass_over(message, "predictions_duplicate")
            self._subscription.taken()
        elif self._is_held_up(message):
            self._held_up = message
            self._fail(self._lacking(message))
        else:
            self._take_new(message)

    def _end(self, message: SourceEnded) -> None:
        if self._joint is not None:
            self._joint.end(message.source, self._model)
        if self._is_end(message.source, self._model):
            self._unfinished = message, None
            self.attempt()
            return
        self._subscription.done(message.source, 0)
        self.flush()

    def _take_new(self, message: PredictionReady) -> None:
        left: Prediction | None
        try:
            left = from_wire(message, self._model)
        except ProtocolError as error:
            self._account.rejected(error)
            self._pass_over(message)
            self._done(message.frame)
            return
        if self._filter is not None and not self.is_lost(message) and (left := self._filter.thinned(left)) is None:
            self._account.filtered()
            self._pass_over(message)
            self._done(message.frame)
            return
        lease = self._borrow(message)
        if self.is_lost(message):
            self._account.count("predictions_passed_over")
            self._subscription.done(message.frame.source, 0)
            return
        if self._joint is not None:
            self._join(self._joint, message.frame, left, lease)
            return
        self._unfinished = left, lease
        self.attempt()

    def attempt(self, last: bool = False) -> None:
        """Tries the present delivery, or `flush`. What can pass leaves it for another attempt, unless it is the `last`.

        After a SinkError the pixels stay held: for the next attempt, or for the successor of this process to recover.
        """
        if self._held_up is not None:
            self._attempt_held_up(self._held_up, last)
            return
        work, lease = self._unfinished or (None, None)
        try:
            if work is None or isinstance(work, SourceEnded):
                self._flush()
            if isinstance(work, SourceEnded):
                self._sink.end(work.source)
            elif work is not None:
                self._write(work, lease.frame if lease is not None else None)
        except SinkError as error:
            if not error.retryable or last:
                raise
            self._fail(error)
            return
        self._unfinished = None
        self.retrying.succeeded()
        if lease is not None:
            lease.release()
        if isinstance(work, SourceEnded):
            self._subscription.done(work.source, 0)
        elif work is not None:
            self._done(work.frame)

    def flush(self) -> None:
        """Has what waits sent or written, as far as it can be, and acknowledged."""
        waits = not self._gathering.is_empty if self._joint is None else self._joint.is_due
        if waits and not self.retrying.is_active:
            self.attempt()

    def close(self, finished: bool = True) -> None:
        """Closes the sink, then lets go. Unless it has `finished`, a successor will go on with what is written."""
        try:
            abandon = None if finished else getattr(self._sink, "abandon", None)
            (abandon or self._sink.close)()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Lets the rings go; the sink stays open, for the loops of other models."""
        self._account.summary.flush(everything=True)
        self.retrying.close()
        self.rings.close()

    def _attempt_held_up(self, message: PredictionReady, last: bool) -> None:
        self.rings.try_again(at_once=True)
        if self._is_held_up(message):
            if last:
                raise self._lacking(message)
            self._fail(self._lacking(message))
            return
        self._held_up = None
        self.retrying.succeeded()
        self.take(message)

    def _is_held_up(self, message: PredictionReady) -> bool:
        return self._sink.wants_frames and message.ref is not None and self.rings.holds_up(message.ref.ring)

    def _lacking(self, message: PredictionReady) -> SinkError:
        source = message.frame.source
        text = f"sink {self._name} cannot see the pixels of {source}: its process has no open file or memory left"
        return SinkError(f"{text}; raise the limit (ulimit -n), or free memory", reason=Reason.FAILED, retryable=True)

    def _fail(self, error: SinkError) -> None:
        """What has failed is tried again later."""
        self._account.count("sink_retries")
        self.retrying.failed(error)

    def _begin(self, ring: AttachedRing) -> None:
        """Pixels of this ring may be asked for; what a predecessor was reading is pending again.

        Not so what is written already, by a predecessor or while this ring was not known: nobody would ask for it.
        """
        reader = ring.reader
        written = self._subscription.acknowledged.get(reader.descriptor.source, 0)
        reader.recover()
        for ref, meta in reader.pending():
            if meta.frame_id <= written:
                reader.skip(ref.slot, ref.sequence)

    def _write(self, prediction: Prediction, frame: Frame | None) -> None:
        try:
            self._sink.write(prediction, frame)
        except (PredictionRejected, ProtocolError) as error:
            self._account.rejected(error)
            return
        if self._filter is not None:
            self._filter.passed(prediction)
        if self._gathering.is_used:
            self._gathering.waiting += 1
            return
        self._account.written()

    def _join(self, joint: Joint, frame: FrameMeta, prediction: Prediction | None, lease: Lease | None) -> None:
        """Hands over this model's share of a frame, an empty one if nothing is to be written of it."""
        self._subscription.taken()
        settle = partial(self._settle, frame, prediction is not None)
        added = joint.add(self._model, Share(frame, prediction, lease, settle), self.rings)
        if added and self._filter is not None and prediction is not None:
            self._filter.passed(prediction)
        self.flush()

    def _settle(self, frame: FrameMeta, is_meant: bool, outcome: Exception | str) -> None:
        """The joint is done with a frame; `outcome` is empty, or tells why this share was left out."""
        self._subscription.acknowledge(frame.source, frame.frame_id)
        if isinstance(outcome, Exception):
            self._account.rejected(outcome)
        elif outcome:
            self._account.count(outcome)
        elif is_meant:
            self._account.written()

    def _done(self, frame: FrameMeta) -> None:
        """Worked off; acknowledged at once, or as soon as the sink has sent what it gathers."""
        if self._joint is not None:
            self._join(self._joint, frame, None, None)
            return
        if not self._gathering.is_used:
            self._subscription.done(frame.source, frame.frame_id)
            return
        self._gathering.add(frame)
        self._subscription.taken()
        if self._gathering.is_full:
            self.flush()

    def _flush(self) -> None:
        if self._joint is not None:
            self._joint.advance()
            return
        while self._gathering.waiting:
            try:
                self._gathering.send()
            except PredictionRejected as error:
                self._gathering.waiting -= 1
                self._account.rejected(error)
                continue
            self._account.written(self._gathering.waiting)
            break
        for source, frame_id in self._gathering.empty().items():
            self._subscription.acknowledge(source, frame_id)

    def _borrow(self, message: PredictionReady) -> Lease | None:
        if message.ref is None or not self._sink.wants_frames:
            return None
        lease = self.rings.acquire(message.ref)
        if lease is None and not self.is_lost(message):
            self._account.count("frames_missing")
        return lease

    def _pass_over(self, message: PredictionReady, metric: str = "") -> None:
        """Without a look at its pixels."""
        if metric:
            self._account.count(metric)
        if message.ref is not None:
            self.rings.skip(message.ref)
