"""Whether a run is well: what of it is in trouble, told from its status alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mpipeline.clock import NS_PER_S
from mpipeline.messages import RETRYING, StreamState
from mpipeline.supervisor.child import ProcessState
from mpipeline.supervisor.status import RunStatus

_AT_WORK = {one.value for one in (StreamState.STREAMING, StreamState.ENDED, StreamState.PAUSED, StreamState.MUTED)}


class Health(str, Enum):
    """`degraded`: something does not work just now and is being seen to. `failed`: something is given up for good."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not well, and why, as a sentence for people."""

    health: Health
    text: str


def troubles(status: RunStatus) -> list[Trouble]:
    """All that is not well, the worst first."""
    found = [*_of_sources(status), *_of_workers(status), *_of_sinks(status)]
    return sorted(found, key=lambda trouble: trouble.health is not Health.FAILED)


def health_of(found: list[Trouble]) -> Health:
    """How a run with these troubles is."""
    return found[0].health if found else Health.OK


def beyond_repair(status: RunStatus) -> list[Trouble]:
    """What only a new start of the whole run can end: models and sinks that are given up.

    A source that has failed is none: a new start would cost the others something, and help it little.
    """
    return [trouble for trouble in _of_workers(status) if trouble.health is Health.FAILED]


class Standstill:
    """Notices that frames come all the time and a model takes none of them, for longer than so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._patience_ns = int(seconds * NS_PER_S)
        self._known: dict[str, tuple[int, int, int]] = {}  # model → frames for it, frames inferred, since when

    def look(self, status: RunStatus, now_ns: int) -> str:
        """What stands still, as a sentence; empty if nothing does. To be called every few seconds."""
        told = ""
        for model, (frames, inferred) in _work_of_models(status).items():
            had, done, since = self._known.get(model, (frames, inferred, now_ns))
            if inferred != done or frames == had:
                since = now_ns
            self._known[model] = frames, inferred, since
            if now_ns - since > self._patience_ns:
                who = f"model {model}" if model else "the model"
                told = told or f"frames come, and {who} has taken none for {(now_ns - since) // NS_PER_S} s"
        return told


def _work_of_models(status: RunStatus) -> dict[str, tuple[int, int]]:
    """Model → frames that its sources have published, and frames that it has inferred."""
    found: dict[str, tuple[int, int]] = {}
    for source in status.sources:
        for model, count in (source.by_model or {"": source.inferred}).items():
            frames, inferred = found.get(model, (0, 0))
            found[model] = frames + source.frames, inferred + count
    return found


def _of_sources(status: RunStatus) -> Iterator[Trouble]:
    for source in status.sources:
        if source.state == StreamState.FAILED.value:
            yield Trouble(Health.FAILED, _sentence(f"source {source.name}", source.state, source.reason, source.detail))
        elif source.state not in _AT_WORK:
            text = _sentence(f"source {source.name}", source.state, source.reason, source.detail)
            yield Trouble(Health.DEGRADED, text)


def _of_workers(status: RunStatus) -> Iterator[Trouble]:
    for worker in status.workers:
        if worker.state == ProcessState.FATAL.value and worker.role != "decoder":  # of which its source tells
            yield Trouble(Health.FAILED, _sentence(worker.name, worker.state, "", worker.failure))
        elif worker.state in (ProcessState.BACKOFF.value, ProcessState.STARTING.value):
            text = _sentence(worker.name, worker.state, "", worker.detail or worker.failure)
            yield Trouble(Health.DEGRADED, text)


def _of_sinks(status: RunStatus) -> Iterator[Trouble]:
    for sink in status.sinks:
        if sink.state == RETRYING:
            yield Trouble(Health.DEGRADED, _sentence(f"sink {sink.name}", sink.state, sink.reason, sink.detail))


def _sentence(who: str, state: str, reason: str, detail: str) -> str:
    why = f" ({reason})" if reason else ""
    return f"{who} is {state}{why}{': ' + detail if detail else ''}"
