"""Every struct that crosses a socket. The codec sends them as positional arrays behind a one-byte tag.

New fields go last and have a default. A change that an older peer would misread raises `PROTOCOL_VERSION`; HELLO
carries it, and a peer of another version is refused with both versions in the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Union

from mpipeline.frame import FrameMeta, FrameRef
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.wire_columns import WireClassification, WireDetections, WireEmbedding

PROTOCOL_VERSION = 2


class Role(str, Enum):
    """What a worker does. `attached` is a program that was started separately and takes predictions like a sink."""

    DECODER = "decoder"
    INFERENCE = "inference"
    SINK = "sink"
    ATTACHED = "attached"


class StreamState(str, Enum):
    """Where a source stands, as its decoder sees it."""

    CONNECTING = "CONNECTING"
    STREAMING = "STREAMING"
    STALLED = "STALLED"
    RECONNECTING = "RECONNECTING"
    ENDED = "ENDED"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    MUTED = "MUTED"


class PlayMode(str, Enum):
    """What a decoder does with an open source: read and publish, not even read, or read and publish nothing."""

    PLAY = "play"
    PAUSE = "pause"
    MUTE = "mute"


# States of a sink in its heartbeats: it waits for a full disk or a lost peer; it completes what it has of a source.
RETRYING = "RETRYING"
FINISHING = "FINISHING"


# --- control channel: worker → supervisor ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """First words of a worker. `incarnation` counts the starts of this name within the run, from 1. `models`: those of
    which an attached program takes predictions; empty for all."""

    role: Role
    name: str
    incarnation: int
    pid: int
    protocol: int = PROTOCOL_VERSION
    wants_frames: bool = False
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker can work; `facts` are what it has learnt while opening (model size, whether a sink wants pixels)."""

    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent by the work loop. `progress` counts finished work; `state`, `reason` and `detail` describe the stream, or
    say that a sink cannot write and tries again, RETRYING, and why."""

    progress: int
    metrics: Mapping[str, float]
    state: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RingRequest:
    """A decoder knows its geometry and wants a ring for it; `live` decides the delivery unless the config does."""

    descriptor: RingDescriptor  # segment and slots still empty
    live: bool
    last_frame_id: int
    rate: float = 0.0
    frame_count: int = 0


@dataclass(frozen=True, slots=True)
class Bye:
    """Last words of a worker, before it exits; of a decoder with the last frame that it has published."""

    state: str = ""
    reason: str = ""
    detail: str = ""
    last_frame_id: int = 0


@dataclass(frozen=True, slots=True)
class RingDamaged:
    """A ring of `source` cannot be read or written: from a worker or program that has found that out, with the error.

    From the supervisor to all readers: detach from every ring of this source that you know. What they held and not
    every sink has is lost, or (under `every_frame`) comes again in a ring that you are told of behind this word.
    """

    source: str
    segment: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """From anybody, without a HELLO: how does the run stand?"""


# --- control channel: supervisor → worker ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """What to do: the worker's own part of the config, and where its sockets and rings are."""

    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The supervisor will not take this worker, and why."""

    message: str


@dataclass(frozen=True, slots=True)
class RingGranted:
    """Answer to RingRequest: write here. Under `every_frame` a frame waits for a slot, else it is dropped without one.
    Either way a slot may be reused that nobody holds and no pinned reader waits for: under `every_frame` these are
    frames whose pixels a sink was too slow for that need not have everything.

    `resume_after`: the frames up to this id are done, by a decoder that died or in an interrupted run that is resumed.
    """

    descriptor: RingDescriptor
    every_frame: bool
    resume_after: int = 0


@dataclass(frozen=True, slots=True)
class RingAttached:
    """A ring to read from, for inference workers and the sinks that want pixels."""

    descriptor: RingDescriptor
    every_frame: bool


@dataclass(frozen=True, slots=True)
class RingRetired:
    """This ring will carry no more frames and every bit in it has fallen: detach."""

    segment: str


@dataclass(frozen=True, slots=True)
class SinkAdded:
    """For an inference worker: predictions go to this sink too. `bit` is its reader bit, -1 if it wants no pixels.

    `overflow` is block, drop_oldest or drop_newest, for `every_frame` and for `latest` sources each; `queue` bounds the
    predictions of live sources that are kept for it. `repeats_ends`: who comes back is told of ended sources again.
    """

    name: str
    bit: int
    overflow_every_frame: str
    overflow_latest: str
    queue: int
    repeats_ends: bool = False


@dataclass(frozen=True, slots=True)
class SinkRemoved:
    """This sink takes no more predictions; nobody waits for its acknowledgements any longer."""

    name: str


@dataclass(frozen=True, slots=True)
class ModelGone:
    """For a sink: this model has failed for good, nothing more comes from it of these sources."""

    model: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """No frame after `last_frame_id` will come from this source; to inference, and in band from there to the sinks."""

    source: str
    last_frame_id: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Finish what is in flight, then stop."""


@dataclass(frozen=True, slots=True)
class Play:
    """For a decoder: what it does with its source from now on."""

    mode: PlayMode


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """For whoever has asked: a `RunStatus` as plain data."""

    status: Mapping[str, Any]


# --- data channel: decoder → inference ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrameReady:
    """A hint that a slot was published; the slot's header is the truth."""

    ref: FrameRef
    frame_id: int
    captured_ns: int


# --- data channel: inference ⇄ sink ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """From inference: deliveries start anew and are counted from zero."""

    session: int


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """From a sink, after work and a few times a second: credit and acknowledgements, both absolute and so repeatable.

    `session` is the one it knows (0: none yet), `processed` how many deliveries of that session it has done, `capacity`
    how many more it takes beyond these. `acknowledged` has the last frame id per source that is written for good.
    """

    sink: str
    incarnation: int
    session: int
    processed: int
    capacity: int
    acknowledged: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PredictionReady:
    """One prediction for one sink, with the name of its pixels; it has one sort of findings, or a failure."""

    frame: FrameMeta
    ref: Union[FrameRef, None]  # noqa: UP007 - evaluated at run time by the codec, on 3.10 too
    detections: Union[WireDetections, None]  # noqa: UP007
    failure_reason: str = ""
    failure_message: str = ""
    classification: Union[WireClassification, None] = None  # noqa: UP007
    embedding: Union[WireEmbedding, None] = None  # noqa: UP007


Message = Union[  # noqa: UP007
    Hello, Ready, Heartbeat, RingRequest, Bye, RingDamaged, Start, Refused, RingGranted, RingAttached, RingRetired,
    SinkAdded, SinkRemoved, ModelGone, SourceEnded, Drain, Play, FrameReady, SessionOpened, SinkStatus,
    PredictionReady, StatusRequest, StatusAnswer,
]  # fmt: skip

# Tag → struct. A tag is never given to another struct.
TAGS: dict[int, type[Message]] = {
    1: Hello, 2: Ready, 3: Heartbeat, 4: RingRequest, 5: Bye, 6: RingDamaged, 7: StatusRequest,
    16: Start, 17: Refused, 18: RingGranted, 19: RingAttached, 20: RingRetired, 21: SinkAdded, 22: SinkRemoved,
    23: SourceEnded, 24: Drain, 25: Play, 26: StatusAnswer, 27: ModelGone,
    32: FrameReady,
    40: SessionOpened, 41: SinkStatus, 42: PredictionReady,
}  # fmt: skip
