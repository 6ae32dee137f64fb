"""Whether a run is well: what of it is in trouble, told from its status alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

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
            yield Trouble(Health.DEGRADED, _sentence(worker.name, worker.state, "", worker.failure))


def _of_sinks(status: RunStatus) -> Iterator[Trouble]:
    for sink in status.sinks:
        if sink.state == RETRYING:
            yield Trouble(Health.DEGRADED, _sentence(f"sink {sink.name}", sink.state, sink.reason, sink.detail))


def _sentence(who: str, state: str, reason: str, detail: str) -> str:
    why = f" ({reason})" if reason else ""
    return f"{who} is {state}{why}{': ' + detail if detail else ''}"
