"""Every metric there is, one line each. Counters only grow; times are sums in seconds, to be divided by their count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `name`, `kind`, `help` for operators, and the names of the labels that each value has."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_SOURCE = ("source",)
_SINK = ("sink",)

_METRICS = (
    # decoder workers
    Metric("frames_decoded", "counter", "Frames that came out of the decoder.", _SOURCE),
    Metric("frames_skipped", "counter", "Frames read again on the way to where the source goes on.", _SOURCE),
    Metric("frames_published", "counter", "Frames put into the ring.", _SOURCE),
    Metric("bytes_written", "counter", "Bytes of pixels put into the ring: of each frame once.", _SOURCE),
    Metric("frames_dropped", "counter", "Frames that were not inferred, by reason.", ("reason", "source")),
    Metric("decode_errors", "counter", "Errors of decoder and demuxer that were survived.", _SOURCE),
    Metric("connect_failures", "counter", "Attempts to open the source that failed, by reason.", ("reason", "source")),
    Metric("reconnects", "counter", "Times a stream was lost and opened again.", _SOURCE),
    # inference workers
    Metric("frames_inferred", "counter", "Frames that the model has seen.", _SOURCE),
    Metric(
        "frames_failed", "counter", "Frames that got an error instead of findings, by reason.", ("reason", "source")
    ),
    Metric("latency_seconds", "counter", "Time from capture to prediction, summed over inferred frames.", _SOURCE),
    Metric("batches", "counter", "Batches given to the backend."),
    Metric("inference_seconds", "counter", "Time spent in the backend."),
    # between inference and sinks
    Metric("predictions_sent", "counter", "Predictions sent to a sink.", _SINK),
    Metric("predictions_outstanding", "gauge", "Deliveries sent to a sink that it has not worked off yet.", _SINK),
    Metric("predictions_dropped", "counter", "Predictions not sent to a sink, by reason.", ("reason", "sink")),
    Metric("acknowledged_frame_id", "gauge", "Every sink that must have every frame has all up to this one.", _SOURCE),
    Metric("predictions_acknowledged", "counter", "Predictions that a sink says are done.", _SINK),
    # whoever reads a ring
    Metric("bytes_copied", "counter", "Bytes of pictures made of frames, for code that asks for one.", _SOURCE),
    # sink workers
    Metric("predictions_written", "counter", "Predictions that the sink has taken.", _SINK),
    Metric("predictions_filtered", "counter", "Predictions that the sink's filter has left out.", _SINK),
    Metric("predictions_duplicate", "counter", "Predictions left out because they were written before a crash.", _SINK),
    Metric("predictions_passed_over", "counter", "Predictions of a damaged ring; those of files come again.", _SINK),
    Metric("frames_missing", "counter", "Predictions whose pixels had to be given up before the sink came.", _SINK),
    Metric("predictions_late", "counter", "Predictions of a model that came when their frame was written.", _SINK),
    Metric("sink_errors", "counter", "Predictions that the sink has refused for good.", _SINK),
    Metric("sink_retries", "counter", "Failed attempts of a sink that were or will be tried again.", _SINK),
)

CATALOG: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
