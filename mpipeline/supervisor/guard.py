"""Looks after the living workers: ends those that hang and those that use more than they are allowed to."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from mpipeline.clock import NS_PER_S
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import Reason
from mpipeline.messages import FINISHING, RETRYING, Role, StreamState
from mpipeline.supervisor.child import Child, Sentence
from mpipeline.supervisor.usage import UsageWatch
from mpipeline.supervisor.watchdog import Look, Watchdog, total

logger = logging.getLogger("mpipeline.supervisor")

_LOOK_NS = NS_PER_S
_TERM_NS = 3 * NS_PER_S  # from TERM to KILL: a worker needs a moment to close what it has open
_PAUSE_NS = 5 * NS_PER_S  # who has not looked for so long was not running: the machine or its container stood still
_DONE = {
    Role.DECODER: ("frames_decoded", "frames_skipped", "frames_published", "frames_dropped"),
    Role.INFERENCE: ("frames_inferred", "frames_failed", "frames_dropped"),
    Role.SINK: ("predictions_written", "predictions_filtered", "predictions_duplicate", "sink_errors"),
}
_CONNECTING = (StreamState.CONNECTING.value, StreamState.RECONNECTING.value)


class Guard:
    """Call `look` for each living worker as often as you like; `owes(child, now_ns)` says what it ought to be doing."""

    def __init__(self, spec: RestartSpec, owes: Callable[[Child, int], str | None]) -> None:
        self.usage = UsageWatch(spec)
        self._watchdog = Watchdog(spec)
        self._owes = owes
        self._looked_ns = 0  # when anyone was looked at last
        self._next_ns: dict[str, int] = {}  # identity → when it is looked at again, or killed if it was sentenced
        if self.usage.is_missing:
            logger.warning("memory and processor limits need /proc: they are not watched", extra={"event": "no_proc"})

    def look(self, child: Child, at_work: bool, now_ns: int) -> None:
        """Ends the worker if it has to be ended. `at_work`: it is ready, and was not told to finish.

        Not a hosted one: code of the calling program runs there, which may be in a debugger, and shares its memory.
        """
        if child.is_hosted:
            return
        if self._looked_ns and now_ns - self._looked_ns > _PAUSE_NS:
            self._watchdog.pause(now_ns - self._looked_ns, now_ns)
        self._looked_ns = now_ns
        if now_ns < self._next_ns.get(child.identity, 0):
            return
        self._next_ns[child.identity] = now_ns + _LOOK_NS
        if child.sentence is not None:
            child.kill()  # TERM was not enough, or the kernel takes its time
            return
        over = self.usage.look(child.pid, child.plan.role, now_ns)
        hang = self._watchdog.judge(self._seen(child, at_work, now_ns), now_ns)
        if hang:
            self._sentence(child, Sentence(Reason.STALLED, hang), "worker_stalled")
            child.kill()
        elif over is not None:
            self._sentence(child, Sentence(*over), "worker_over_limit")
            self._next_ns[child.identity] = now_ns + _TERM_NS
            child.kill(signal.SIGTERM)

    def forget(self, child: Child) -> None:
        """This incarnation is about to be buried."""
        self._next_ns.pop(child.identity, None)
        self._watchdog.forget(child.identity)
        self.usage.forget(child.pid)

    def _seen(self, child: Child, at_work: bool, now_ns: int) -> Look:
        beat, role = child.heartbeat, child.plan.role
        at_work = at_work and (beat is None or beat.state != FINISHING)
        connects = role is Role.DECODER and (beat is None or beat.state in _CONNECTING)
        if beat is None or not at_work or connects or beat.state == RETRYING:
            return Look(child.identity, role, child.heard_ns, at_work, connects=connects)
        done = (float(beat.progress), total(beat.metrics, *_DONE[role]))
        return Look(child.identity, role, child.heard_ns, at_work, done, self._owes(child, now_ns))

    def _sentence(self, child: Child, sentence: Sentence, event: str) -> None:
        child.sentence = sentence
        fields = {"event": event, "worker": child.name, "reason": sentence.reason.value}
        logger.error("%s %s: ending it", child.name, sentence.text, extra=fields)
