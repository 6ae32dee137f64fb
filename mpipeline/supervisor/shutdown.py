"""Ends a run in the order of the flow: decoders, inference, sinks.

Each stage has its deadline, then TERM, then KILL.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping
from enum import Enum

from mpipeline.clock import NS_PER_S
from mpipeline.errors import EXIT_DONE, EXIT_FAILED
from mpipeline.messages import RETRYING, Role, StreamState
from mpipeline.supervisor.child import Child, ProcessState

logger = logging.getLogger("mpipeline.supervisor")

_DECODER_NS = 3 * NS_PER_S // 2  # a decoder may hang in a network read; killing it costs nothing, the ring is the truth
_TERM_NS = NS_PER_S // 2  # between TERM and KILL


class Phase(str, Enum):
    """Which stage is being ended. OVER: nobody is left."""

    RUNNING = "running"
    DECODERS = "stopping decoders"
    INFERENCE = "draining inference"
    SINKS = "draining sinks"
    OVER = "over"


_ROLE = {Phase.DECODERS: Role.DECODER, Phase.INFERENCE: Role.INFERENCE, Phase.SINKS: Role.SINK}
_NEXT = {Phase.DECODERS: Phase.INFERENCE, Phase.INFERENCE: Phase.SINKS, Phase.SINKS: Phase.OVER}


class Shutdown:
    """Watches for the end and brings it about. A run ends when all sources have, or when it is told to stop.

    A run that ends by itself gives inference and sinks all the time they need; one that is stopped gives each stage
    `stop_timeout` seconds.
    """

    def __init__(
        self,
        stop_timeout: float,
        children: Mapping[str, Child],
        drain: Callable[[Child], None],
        farewell: Callable[[Child], None],
    ) -> None:
        self.phase = Phase.RUNNING
        self.cut_short = False  # whether work that was in flight had to be given up
        self._stop_timeout_ns = int(stop_timeout * NS_PER_S)
        self._children = children
        self._drain = drain
        self._farewell = farewell
        self._asked: set[str] = set()  # identities that were sent DRAIN
        self._unopened: set[str] = set()  # identities that were waiting to be opened at the end
        self._deadline: int | None = None
        self._terminated = False

    def abandons(self, child: Child) -> bool:
        """Whether a worker that has ended is not needed any more, although its work was not done."""
        loading = child.ready is None and child.incarnation == 1
        ending = self.phase is not Phase.RUNNING and loading
        return ending or (self.phase is Phase.DECODERS and child.plan.role is Role.DECODER) or self._terminated

    def has_asked(self, child: Child) -> bool:
        """Whether this incarnation of the worker was told to finish."""
        return child.identity in self._asked

    def has_finished(self, child: Child) -> bool:
        """Whether a worker that exited with 0 had a reason to: it was told to finish, or its source has ended.

        Either way it has said goodbye behind its work, or its own code has ended the process before that. A thread
        ends by nothing else than its work, and its last words may still be on their way.
        """
        ended = child.bye is not None and child.bye.state == StreamState.ENDED.value
        said_goodbye = child.is_hosted or (child.bye is not None and child.bye.state != StreamState.FAILED.value)
        return (said_goodbye and self.has_asked(child)) or (child.plan.role is Role.DECODER and ended)

    def cannot_finish(self, child: Child) -> bool:
        """Whether a worker that was told to finish has failed in it, or hung as an incarnation before it did."""
        if not self.has_asked(child):
            return False
        told = sum(identity.rpartition("#")[0] == child.name for identity in self._asked)
        return child.exit_code in (EXIT_DONE, EXIT_FAILED) or (child.has_hung and told > 1)

    def advance(self, now: int, stop_calls: int) -> None:
        """One look: begins the end, goes on to the next stage, enforces deadlines."""
        if stop_calls >= 2 and self.phase is not Phase.OVER:
            self._end_now()
            return
        if self.phase is Phase.RUNNING and (stop_calls or self._nothing_left()):
            if stop_calls:
                logger.info("stopping: finishing what is in flight", extra={"event": "stopping"})
            self._enter(Phase.DECODERS, now, stop_calls > 0)
        while self.phase in _ROLE and all(child.is_over for child in self._stage()):
            self._enter(_NEXT[self.phase], now, stop_calls > 0)
        if self.phase not in _ROLE:
            return
        if stop_calls and self._deadline is None:
            self._deadline = now + self._stop_timeout_ns
        self._press(now, stopping=stop_calls > 0)

    def _press(self, now: int, stopping: bool) -> None:
        for child in self._stage():
            if child.state is ProcessState.BACKOFF and self.phase is Phase.DECODERS:
                self._give_up(child)
            elif stopping and child.state is ProcessState.BACKOFF:
                child.due_ns = min(child.due_ns, now)  # what it left unfinished is done now or never
            elif self._is_still_opening(child) and (stopping or _waits_to_open(child)):
                self._stop_opening(child)
            elif child.is_alive and child.ready is not None and child.identity not in self._asked:
                self._asked.add(child.identity)
                self._drain(child)
        if self._deadline is None or now < self._deadline:
            return
        late = [child for child in self._stage() if not child.is_over]
        number = signal.SIGKILL if self._terminated or self.phase is Phase.DECODERS else signal.SIGTERM
        for child in late:
            logger.warning("%s did not end in time", child.name, extra={"event": "stop_late", "worker": child.name})
            if child.state is ProcessState.BACKOFF:
                self._give_up(child)
            child.kill(number)
            self.cut_short |= self.phase is not Phase.DECODERS
        self._terminated = True
        self._deadline = now + _TERM_NS

    def _is_still_opening(self, child: Child) -> bool:
        return child.is_alive and child.ready is None and child.incarnation == 1

    def _stop_opening(self, child: Child) -> None:
        child.kill()
        self.cut_short |= child.plan.role is Role.INFERENCE and self._frames_flow()
        if _waits_to_open(child) and child.identity not in self._unopened:
            self._unopened.add(child.identity)
            self.cut_short = True
            text = "%s could not be opened before the run ended: %s"
            detail = child.heartbeat.detail if child.heartbeat is not None else ""
            logger.error(text, child.name, detail, extra={"event": "never_opened", "worker": child.name})

    def _enter(self, phase: Phase, now: int, stopping: bool) -> None:
        self.phase = phase
        self._terminated = False
        if phase is Phase.DECODERS:
            self._deadline = now + _DECODER_NS
        else:
            self._deadline = now + self._stop_timeout_ns if stopping else None

    def _end_now(self) -> None:
        # Whoever asks for that from the first has not changed his mind: that is no news.
        level = logging.INFO if self.phase is Phase.RUNNING else logging.WARNING
        logger.log(level, "ending at once", extra={"event": "killed"})
        self.cut_short = True
        for child in self._children.values():
            child.kill()
        self.phase = Phase.OVER

    def _frames_flow(self) -> bool:
        """Whether there are frames that nobody will infer if the first inference worker never gets ready."""
        beats = [child.heartbeat for child in self._of(Role.DECODER)]
        return any(beat is not None and beat.progress for beat in beats)

    def _give_up(self, child: Child) -> None:
        child.state = ProcessState.EXITED
        self._farewell(child)

    def _nothing_left(self) -> bool:
        """Whether the run cannot go on: all sources are over, or all models, or every sink has failed."""
        sinks = self._of(Role.SINK)
        return (
            all(child.is_over for child in self._of(Role.DECODER))
            or all(child.is_over for child in self._of(Role.INFERENCE))
            or (bool(sinks) and all(child.is_over for child in sinks))
        )

    def _stage(self) -> list[Child]:
        return self._of(_ROLE[self.phase])

    def _of(self, role: Role) -> list[Child]:
        return [child for child in self._children.values() if child.plan.role is role]


def _waits_to_open(child: Child) -> bool:
    """Whether it has said that it cannot be opened just now: what it would have got is lost if the run ends."""
    return child.ready is None and child.heartbeat is not None and child.heartbeat.state == RETRYING
