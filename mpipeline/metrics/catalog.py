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
_WORKER = ("worker",)

_METRICS = (
    # decoder workers
    Metric("frames_decoded", "counter", "Frames that came out of the decoder.", _SOURCE),
    Metric("frames_published", "counter", "Frames put into the ring.", _SOURCE),
    Metric("frames_dropped", "counter", "Frames that were not inferred, by reason.", ("reason", "source")),
    Metric("frames_corrupt", "counter", "Decoded frames in which the decoder concealed errors.", _SOURCE),
    Metric("decode_errors", "counter", "Errors of decoder and demuxer that were survived.", _SOURCE),
    Metric("decode_seconds", "counter", "Time spent decoding, waiting for data included.", _SOURCE),
    Metric("copy_seconds", "counter", "Time spent copying pixels into the ring.", _SOURCE),
    Metric("ring_wait_seconds", "counter", "Time the decoder waited for a free slot.", _SOURCE),
    Metric("ring_slots", "gauge", "Slots of the ring.", _SOURCE),
    Metric("ring_slots_used", "gauge", "Slots that are pending or held.", _SOURCE),
    Metric("ring_changes", "counter", "New rings because the frame's geometry changed.", _SOURCE),
    Metric("connects", "counter", "Successful opens of the source, the first included.", _SOURCE),
    Metric("connect_failures", "counter", "Attempts to open the source that failed, by reason.", ("reason", "source")),
    Metric("reconnects", "counter", "Times a stream was lost and opened again.", _SOURCE),
    Metric("source_rate", "gauge", "Frame rate that the source declares, Hz; 0 if unknown.", _SOURCE),
    Metric("source_up", "gauge", "1 while frames flow, else 0.", _SOURCE),
    Metric("last_frame_id", "gauge", "Id of the newest published frame.", _SOURCE),
    # inference workers
    Metric("frames_waiting", "gauge", "Frames that wait for a batch.", _SOURCE),
    Metric("frames_inferred", "counter", "Frames that the model has seen.", _SOURCE),
    Metric(
        "frames_failed", "counter", "Frames that got an error instead of detections, by reason.", ("reason", "source")
    ),
    Metric("frames_repeated", "counter", "Frames inferred again after a crash.", _SOURCE),
    Metric("detections", "counter", "Boxes found.", _SOURCE),
    Metric("batches", "counter", "Batches given to the backend."),
    Metric("batch_size", "gauge", "Frames in the last batch."),
    Metric("batch_wait_seconds", "counter", "Time that frames waited for their batch, summed over frames."),
    Metric("preprocess_seconds", "counter", "Time spent in preprocessing."),
    Metric("inference_seconds", "counter", "Time spent in the backend."),
    Metric("postprocess_seconds", "counter", "Time spent in postprocessing."),
    Metric("idle_seconds", "counter", "Time the inference loop had nothing to do."),
    Metric("capture_to_prediction_seconds", "counter", "Age of frames when predicted, summed over frames.", _SOURCE),
    # between inference and sinks
    Metric("predictions_sent", "counter", "Predictions sent to a sink.", _SINK),
    Metric("predictions_resent", "counter", "Predictions sent again to a restarted sink.", _SINK),
    Metric("predictions_dropped", "counter", "Predictions not sent to a sink, by reason.", ("reason", "sink")),
    Metric("predictions_acknowledged", "counter", "Predictions that a sink says are done.", _SINK),
    Metric("predictions_pending", "gauge", "Predictions that wait for a sink's credit or acknowledgement.", _SINK),
    # sink workers
    Metric("predictions_written", "counter", "Predictions that the sink has taken.", _SINK),
    Metric("predictions_duplicate", "counter", "Predictions left out because they were written before a crash.", _SINK),
    Metric("frames_missing", "counter", "Predictions whose pixels had to be given up before the sink came.", _SINK),
    Metric("sink_errors", "counter", "Errors of the sink.", _SINK),
    Metric("sink_seconds", "counter", "Time spent in the sink's write.", _SINK),
    Metric("capture_to_sink_seconds", "counter", "Age of frames when written, summed over predictions.", _SINK),
    # supervisor and every worker
    Metric("worker_restarts", "counter", "Times a worker was started again.", _WORKER),
    Metric("worker_stalls", "counter", "Times a worker was alive without progress for too long.", _WORKER),
    Metric("worker_up", "gauge", "1 while the worker is RUNNING, else 0.", _WORKER),
    Metric("slots_reaped", "counter", "Slots taken back from dead readers.", _SOURCE),
    Metric("memory_bytes", "gauge", "Resident memory of the worker.", _WORKER),
    Metric("cpu_seconds", "counter", "Processor time of the worker.", _WORKER),
)

CATALOG: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
