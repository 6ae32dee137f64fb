"""A run at one moment, for people and programs that watch it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mpipeline.clock import NS_PER_S
from mpipeline.errors import Reason
from mpipeline.messages import RingRequest, StreamState
from mpipeline.metrics.recorder import parse_key
from mpipeline.supervisor.attachments import Attachment
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.plan import Plan, decoder_name

Metrics = Mapping[str, float]

_STALLED_NS = 2 * NS_PER_S  # without a sign of its work loop, which waits for the next frame then
_STALLED_FRAMES = 4  # or the time of so many frames, if that is longer


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `frames` were published, `inferred` went through the model; `dropped` by reason, wherever it was."""

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
    inferred: int = 0
    decode_errors: int = 0
    reconnects: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process. `memory_mb`: memory of its own, rings left out, in MB; `cpu`: share of one core, lately.

    Both are 0 before the first look, and where there is no /proc to look into.
    """

    name: str
    role: str
    state: str
    pid: int
    restarts: int
    progress: int
    failure: str = ""
    memory_mb: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Everything. `phase` is one of `shutdown.Phase`: running, a stage of the end, over."""

    name: str
    phase: str
    sources: tuple[SourceStatus, ...]
    workers: tuple[WorkerStatus, ...]
    metrics: Mapping[str, Mapping[str, float]]
    attached: tuple[str, ...] = ()

    @property
    def frames_inferred(self) -> int:
        """Frames that have gone through the model."""
        return sum(source.inferred for source in self.sources)


def describe(
    plan: Plan,
    phase: str,
    children: Mapping[str, Child],
    streams: Mapping[str, RingRequest],
    attached: Sequence[Attachment],
    now_ns: int,
    usage: Mapping[str, tuple[float, float]] | None = None,
) -> RunStatus:
    """The status of a run from what its supervisor knows. `usage`: worker → memory in MB and share of one core."""
    used = usage or {}
    metrics = {child.name: child.metrics() for child in children.values()}
    counts = _counts(metrics.values())
    sources = [
        _source(children[decoder_name(spec.name)], streams.get(spec.name), counts.get(spec.name, _Counts()), now_ns)
        for spec in plan.config.sources
    ]
    workers = [
        WorkerStatus(
            child.name,
            child.plan.role.value,
            child.state.value,
            child.pid,
            child.restarts,
            _progress(child),
            child.failure,
            *used.get(child.name, (0.0, 0.0)),
        )
        for child in children.values()
    ]
    names = [attachment.name for attachment in attached]
    return RunStatus(plan.config.name, phase, tuple(sources), tuple(workers), metrics, tuple(names))


def _progress(child: Child) -> int:
    heartbeat = child.heartbeat  # once: another thread may have it replaced
    return heartbeat.progress if heartbeat is not None else 0


def _source(child: Child, stream: RingRequest | None, counts: _Counts, now_ns: int) -> SourceStatus:
    last = child.bye or child.heartbeat
    state, reason, detail = (last.state, last.reason, last.detail) if last is not None else ("", "", "")
    if child.state is ProcessState.FATAL:
        state, detail = "FAILED", detail or child.failure
    elif state == StreamState.STREAMING.value and now_ns - child.heard_ns > _stalled_ns(stream):
        state, reason = StreamState.STALLED.value, Reason.STALLED.value
    format = stream.descriptor.format if stream is not None else None
    return SourceStatus(
        name=str(child.plan.spec["source"]["name"]),
        state=state or "CONNECTING",
        reason=reason,
        detail=detail,
        live=stream.live if stream is not None else False,
        width=format.width if format is not None else 0,
        height=format.height if format is not None else 0,
        rate=stream.rate if stream is not None else 0.0,
        frame_count=stream.frame_count if stream is not None else 0,
        frames=counts.of("frames_published"),
        inferred=counts.of("frames_inferred"),
        decode_errors=counts.of("decode_errors"),
        reconnects=counts.of("reconnects"),
        dropped=counts.dropped,
    )


def _stalled_ns(stream: RingRequest | None) -> int:
    rate = stream.rate if stream is not None else 0.0
    return max(_STALLED_NS, int(_STALLED_FRAMES * NS_PER_S / rate)) if rate > 0 else _STALLED_NS


@dataclass
class _Counts:
    """What all workers have counted of one source."""

    totals: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def of(self, metric: str) -> int:
        return int(self.totals.get(metric, 0))


def _counts(metrics: Iterable[Metrics]) -> dict[str, _Counts]:
    """Source → counts, in one pass over every worker's metrics."""
    counts: dict[str, _Counts] = defaultdict(_Counts)
    for each in metrics:
        for key, value in each.items():
            name, labels = _parsed(key)
            if "source" not in labels:
                continue
            of_source = counts[labels["source"]]
            of_source.totals[name] = of_source.totals.get(name, 0.0) + value
            if name == "frames_dropped":
                of_source.dropped[labels["reason"]] = of_source.dropped.get(labels["reason"], 0) + int(value)
    return counts


@lru_cache(maxsize=4096)
def _parsed(key: str) -> tuple[str, dict[str, str]]:
    return parse_key(key)
