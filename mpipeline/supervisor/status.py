"""A run at one moment, for people and programs that watch it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mpipeline.messages import RingRequest
from mpipeline.supervisor.attachments import Attachment
from mpipeline.supervisor.child import Child
from mpipeline.supervisor.plan import Plan, decoder_name


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `frames` were published, `predicted` reached inference; `dropped` by reason."""

    name: str
    state: str
    reason: str = ""
    detail: str = ""
    live: bool = False
    width: int = 0
    height: int = 0
    rate: float = 0.0
    frame_count: int = 0
    frames: int = 0
    decode_errors: int = 0
    reconnects: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process."""

    name: str
    role: str
    state: str
    pid: int
    restarts: int
    progress: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Everything. `phase` is running, stopping or over."""

    name: str
    phase: str
    sources: tuple[SourceStatus, ...]
    workers: tuple[WorkerStatus, ...]
    metrics: Mapping[str, Mapping[str, float]]
    attached: tuple[str, ...] = ()

    @property
    def frames_inferred(self) -> int:
        """Frames that have gone through the model."""
        return int(sum(_sum(m, "frames_inferred") for m in self.metrics.values()))


def describe(
    plan: Plan,
    phase: str,
    children: Mapping[str, Child],
    streams: Mapping[str, RingRequest],
    attached: Sequence[Attachment],
) -> RunStatus:
    """The status of a run from what its supervisor knows."""
    sources = tuple(
        _source(spec.name, children[decoder_name(spec.name)], streams.get(spec.name)) for spec in plan.config.sources
    )
    workers = tuple(
        WorkerStatus(
            child.name,
            child.plan.role.value,
            child.state.value,
            child.pid,
            child.restarts,
            child.heartbeat.progress if child.heartbeat is not None else 0,
            child.failure,
        )
        for child in children.values()
    )
    metrics = {child.name: child.metrics() for child in children.values()}
    return RunStatus(plan.config.name, phase, sources, workers, metrics, tuple(a.name for a in attached))


def _source(name: str, child: Child, stream: RingRequest | None) -> SourceStatus:
    metrics = child.metrics()
    last = child.bye if child.bye is not None else child.heartbeat
    state, reason, detail = (last.state, last.reason, last.detail) if last is not None else ("", "", "")
    if child.state.value == "FATAL":
        state, detail = "FAILED", detail or child.failure
    format = stream.descriptor.format if stream is not None else None
    return SourceStatus(
        name=name,
        state=state or "CONNECTING",
        reason=reason,
        detail=detail,
        live=stream.live if stream is not None else False,
        width=format.width if format is not None else 0,
        height=format.height if format is not None else 0,
        rate=stream.rate if stream is not None else 0.0,
        frame_count=stream.frame_count if stream is not None else 0,
        frames=int(_sum(metrics, "frames_published")),
        decode_errors=int(_sum(metrics, "decode_errors")),
        reconnects=int(_sum(metrics, "reconnects")),
        dropped=_by_reason(metrics, "frames_dropped"),
    )


def _sum(metrics: Mapping[str, float], name: str) -> float:
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


def _by_reason(metrics: Mapping[str, float], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in metrics.items():
        base, _, labels = key.rstrip("}").partition("{")
        if base == name:
            reason = dict(part.split("=", 1) for part in labels.split(",") if "=" in part).get("reason", "")
            found[reason] = found.get(reason, 0) + int(value)
    return found
