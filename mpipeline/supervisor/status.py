"""A run at one moment, for people and programs that watch it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
    """One source. `frames` were published, `inferred` went through every model that it feeds; `dropped` by reason,
    wherever it was. Where models have names, `by_model` has what went through each, and a drop in front of one of them
    has its name before the reason.

    `latency_seconds` is the time from capture to prediction, summed over the inferred frames. `restarts` are those of
    its decoder's process, `reconnects` those of the stream. `bytes_written` are those of pixels that were put into the
    ring, of each frame once; `bytes_copied` those of pictures that were made of its frames, for sinks that draw, say.
    """

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
    latency_seconds: float = 0.0
    restarts: int = 0
    by_model: Mapping[str, int] = field(default_factory=dict)
    bytes_written: int = 0
    bytes_copied: int = 0


@dataclass(frozen=True, slots=True)
class SinkState:
    """One sink. `state` is that of its process or, while this runs and waits for something, RETRYING or FINISHING.

    `written` predictions it has taken, `outstanding` are on their way, `dropped` were not sent to it, by reason.
    """

    name: str
    kind: str
    state: str
    reason: str = ""
    detail: str = ""
    written: int = 0
    outstanding: int = 0
    errors: int = 0
    retries: int = 0
    restarts: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One process. `memory_mb`: memory of its own, rings left out, in MB; `cpu`: share of one core, lately.

    Both are 0 before the first look, and where there is no /proc to look into. `detail`: what takes so long, before
    it can work.
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
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Everything. `phase` is one of `shutdown.Phase`: running, a stage of the end, over."""

    name: str
    phase: str
    sources: tuple[SourceStatus, ...]
    workers: tuple[WorkerStatus, ...]
    metrics: Mapping[str, Mapping[str, float]]
    attached: tuple[str, ...] = ()
    sinks: tuple[SinkState, ...] = ()

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
    models = {model.worker: model.name for model in plan.models}
    counts = _counts(metrics, models, "source", "frames_dropped")
    of_sinks = _counts(metrics, models, "sink", "predictions_dropped")
    sources = [
        _source(
            children[decoder_name(spec.name)],
            streams.get(spec.name),
            counts.get(spec.name, _Counts()),
            [model.name for model in plan.models_of(spec.name)],
            now_ns,
        )
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
            _opening(child),
        )
        for child in children.values()
    ]
    sinks = [
        _sink(children[sink.worker], sink.spec.kind, of_sinks.get(sink.spec.name, _Counts())) for sink in plan.sinks
    ]
    names = [attachment.name for attachment in attached]
    return RunStatus(plan.config.name, phase, tuple(sources), tuple(workers), metrics, tuple(names), tuple(sinks))


def _progress(child: Child) -> int:
    heartbeat = child.heartbeat  # once: another thread may have it replaced
    return heartbeat.progress if heartbeat is not None else 0


def _opening(child: Child) -> str:
    heartbeat = child.heartbeat
    return heartbeat.detail if heartbeat is not None and child.state is ProcessState.STARTING else ""


def _source(
    child: Child, stream: RingRequest | None, counts: _Counts, models: Sequence[str], now_ns: int
) -> SourceStatus:
    last = child.bye or child.heartbeat
    state, reason, detail = (last.state, last.reason, last.detail) if last is not None else ("", "", "")
    if child.state is ProcessState.FATAL:
        state, detail = "FAILED", detail or child.failure
    elif state == StreamState.STREAMING.value and now_ns - child.heard_ns > _stalled_ns(stream):
        state, reason = StreamState.STALLED.value, Reason.STALLED.value
    format = stream.descriptor.format if stream is not None else None
    inferred, all_inferred = min([counts.inferred.get(model, 0) for model in models]), sum(counts.inferred.values())
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
        inferred=inferred,
        decode_errors=counts.of("decode_errors"),
        reconnects=counts.of("reconnects"),
        dropped=counts.dropped,
        latency_seconds=counts.totals.get("latency_seconds", 0.0) * inferred / max(all_inferred, 1),
        restarts=child.restarts,
        by_model={model: counts.inferred.get(model, 0) for model in models if model},
        bytes_written=counts.of("bytes_written"),
        bytes_copied=counts.of("bytes_copied"),
    )


def _sink(child: Child, kind: str, counts: _Counts) -> SinkState:
    beat, state, reason, detail = child.heartbeat, child.state.value, "", child.failure
    if child.state in (ProcessState.STARTING, ProcessState.RUNNING) and beat is not None and beat.state:
        state, reason, detail = beat.state, beat.reason, beat.detail
    elif child.state is ProcessState.RUNNING:
        detail = ""
    return SinkState(
        name=str(child.plan.spec["sink"]["name"]),
        kind=kind,
        state=state,
        reason=reason,
        detail=detail,
        written=counts.of("predictions_written"),
        outstanding=counts.of("predictions_outstanding"),
        errors=counts.of("sink_errors"),
        retries=counts.of("sink_retries"),
        restarts=child.restarts,
        dropped=counts.dropped,
    )


def _stalled_ns(stream: RingRequest | None) -> int:
    rate = stream.rate if stream is not None else 0.0
    return max(_STALLED_NS, int(_STALLED_FRAMES * NS_PER_S / rate)) if rate > 0 else _STALLED_NS


@dataclass
class _Counts:
    """What all workers have counted of one source, or of one sink."""

    totals: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    inferred: dict[str, int] = field(default_factory=dict)  # by model

    def of(self, metric: str) -> int:
        return int(self.totals.get(metric, 0))


def _counts(metrics: Mapping[str, Metrics], models: Mapping[str, str], label: str, drops: str) -> dict[str, _Counts]:
    """Source or sink, as `label` says → counts, in one pass over every worker's metrics; `drops` is told by reason.

    `models`: inference worker → name of its model.
    """
    counts: dict[str, _Counts] = defaultdict(_Counts)
    for worker, each in metrics.items():
        model = models.get(worker, "")
        for key, value in each.items():
            name, labels = _parsed(key)
            if label not in labels:
                continue
            of_one = counts[labels[label]]
            of_one.totals[name] = of_one.totals.get(name, 0.0) + value
            if name == drops:
                reason = f"{model} {labels['reason']}" if model else labels["reason"]
                of_one.dropped[reason] = of_one.dropped.get(reason, 0) + int(value)
            elif name == "frames_inferred":
                of_one.inferred[model] = of_one.inferred.get(model, 0) + int(value)
    return counts


@lru_cache(maxsize=4096)
def _parsed(key: str) -> tuple[str, dict[str, str]]:
    return parse_key(key)
