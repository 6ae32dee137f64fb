"""The ring that a decoder writes into, exchanged for another when the format of the frames changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from mpipeline.frame import FrameFormat
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import StreamInfo

logger = logging.getLogger("mpipeline.decoder")


@dataclass(frozen=True, slots=True)
class GrantedRing:
    """Where to write, and whether a frame waits for a slot (`every_frame`) or is dropped if there is none.

    Frames up to `resume_after` are done.
    """

    writer: RingWriter
    every_frame: bool
    resume_after: int = 0


class RingSupply(Protocol):
    """Where a decoder gets its rings: the supervisor makes them, since it alone owns shared memory."""

    def request(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing | None:
        """A ring for frames of this format; blocks until it is granted. None: stop."""


class RingSwitch:
    """`writer` of the present ring, None if there is none; `waits`: a frame waits there for a slot.

    Rings of earlier formats stay attached until they are retired: their frames may still be read.
    """

    def __init__(self, name: str, supply: RingSupply) -> None:
        self.writer: RingWriter | None = None
        self.waits = True
        self._name = name
        self._supply = supply
        self._format: FrameFormat | None = None
        self._earlier: list[RingWriter] = []

    def fits(self, format: FrameFormat) -> bool:
        """Whether frames of this format can go into the present ring."""
        return self.writer is not None and format == self._format

    def change(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing | None:
        """Gets a ring for this format; None: stop."""
        if self.writer is not None:
            self._earlier.append(self.writer)
            fields = {"event": "resolution_changed", "source": self._name}
            level = logging.INFO if info.live else logging.DEBUG  # of a folder of photos it is no news
            logger.log(level, "%s: frames are %dx%d now", self._name, format.width, format.height, extra=fields)
        granted = self._supply.request(format, info, last_frame_id)
        self.writer, self.waits = (granted.writer, granted.every_frame) if granted is not None else (None, True)
        self._format = format
        return granted

    def retire(self, segment: str) -> None:
        """Detaches from a ring of an earlier format."""
        for writer in [w for w in self._earlier if w.descriptor.segment == segment]:
            writer.close()
            self._earlier.remove(writer)

    def close(self) -> None:
        """Detaches from all; harmless when repeated."""
        for writer in [*self._earlier, *([self.writer] if self.writer else [])]:
            writer.close()
        self._earlier, self.writer = [], None
