"""The contract of a sink: open, write, end, close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction


class Sink(Protocol):
    """A sink of one kind, made as `Kind(name, options)` and used by one thread of a process of its own.

    `wants_frames` says whether `write` gets pixels; it may depend on the options, but a False in the class is final.

    When `write` returns, the prediction must survive a crash of this process: only then is the frame acknowledged.
    Errors are SinkError; after one that is `retryable` the same `write` or `end` is called again, with back-off, until
    it succeeds: nothing of the failed call may be left, or it must be left out the second time.

    A run may have several models by name. A kind whose class says `several_models = True` gets what all of them find,
    side by side: `Prediction.model` tells whose a prediction is, and everything that counts frames counts them for each
    `Prediction.origin`. Any other kind is refused a second model for the same source, and may think of sources alone.

    A kind that makes one thing of a frame has `write_together(predictions, frame)` besides. Of several models that is
    called in place of `write`, once for each frame and in the order of their ids, with what each of them has found in
    it; those that have left the frame out are missing. `open` tells of sources alone then.

    A sink whose `close` makes its output final may have `abandon()`, called in place of it when the process ends before
    the run does: everything stays as a crash would leave it, for a successor to go on.

    A sink whose calls may take minutes may have an attribute `pulse`, a function without arguments that does nothing:
    it is replaced by one to be called again and again meanwhile, or the process is taken for one that hangs.

    A sink that sends many predictions at once has `flush()`, and `gathers`, how many that may be. Its `write` may just
    keep the record; a frame is acknowledged when the next `flush` has returned. That is called when none
    waits to be written, after `gathers` of them, and before `end`. After a `retryable` error it is called again. A
    PredictionRejected means that one was refused for good and left out; it is called again at once for the others. What
    was not flushed at `close` is left: nobody was told that it was written.

    A sink that shares its place with those of other runs has an attribute `pipeline`: it is set to the name of the run.
    """

    Options: ClassVar[type[BaseModel]]
    wants_frames: bool

    def __init__(self, name: str, options: Any) -> None: ...

    def open(self, resume: bool) -> Mapping[str, int] | None:
        """Makes ready. With `resume` a predecessor of the same run died: go on behind what it has written.

        Returns origin → frame id of the last frame that is already written for good; empty if nothing is, or if the
        sink cannot know: then a resumed run gives it every frame again. None if it keeps nothing, and need not have
        again what it had. The origin is the source where a run has one model (`Prediction.origin`), and a plain source
        will do wherever the sink gets only one model's predictions of it. Half-written remains are cut off here.
        Without `resume` older output is replaced.
        """

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Takes one prediction. Frames of an origin come in the order of their ids.

        `frame` is None if the sink does not want pixels, or if they had to be given up (a live stream that went on).
        """

    def end(self, source: str) -> None:
        """No more frames of this source will come, from any model: finish what is kept open for it.

        It is said again to a successor if this process dies before it is known to be done.
        """

    def close(self) -> None:
        """Finishes everything; harmless when repeated."""
