"""The words that arguments of this interface can be: its enumerations, and how a string becomes one of them."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TypeVar

from mpipeline.errors import InvalidArgument
from mpipeline.registry import suggestion

Choice = TypeVar("Choice", bound=Enum)


class SinkMode(str, Enum):
    """How `on_prediction` is called: for each frame, or for each batch with one place for every configured source.

    ADAPTIVE is SEQUENTIAL with one source and BATCH with several.
    """

    ADAPTIVE = "adaptive"
    BATCH = "batch"
    SEQUENTIAL = "sequential"


class VideoProcessingMode(str, Enum):
    """Which frames are wanted. LEGACY leaves that to the two buffer strategies; "none" is another word for it."""

    AUTO = "auto"
    EVERY_FRAME = "every_frame"
    FRESHEST = "freshest"
    LEGACY = "legacy"

    @classmethod
    def _missing_(cls, value: object) -> VideoProcessingMode | None:
        return cls.LEGACY if isinstance(value, str) and value.lower() == "none" else None


class BufferFillingStrategy(str, Enum):
    """What happens to a decoded frame when there is no room for it: wait, or drop the oldest or the latest.

    The adaptive ones drop by the same rule as the others, by the state of the buffer alone.
    """

    WAIT = "WAIT"
    DROP_OLDEST = "DROP_OLDEST"
    ADAPTIVE_DROP_OLDEST = "ADAPTIVE_DROP_OLDEST"
    DROP_LATEST = "DROP_LATEST"
    ADAPTIVE_DROP_LATEST = "ADAPTIVE_DROP_LATEST"


class BufferConsumptionStrategy(str, Enum):
    """Which frame is taken next: the oldest that waits (LAZY), or the newest, older ones being dropped (EAGER)."""

    LAZY = "LAZY"
    EAGER = "EAGER"


class StreamState(str, Enum):
    """What a video source is doing."""

    NOT_STARTED = "NOT_STARTED"
    INITIALISING = "INITIALISING"
    RESTARTING = "RESTARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MUTED = "MUTED"
    TERMINATING = "TERMINATING"
    ENDED = "ENDED"
    ERROR = "ERROR"


class UpdateSeverity(IntEnum):
    """How much a status update matters; the numbers are those of `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def as_enum(kind: type[Choice], value: Choice | str | int, argument: str) -> Choice:
    """The member of `kind` that `value` is, or names by its value or its name, in letters of any case.

    Raises InvalidArgument, which names `argument` and lists the valid values.
    """
    if isinstance(value, kind):
        return value
    try:
        return kind(value)
    except ValueError:
        pass
    if isinstance(value, str):
        for member in kind:
            if value.strip().lower() in (member.name.lower(), str(member.value).lower()):
                return member
    valid = [str(member.value) for member in kind]
    near = suggestion(value, valid, list_all=False) if isinstance(value, str) else ""
    raise InvalidArgument(f"{argument}={value!r} is not a {kind.__name__}: use one of {', '.join(valid)}{near}")
