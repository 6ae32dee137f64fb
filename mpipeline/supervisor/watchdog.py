"""Tells which workers hang: those that are silent, and those that have work and do not advance. Pure: no processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from mpipeline.clock import NS_PER_S
from mpipeline.config.supervision import RestartSpec
from mpipeline.messages import Role

_MOST_PAUSES = 100  # are remembered
_CONNECT_S = 120  # more than a source may take to open and to wait for a key frame: it gives up before, by itself


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of a living worker at one moment.

    `identity` is of this incarnation. `heard_ns` is when it last said anything. `at_work`: it has been ready and was
    not told to finish; before and after, it may take long. `done` is whatever changes when it finishes a piece of work.
    `owes` says what it ought to be doing, in words that follow "although"; empty if there is nothing, or if it waits
    for others with good reason; None if that cannot be told just now: such time is not counted. `connects`: it is a
    decoder that waits for a server or for a first picture.
    """

    identity: str
    role: Role
    heard_ns: int
    at_work: bool
    done: tuple[float, ...] = ()
    owes: str | None = ""
    connects: bool = False


@dataclass
class _Standing:
    """A worker that has not advanced. `stood_ns`: for how long, up to `last_ns`."""

    done: tuple[float, ...]
    last_ns: int
    stood_ns: int = 0


class Watchdog:
    """Remembers since when each worker stands still. Seconds are those of the config's `supervision`."""

    def __init__(self, spec: RestartSpec) -> None:
        self._spec = spec
        self._standing: dict[str, _Standing] = {}  # by identity
        self._pauses: deque[tuple[int, int]] = deque(maxlen=_MOST_PAUSES)  # when each was over, and how long it was

    def judge(self, look: Look, now_ns: int) -> str:
        """Why this worker hangs, in words that follow "it"; empty if it does not."""
        limit_s = self._spec.timeout(look.role.value) if look.at_work else self._spec.load_timeout
        if look.connects:
            limit_s = max(limit_s, _CONNECT_S)
        paused_ns = sum(length_ns for over_ns, length_ns in self._pauses if over_ns > look.heard_ns)
        silent_s = (now_ns - look.heard_ns - paused_ns) // NS_PER_S
        if silent_s >= limit_s:
            return f"has not been heard of for {silent_s} s"
        if not look.at_work or look.owes == "":
            self._standing.pop(look.identity, None)
            return ""
        known = self._standing.get(look.identity)
        if known is None or known.done != look.done:
            self._standing[look.identity] = _Standing(look.done, now_ns)
            return ""
        if look.owes is not None:
            known.stood_ns += now_ns - known.last_ns
        known.last_ns = now_ns
        stood_s = known.stood_ns // NS_PER_S
        if look.owes is None:
            return ""
        return f"has not advanced for {stood_s} s, although {look.owes}" if stood_s >= limit_s else ""

    def pause(self, length_ns: int, now_ns: int) -> None:
        """Nobody was looked at for so long until now: the workers may have stood still too, so nobody pays for it."""
        self._pauses.append((now_ns, length_ns))
        for standing in self._standing.values():
            standing.last_ns += length_ns

    def forget(self, identity: str) -> None:
        """This incarnation has ended."""
        self._standing.pop(identity, None)


def total(metrics: Mapping[str, float], *names: str) -> float:
    """The sum of these metrics over all their labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] in names)
