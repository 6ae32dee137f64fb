"""The contract of a source: open, grab, retrieve, close. It runs or raises; it never retries.

Reconnecting, dropping and pacing are the decoder loop's business, written once for all kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from mpipeline.frame import FrameFormat, Pixels


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known once a source is open.

    `live`: frames come at their own pace and cannot be read again (a camera), as opposed to a finite file.
    `ends`: the end of a live source is the end, not a loss after which it is opened again.
    `rate` in Hz and `frame_count` are what the container declares; 0 if unknown, and neither is to be trusted.
    """

    live: bool
    width: int
    height: int
    rate: float = 0.0
    frame_count: int = 0
    codec: str = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class GrabbedFrame:
    """What `grab` knows of the frame that `retrieve` would copy. Fields as in `FrameMeta`."""

    format: FrameFormat
    pts: float | None
    captured_ns: int
    wall_ns: int
    key_frame: bool = False
    corrupt: bool = False


class Source(Protocol):
    """A source of one kind, made as `Kind(name, options)` and used by one thread of one process.

    Every call has a deadline of its own and raises SourceError with a reason code, or SourceHangs if only the end of
    the process helps. What goes wrong inside a single frame is counted in `decode_errors`, not raised. After an error
    or an end only `close` may be called; a new object is made for the next attempt.

    A built-in kind may name modules in `libraries` that it imports in `open` and that survive a fork: they are
    imported once for all decoders of a run. A source with an attribute `cores` is told by it, before `open`, how many
    processor cores are its share. One with an attribute `decoder` says there, once a frame has
    come, what decodes it and why.
    """

    Options: ClassVar[type[BaseModel]]
    decode_errors: int
    """Errors that the decoder or demuxer reported and that were survived, so far."""
    connects: bool
    """Whether `open` reaches over the network; known from the options. Only so many sources do so at one moment."""

    def __init__(self, name: str, options: Any) -> None: ...

    def open(self) -> StreamInfo:
        """Connects and reads until the geometry is known."""

    def seek(self, frame_id: int, pts: float) -> bool:
        """Right after `open`: goes on behind frame `frame_id`, whose pts in seconds is given.

        True: the next `grab` gives the frame after it, equal in every pixel to that of a reading from the start; only
        what a decoder puts in place of damaged data may differ, as it may between any two readings.
        False: that cannot be promised or is not worth it, and nothing has changed: the caller reads forward.
        """

    def grab(self) -> GrabbedFrame | None:
        """Decodes the next frame, in presentation order; None at the end.

        Raises SourceError (reason TRUNCATED or CORRUPT_DATA) if the end came earlier than the container promised.
        """

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the grabbed frame into `planes`, views laid out by its `FrameFormat.planes()`."""

    def close(self) -> None:
        """Gives everything back; harmless when repeated."""
