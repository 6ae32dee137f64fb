"""The `console` sink: what is found, as lines for people; the first thing to look at."""

from __future__ import annotations

import errno
import logging
import os
import select
from collections import Counter
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.frame import Frame
from mpipeline.log import Summariser
from mpipeline.prediction import Prediction

_logger = logging.getLogger("mpipeline.console")

_STDOUT = 1
_LONGEST = 4096  # bytes: a pipe that is ready takes so many without waiting (PIPE_BUF)
_GONE = (errno.EPIPE, errno.EBADF)


class ConsoleOptions(BaseModel):
    """`interval`: seconds that are summed up in one line a source; 0: a line for each frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: float = Field(default=1.0, ge=0, le=3600)


@dataclass
class _Sum:
    """What was found in the frames of a source since its last line."""

    since_ns: int
    first: int
    last: int = 0
    frames: int = 0
    most: Counter[str] = field(default_factory=Counter)  # of each class in one frame
    failures: Counter[str] = field(default_factory=Counter)  # frames, by reason


class ConsoleSink:
    """Prints a line a source and interval: which frames, and of each class the most that one of them showed.

    The lines go to the standard output. If that is a terminal they go to the log, level info, which stands above the
    table of progress, unless the log leaves that level out. Nobody waits for a reader: while he does not read, or the
    disk is full, more frames are summed up; once he has gone, the run goes on without lines. Nothing is kept for a
    resumed run, and what was not printed yet dies with the process.
    """

    Options = ConsoleOptions
    wants_frames = False
    several_models = True

    def __init__(
        self, name: str, options: ConsoleOptions, clock: Clock | None = None, descriptor: int = _STDOUT
    ) -> None:
        self.name = name
        self._interval_ns = round(options.interval * NS_PER_S)
        self._clock = clock if clock is not None else SystemClock()
        self._descriptor = descriptor
        self._is_gone = False
        self._sums: dict[str, _Sum] = {}  # by origin
        self._summary = Summariser(_logger, self._clock, 60.0)

    def open(self, resume: bool) -> None:
        """Has nothing to make ready, and keeps nothing: see `Sink.open`."""

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Adds one frame, and prints its source's line when the interval is over."""
        now, meta = self._clock.monotonic_ns(), prediction.frame
        found = self._sums.setdefault(prediction.origin, _Sum(now, meta.frame_id))
        found.last, found.frames = meta.frame_id, found.frames + 1
        if prediction.failure is not None:
            found.failures[prediction.failure.reason] += 1
        found.most |= Counter(prediction.class_names())
        if now - found.since_ns >= self._interval_ns:
            self._print(prediction.origin)

    def end(self, source: str) -> None:
        """Prints what is left of a source."""
        for origin in [one for one in self._sums if source in (one, one.partition(":")[0])]:
            self._print(origin)
            self._sums.pop(origin, None)

    def close(self) -> None:
        """Prints what is left."""
        for source in list(self._sums):
            self.end(source)
        self._summary.flush(everything=True)

    def _print(self, source: str) -> None:
        """Prints a source's line, and begins the next one; if that is impossible now, this one goes on."""
        text = _line(source, self._sums[source])
        if not self._is_gone and os.isatty(self._descriptor) and _logger.isEnabledFor(logging.INFO):
            _logger.info("%s", text)
        elif not self._is_gone and not self._written(text.encode(errors="replace")[: _LONGEST - 1] + b"\n"):
            return
        del self._sums[source]

    def _written(self, line: bytes) -> bool:
        try:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            if not poll.poll(0):
                return False
            os.write(self._descriptor, line)
        except OSError as error:
            self._is_gone = error.errno in _GONE
            what = f"cannot print to the standard output: {error.strerror or error}"
            self._summary.add("lines not printed", what, sink=self.name)
            return self._is_gone
        return True


def _line(source: str, found: _Sum) -> str:
    one = found.frames == 1
    classes = ", ".join(f"{count} {name}" for name, count in sorted(found.most.items()))
    failed = "; ".join(f"{count} not inferred: {reason}" for reason, count in sorted(found.failures.items()))
    frames = f"frame {found.first}" if one else f"frames {found.first}-{found.last} ({found.frames})"
    seen = f"{'' if one else 'up to '}{classes}" if classes else "" if failed else "nothing"
    return f"{source} {frames}: {'; '.join(filter(None, (seen, failed)))}"
