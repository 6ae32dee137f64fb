"""What will run, as a value: workers, reader bits, rings and their memory. Derived from the config, nothing started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpipeline.config.schema import RunConfig, SinkSpec, SourceSpec
from mpipeline.errors import ConfigError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Role
from mpipeline.ring.descriptor import bytes_needed
from mpipeline.sources.source import StreamInfo

INFERENCE = "inference"
INFERENCE_BIT = 0
MAX_READERS = 15
_ASSUMED_SIZE = (1920, 1080)
_LIVE_SLOTS = 6  # one being written, one being inferred, one waiting, and some that sinks still look at


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One process. `spec` is its part of the config, as a plain mapping that travels in START."""

    role: Role
    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """One sink and its reader bit, should it want pixels."""

    spec: SinkSpec
    worker: str
    bit: int

    def overflow(self, every_frame: bool) -> str:
        """The policy for such sources: `auto` means that files wait for the sink and live streams do not."""
        policy = self.spec.overflow
        if policy == "auto" or (policy == "block" and not every_frame):
            return "block" if every_frame else "drop_oldest"
        return policy


@dataclass(frozen=True, slots=True)
class RingPlan:
    """What one source's ring will take. `assumed`: the size is not known before the camera is seen."""

    source: str
    width: int
    height: int
    slots: int
    bytes: int
    every_frame: bool
    assumed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run."""

    config: RunConfig
    workers: tuple[WorkerPlan, ...]
    sinks: tuple[SinkPlan, ...]
    rings: tuple[RingPlan, ...]

    @property
    def ring_bytes(self) -> int:
        """Shared memory of all rings together."""
        return sum(ring.bytes for ring in self.rings)

    @property
    def known_ring_bytes(self) -> int:
        """Shared memory of the rings whose size is known, not assumed."""
        return sum(ring.bytes for ring in self.rings if not ring.assumed)


def decoder_name(source: str) -> str:
    """The worker of a source."""
    return f"decoder:{source}"


def sink_name(sink: str) -> str:
    """The worker of a sink."""
    return f"sink:{sink}"


def make_plan(config: RunConfig, known: Mapping[str, StreamInfo] | None = None) -> Plan:
    """The plan of a run. `known` has what a look at a source has told (files); the rest is assumed.

    Raises ConfigError if a ring would have more readers than it has bits.
    """
    if len(config.sinks) >= MAX_READERS:
        raise ConfigError(f"{len(config.sinks)} sinks are too many: a ring has {MAX_READERS} readers, inference is one")
    sinks = tuple(SinkPlan(spec, sink_name(spec.name), bit) for bit, spec in enumerate(config.sinks, start=1))
    workers = [
        WorkerPlan(
            Role.SINK,
            sink.worker,
            {"sink": sink.spec.to_mapping(), "bit": sink.bit, "pipeline": config.name},
        )
        for sink in sinks
    ]
    workers.append(
        WorkerPlan(
            Role.INFERENCE,
            INFERENCE,
            {
                "model": config.model.to_mapping(),
                "batching": config.batching.model_dump(mode="json"),
                "bit": INFERENCE_BIT,
                "at_once": _at_once(config, known or {}),
                **({"tracker": config.tracker.to_mapping()} if config.tracker is not None else {}),
            },
        )
    )
    workers += [
        WorkerPlan(
            Role.DECODER, decoder_name(source.name), {"source": source.to_mapping(), "decoders": len(config.sources)}
        )
        for source in config.sources
    ]
    rings = tuple(_ring(config, source, (known or {}).get(source.name)) for source in config.sources)
    return Plan(config, tuple(workers), sinks, rings)


def is_every_frame(source: SourceSpec, live: bool) -> bool:
    """The delivery of a source: as configured, else by its nature."""
    return source.delivery == "every_frame" if source.delivery is not None else not live


def slots_for(config: RunConfig, source: SourceSpec, every_frame: bool) -> int:
    """Slots of a source's ring.

    Under `every_frame` a slot is bound until the sinks have acknowledged its frame: two batches of this source's share
    (one inferred, one being written by the sinks) and a few to decode ahead.
    """
    if source.slots is not None:
        return source.slots
    if not every_frame:
        return _LIVE_SLOTS
    return 2 * math.ceil(config.batching.max_size / len(config.sources)) + 6


def _at_once(config: RunConfig, known: Mapping[str, StreamInfo]) -> int:
    """How many frames commonly wait for the model together: one of each live source, of a file whole batches."""
    live = [known[one.name].live if one.name in known else one.looks_live() for one in config.sources]
    return min(len(live) if all(live) else config.batching.max_size, config.batching.max_size)


def _ring(config: RunConfig, source: SourceSpec, info: StreamInfo | None) -> RingPlan:
    live = info.live if info is not None else source.looks_live()
    every_frame = is_every_frame(source, live)
    width, height = (info.width, info.height) if info is not None and info.width else source.expected_size() or (0, 0)
    assumed = not width
    if assumed:
        width, height = _ASSUMED_SIZE
    slots = slots_for(config, source, every_frame)
    pixels = PixelFormat[str(getattr(source.options, "pixel_format", "i420")).upper()]
    size = bytes_needed(slots, FrameFormat(pixels, width, height))
    return RingPlan(source.name, width, height, slots, size, every_frame, assumed)
