"""Frames into the model so that a bad one costs only itself, whether it makes the engine raise or kills the process.

A batch that raises is tried again frame by frame. Frames in which a predecessor of this process has died are suspects:
each goes into the model alone, and one that killed it there again is not tried any more. Either way the frame yields an
explicit failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import BackendError, GpuLost, Reason
from mpipeline.frame import Frame
from mpipeline.log import Summariser
from mpipeline.metrics.recorder import Recorder
from mpipeline.prediction import Failure, Findings, Prediction
from mpipeline.ring.reader import Lease
from mpipeline.workers.journal import Journal
from mpipeline.workers.predictor import Predictor, Work

logger = logging.getLogger("mpipeline.inference")

_HOPELESS = 30  # failed frames in a row, none good between them, after which the worker gives up
_MOST_DEATHS = 2  # once in a batch, where others may be guilty, and once alone
_RAISED = "inference_failed"
_NO_NUMBER = "the model gave a box, a key point or a score that is no finite number"
_PATIENCE_NS = NS_PER_S  # after which a batch is waited for, and no sign of life is given before it is through

_Key = tuple[str, int]  # source, frame id


@dataclass(frozen=True, slots=True)
class Attempt:
    """Leases whose frames go through the model, since when; without `work` they go once their predictions are taken."""

    leases: Sequence[Lease]
    since_ns: int
    work: Work | None

    @property
    def is_through(self) -> bool:
        """Whether taking its predictions does not wait for other threads."""
        return self.work is None or self.work.is_done()


class Trials:
    """Calls the predictor, keeps the journal, turns what goes wrong into failures.

    `ended` is called by some thread when frames that were begun are through.
    """

    def __init__(
        self,
        predictor: Predictor,
        journal: Journal,
        clock: Clock,
        recorder: Recorder,
        ended: Callable[[], object] | None = None,
    ) -> None:
        self._predictor = predictor
        self._journal = journal
        self._clock = clock
        self._recorder = recorder
        self._summary = Summariser(logger, clock)
        self._ended = ended
        self._in_model: list[Sequence[_Key]] = []
        self._through_ns = 0  # when the last of them came out
        self._failures_in_row = 0
        self._is_lost = False
        self._done: dict[str, int] = {}  # source → highest frame id that was answered

    @property
    def has_suspects(self) -> bool:
        """Whether there are frames that are, or were not long ago, inferred alone."""
        return self._journal.has_suspects

    def begin(self, leases: Sequence[Lease], loose: Sequence[Lease] = ()) -> Attempt:
        """Puts the frames into the model. Its threads, if it has any, work on them when this returns.

        Of the leases those that are `loose` are released as soon as the model needs no pixels of theirs any more.
        """
        now = self._clock.monotonic_ns()
        return Attempt(leases, now, None if self._journal.has_suspects else self._put_in(leases, loose))

    def is_overdue(self, attempt: Attempt) -> bool:
        """Whether the attempt's predictions are to be waited for.

        That keeps the worker from saying that it is well: to its supervisor a model that hangs looks as it does in a
        worker that has no threads for it.
        """
        return not attempt.is_through and self._clock.monotonic_ns() - attempt.since_ns > _PATIENCE_NS

    def predictions(self, attempt: Attempt) -> Iterator[Prediction]:
        """One prediction for each lease, in order, each as early as it is known.

        Raises BackendError if nothing has worked for many frames: the worker is better started anew. Raises GpuLost as
        the predictor does; what is in the model then stays in the journal, as if the process had died of it.
        """
        groups = self._groups(attempt.leases) if attempt.work is None else [attempt.leases]
        for group in groups:
            deaths = self._deaths(group[0])
            if deaths >= _MOST_DEATHS:
                found = [self._condemned(group[0], deaths)]
            else:
                found = self._infer(attempt if attempt.work is not None else self._attempt(group))
            for prediction in found:
                self._done[prediction.frame.source] = prediction.frame.frame_id
                yield prediction

    def settle(self, source: str, oldest_owed: int | None) -> None:
        """Forgets the suspects of `source` that are through: answered, and acknowledged by every sink that must.

        `oldest_owed` is the first frame that still waits for an acknowledgement. Until then a crash makes this worker
        answer it again, and must find what is known of it.
        """
        last = self._done.get(source, 0)
        self._journal.forget(source, last if oldest_owed is None else min(last, oldest_owed - 1))

    def left(self, source: str) -> set[int]:
        """The frames of `source` that were in the model when the process before this one ended; told once."""
        return self._journal.left(source)

    def forget(self, source: str) -> None:
        """What was answered of this source may come again."""
        self._done.pop(source, None)

    def flush(self) -> None:
        """Lets the log summary out if it is time."""
        self._summary.flush()

    def close(self) -> None:
        """Closes predictor and journal."""
        self._summary.flush(everything=True)
        try:
            self._predictor.close()
            if not self._is_lost:
                self._in_model.clear()  # the process ends in order, and none of them is to blame for it
                self._note()
        finally:
            self._journal.close()

    def _groups(self, leases: Sequence[Lease]) -> Iterator[Sequence[Lease]]:
        """What goes into the model together: all of it, but a suspect alone."""
        if not self._journal.has_suspects:
            yield leases
            return
        together: list[Lease] = []
        for lease in leases:
            if not self._deaths(lease):
                together.append(lease)
                continue
            if together:
                yield together
            together = []
            yield [lease]
        if together:
            yield together

    def _deaths(self, lease: Lease) -> int:
        return self._journal.deaths(lease.frame.meta.source, lease.frame.meta.frame_id)

    def _infer(self, attempt: Attempt) -> list[Prediction]:
        leases = attempt.leases
        try:
            found = self._outcome(attempt)
        except GpuLost:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - engines raise what they like, and call sys.exit
            if len(leases) == 1:
                return [self._failed(leases[0], error)]
            text = f"a batch of {len(leases)} failed, going on frame by frame: {error}"
            self._summary.add("failed batches", text)
            return self._infer_singly(leases, error)
        now = self._clock.monotonic_ns()
        # The engine turned to these when it was through with those before.
        self._recorder.add("inference_seconds", (now - max(attempt.since_ns, self._through_ns)) / NS_PER_S)
        self._through_ns = now
        return [self._told(*each) for each in found]

    def _infer_singly(self, leases: Sequence[Lease], cause: BaseException) -> list[Prediction]:
        predictions = []
        for lease in leases:
            try:
                if not lease.is_held:
                    raise BackendError(f"its batch failed, and its pixels were given back: {cause}") from cause
                found = self._outcome(self._attempt([lease]))
            except GpuLost:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
                predictions.append(self._failed(lease, error))
            else:
                predictions += [self._told(*each) for each in found]
        return predictions

    def _attempt(self, leases: Sequence[Lease]) -> Attempt:
        return Attempt(leases, self._clock.monotonic_ns(), self._put_in(leases))

    def _put_in(self, leases: Sequence[Lease], loose: Sequence[Lease] = ()) -> Work:
        self._in_model.append(_keys(leases))
        self._note()
        try:
            return self._predictor.begin([lease.frame for lease in leases], self._ended, partial(_release, loose))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
            return Work.failed(error)

    def _note(self) -> None:
        if self._in_model:
            self._journal.enter([key for keys in self._in_model for key in keys])
        else:
            self._journal.leave()

    def _outcome(self, attempt: Attempt) -> list[tuple[Lease, Findings]]:
        assert attempt.work is not None
        try:
            found = attempt.work.findings()
        except GpuLost:
            self._is_lost = True
            raise
        finally:
            if not self._is_lost:
                self._in_model.remove(_keys(attempt.leases))
                self._note()
        return list(zip(attempt.leases, found, strict=True))

    def _told(self, lease: Lease, findings: Findings) -> Prediction:
        """What is no number is so whenever it is tried, and spoils no other frame."""
        if not findings.is_finite:
            return self._failed(lease, BackendError(_NO_NUMBER))
        self._failures_in_row = 0
        return Prediction.of(lease.frame.meta, findings)

    def _failed(self, lease: Lease, error: Exception | SystemExit) -> Prediction:
        meta = lease.frame.meta
        self._failures_in_row += 1
        self._recorder.add("frames_failed", reason=_RAISED, source=meta.source)
        self._summary.add("failed frames", f"{meta.source}: {type(error).__name__}: {error}", source=meta.source)
        if self._failures_in_row >= _HOPELESS:
            raise BackendError(f"{self._failures_in_row} frames in a row failed, last: {error}") from error
        return Prediction(meta, None, Failure(_RAISED, f"{type(error).__name__}: {error}"))

    def _condemned(self, lease: Lease, deaths: int) -> Prediction:
        meta = lease.frame.meta
        self._recorder.add("frames_failed", reason=Reason.CRASHED.value, source=meta.source)
        message = f"the model's process died {deaths} times with this frame in it: it was not tried again"
        fields = {"event": "frame_given_up", "source": meta.source, "reason": Reason.CRASHED.value}
        logger.error("frame %d of %s: %s", meta.frame_id, meta.source, message, extra=fields)
        return Prediction(meta, None, Failure(Reason.CRASHED.value, message))


def _release(leases: Sequence[Lease], frames: Sequence[Frame]) -> None:
    """Releases those leases that are on one of the frames."""
    for lease in leases:
        if lease.frame in frames:
            lease.release()


def _keys(leases: Sequence[Lease]) -> list[_Key]:
    return [(lease.frame.meta.source, lease.frame.meta.frame_id) for lease in leases]
