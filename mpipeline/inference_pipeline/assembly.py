"""From what a pipeline is told to the run that does it: the config, and what runs in threads of this process.

Decoders, and the model if it is one of ours, are processes. Hosted here are the intake, which takes the frames in;
producers of the user's own; and, where the user's own code is the model, an inference worker that lets everything pass.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mpipeline import registry
from mpipeline.config import RunConfig
from mpipeline.inference_pipeline.intake import Intake, Receiver
from mpipeline.inference_pipeline.multiplexer import Rules
from mpipeline.inference_pipeline.references import Reference
from mpipeline.inference_pipeline.windows import Window
from mpipeline.pipeline import Pipeline
from mpipeline.sources.source import Source
from mpipeline.supervisor.plan import decoder_name, inference_name, sink_name
from mpipeline.workers.decoder_worker import DecoderWorker
from mpipeline.workers.inference_worker import InferenceWorker
from mpipeline.workers.runtime import MakeWorker, Worker, WorkerContext

DEFAULT_BUFFER = 64
LARGEST_BUFFER = 250
_IN_HAND = 6  # slots of a ring beside those that wait: written, inferred, collected, in each of two callbacks, between
_CALLER = "caller"
_PASSING = {"target": "mpipeline.inference_pipeline.passing:Passing"}
_DELIVERIES = {"wait": "every_frame", "drop_oldest": "latest", "drop_latest": "latest"}


@dataclass(frozen=True)
class Feed:
    """Where frames come from and how they are put together. `max_fps` counts the frames of all sources."""

    references: tuple[Reference, ...]
    rules: Rules
    make_window: Callable[[], Window]
    max_fps: float | None = None
    max_staleness_s: float | None = None

    @property
    def batches_per_second(self) -> float | None:
        """The limit for batches."""
        return None if self.max_fps is None else self.max_fps / len(self.references)


def assemble(
    feed: Feed,
    model: Mapping[str, Any] | None,
    receiver: Receiver,
    enter: Callable[[], object] = lambda: None,
    tracker: Mapping[str, Any] | None = None,
) -> Pipeline:
    """The run. `model` and `tracker` are those parts of the config; no model: frames pass as they are. Nothing is
    started.

    `enter` is called first in each thread of this program in which a worker of the run is hosted. Raises ConfigError.
    """
    config = RunConfig.from_mapping(
        {
            "name": f"pipeline-{os.getpid()}-{uuid.uuid4().hex[:8]}",
            "sources": [_source(feed, one, model is not None) for one in feed.references],
            "model": dict(model if model is not None else _PASSING),
            "tracker": tracker,
            "sinks": [{"name": _CALLER, "kind": "python", "target": f"{Intake.__module__}:{Intake.__name__}"}],
            "batching": {"max_size": min(256, max(8, len(feed.references)))},
        }
    )
    hosted: dict[str, MakeWorker] = {sink_name(_CALLER): partial(Intake, receiver=receiver)}
    if model is None:
        hosted[inference_name()] = InferenceWorker
    for spec, reference in zip(config.sources, feed.references, strict=True):
        if reference.make_producer is not None:
            hosted[decoder_name(spec.name)] = partial(DecoderWorker, make=partial(_producer, reference))
    return Pipeline(config, hosted={name: partial(_entered, enter, make) for name, make in hosted.items()})


def _entered(enter: Callable[[], object], make: MakeWorker, context: WorkerContext, spec: Mapping[str, Any]) -> Worker:
    enter()
    return make(context, spec)


def _producer(reference: Reference, name: str) -> Source:
    kind = registry.load("sources", "callable")
    options = kind.Options(properties=dict(reference.properties or {}))
    source: Source = kind(name, options, make=reference.make_producer)
    return source


def _source(feed: Feed, reference: Reference, has_model: bool) -> dict[str, Any]:
    entry = dict(reference.entry)
    rules = feed.rules
    if rules.filling is not None:
        entry["delivery"] = _DELIVERIES[rules.filling]
    # What waits is lent to this process, so a ring must be larger than that. By default only files wait in rings.
    address = str(entry.get("uri", ""))
    live = (
        "://" in address or entry.get("realtime") or entry.get("kind") in ("device", "callable") or "gstreamer" in entry
    )
    if rules.capacity != DEFAULT_BUFFER or (rules.eager is False and rules.filling != "wait" and live):
        entry["slots"] = rules.capacity + _IN_HAND
    if has_model and live and rules.filling != "wait" and feed.batches_per_second is not None:
        entry["max_fps"] = feed.batches_per_second  # what would be dropped later need not be inferred
    return entry
