"""What will run, as a value: workers, reader bits, rings and their memory. Derived from the config, nothing started."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpipeline import registry
from mpipeline.config.device import as_list
from mpipeline.config.schema import RunConfig, SinkSpec, SourceSpec
from mpipeline.errors import ConfigError
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Role
from mpipeline.ring.descriptor import bytes_needed
from mpipeline.sources.source import StreamInfo

MAX_READERS = 15
_ASSUMED_SIZE = (1920, 1080)
_LIVE_SLOTS = 6  # one being written, one being inferred, one waiting, and some that sinks still look at
_LIVE_SLOTS_MORE = 2  # for each further model: one being inferred, one for a sink


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One process. `spec` is its part of the config, as a plain mapping that travels in START."""

    role: Role
    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One inference process: the name of its model, "" if it is the only one, its worker, its reader bit, and the
    sources that feed it. A model on several devices has several, each with sources of its own.
    """

    name: str
    worker: str
    bit: int
    sources: tuple[str, ...]
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """What one sink gets of one inference process: of which sources, and by which reader bit, should it want pixels.

    The bit is -1 if sinks of this kind never do.
    """

    model: str
    worker: str
    sources: tuple[str, ...]
    bit: int


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """One sink, with a feed for each model that it takes predictions of."""

    spec: SinkSpec
    worker: str
    feeds: tuple[FeedPlan, ...]

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
    models: tuple[ModelPlan, ...]
    sinks: tuple[SinkPlan, ...]
    rings: tuple[RingPlan, ...]

    @property
    def ring_bytes(self) -> int:
        """Shared memory of all rings together."""
        return sum(ring.bytes for ring in self.rings)

    def models_of(self, source: str) -> list[ModelPlan]:
        """The models that get the frames of this source."""
        return [model for model in self.models if source in model.sources]

    @property
    def known_ring_bytes(self) -> int:
        """Shared memory of the rings whose size is known, not assumed."""
        return sum(ring.bytes for ring in self.rings if not ring.assumed)

    @property
    def container_bytes(self) -> int:
        """Shared memory for a container: all rings, and room for one source that comes back in another size.

        Its old ring is then still being read.
        """
        return self.ring_bytes + max(ring.bytes for ring in self.rings)


def decoder_name(source: str) -> str:
    """The worker of a source."""
    return f"decoder:{source}"


def sink_name(sink: str) -> str:
    """The worker of a sink."""
    return f"sink:{sink}"


def inference_name(model: str = "", device: str = "") -> str:
    """The worker of a model; the only model of a run has no name. `device`: which of several it is on."""
    which = "@".join(part for part in (model, device) if part)
    return f"inference:{which}" if which else "inference"


def make_plan(config: RunConfig, known: Mapping[str, StreamInfo] | None = None) -> Plan:
    """The plan of a run. `known` has what a look at a source has told (files); the rest is assumed.

    Raises ConfigError if a ring would have more readers than it has bits.
    """
    models = _models(config)
    sinks = _sinks(config, models)
    workers = [
        WorkerPlan(Role.SINK, sink.worker, {"sink": sink.spec.to_mapping(), "pipeline": config.name}) for sink in sinks
    ]
    workers += [_inference(config, model, known or {}) for model in models]
    workers += [
        WorkerPlan(
            Role.DECODER, decoder_name(source.name), {"source": source.to_mapping(), "decoders": len(config.sources)}
        )
        for source in config.sources
    ]
    rings = tuple(_ring(config, source, (known or {}).get(source.name)) for source in config.sources)
    return Plan(config, tuple(workers), models, sinks, rings)


def _models(config: RunConfig) -> tuple[ModelPlan, ...]:
    found: list[ModelPlan] = []
    for name, spec in config.every_model().items():
        devices = as_list(spec.device)
        feeding = [source.name for source in config.sources if name in config.models_of(source)]
        for device, sources in _shares(feeding, devices).items():
            worker = inference_name(name, device if len(devices) > 1 else "")
            found.append(ModelPlan(name, worker, len(found), sources, device))
    return tuple(found)


def _shares(sources: Sequence[str], devices: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which sources each device gets: in turn, by their names, so that every start of the run gives the same.

    A device that would get none is left out.
    """
    turn = {source: number % len(devices) for number, source in enumerate(sorted(sources))}
    shares = {device: tuple(one for one in sources if turn[one] == i) for i, device in enumerate(devices)}
    return {device: share for device, share in shares.items() if share}


def _sinks(config: RunConfig, models: tuple[ModelPlan, ...]) -> tuple[SinkPlan, ...]:
    """Each sink with its feeds. The bits of readers are given in order, those of the models first."""
    sinks, bit = [], len(models)
    for spec in config.sinks:
        feeds = []
        looks = getattr(registry.load("sinks", spec.kind), "wants_frames", None) is not False
        for model in models:
            if model.name in config.models_of(spec):
                feeds.append(FeedPlan(model.name, model.worker, model.sources, bit if looks else -1))
                bit += looks
        sinks.append(SinkPlan(spec, sink_name(spec.name), tuple(feeds)))
    if bit > MAX_READERS:
        many = (
            f"{len(config.sinks)} sinks are too many: a ring has {MAX_READERS} readers, {len(models)} for inference and"
        )
        remedy = "say with `models` at the sinks which they take" if len(models) > 1 else "use fewer"
        raise ConfigError(f"{many} one for each model of each sink that may want pixels, {bit} in all: {remedy}")
    return tuple(sinks)


def _inference(config: RunConfig, model: ModelPlan, known: Mapping[str, StreamInfo]) -> WorkerPlan:
    given = config.every_model()[model.name].to_mapping()
    spec = {key: value for key, value in given.items() if key != "batching"}
    if "device" in given:
        spec["device"] = model.device
    batching = config.batching_of(model.name)
    sources = [source for source in config.sources if source.name in model.sources]
    return WorkerPlan(
        Role.INFERENCE,
        model.worker,
        {
            "model": spec,
            "batching": batching.model_dump(mode="json"),
            "bit": model.bit,
            "at_once": _at_once(sources, batching.max_size, known),
            **({"tracker": config.tracker.to_mapping()} if config.tracker is not None else {}),
        },
    )


def is_every_frame(source: SourceSpec, live: bool) -> bool:
    """The delivery of a source: as configured, else by its nature."""
    return source.delivery == "every_frame" if source.delivery is not None else not live


def slots_for(config: RunConfig, source: SourceSpec, every_frame: bool) -> int:
    """Slots of a source's ring.

    Under `every_frame` a slot is bound until the sinks have acknowledged its frame: two batches of this source's share
    (one inferred, one being written by the sinks) and a few to decode ahead. Several models read the same slots.
    """
    if source.slots is not None:
        return source.slots
    models = config.models_of(source)
    if not every_frame:
        return _LIVE_SLOTS + _LIVE_SLOTS_MORE * (len(models) - 1)
    shares = []
    for model in models:
        feeding = sum(model in config.models_of(one) for one in config.sources)
        feeding = math.ceil(feeding / len(as_list(config.every_model()[model].device)))
        shares.append(math.ceil(config.batching_of(model).max_size / feeding))
    return 2 * max(shares) + 6


def _at_once(sources: Sequence[SourceSpec], most: int, known: Mapping[str, StreamInfo]) -> int:
    """How many frames commonly wait for the model together: one of each live source, of a file whole batches."""
    live = [known[one.name].live if one.name in known else one.looks_live() for one in sources]
    return min(len(live) if all(live) else most, most)


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
