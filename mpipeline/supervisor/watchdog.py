"""Tells which workers hang: those that are silent, and those that have work and do not advance. Pure: no processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpipeline.clock import NS_PER_S
from mpipeline.config.supervision import RestartSpec
from mpipeline.messages import Role

_CONNECT_S = 120  # more than a source may take to open and to wait for a key frame: it gives up before, by itself


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a living worker at one moment.

    `identity` is of this incarnation. `heard_ns` is when it last said anything. `at_work`: it has been ready and was
    not told to finish; before and after, it may take long. `done` is whatever changes when it finishes a piece of work.
    `owes` says what it ought to be doing, in words that follow "although"; empty if there is nothing, or if it waits
    for others with good reason. `connects`: it is a decoder that waits for a server or for a first picture.
    """

    identity: str
    role: Role
    heard_ns: int
    at_work: bool
    done: tuple[float, ...] = ()
    owes: str = ""
    connects: bool = False


class Watchdog:
    """Remembers since when each worker stands still. Seconds are those of the config's `supervision`."""

    def __init__(self, spec: RestartSpec) -> None:
        self._spec = spec
        self._standing: dict[str, tuple[tuple[float, ...], int]] = {}  # identity → what it had done, since when

    def judge(self, look: Look, now_ns: int) -> str:
        """Why this worker hangs, in words that follow "it"; empty if it does not."""
        limit_s = self._spec.timeout(look.role.value) if look.at_work else self._spec.load_timeout
        if look.connects:
            limit_s = max(limit_s, _CONNECT_S)
        silent_s = (now_ns - look.heard_ns) // NS_PER_S
        if silent_s >= limit_s:
            return f"has not been heard of for {silent_s} s"
        if not look.at_work or not look.owes:
            self._standing.pop(look.identity, None)
            return ""
        known = self._standing.get(look.identity)
        if known is None or known[0] != look.done:
            self._standing[look.identity] = (look.done, now_ns)
            return ""
        stood_s = (now_ns - known[1]) // NS_PER_S
        return f"has not advanced for {stood_s} s, although {look.owes}" if stood_s >= limit_s else ""

    def forget(self, identity: str) -> None:
        """This incarnation has ended."""
        self._standing.pop(identity, None)


def total(metrics: Mapping[str, float], *names: str) -> float:
    """The sum of these metrics over all their labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] in names)
