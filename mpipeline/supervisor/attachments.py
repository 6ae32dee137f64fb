"""Programs that were started separately and take part like a sink: they come, go, or are killed at any time."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mpipeline.errors import MpipelineError, RunExists
from mpipeline.messages import Hello, SinkAdded
from mpipeline.supervisor.rings import Reader

_FIRST_BIT_FROM_TOP = 14
_LISTENER_QUEUE = 64


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached program. `bit` is -1 if it wants no pixels; `pidfd` becomes readable when it ends."""

    name: str
    identity: str
    bit: int
    pidfd: int

    @property
    def listener(self) -> SinkAdded:
        """As inference knows it."""
        return SinkAdded(self.name, self.bit, "drop_oldest", "drop_oldest", _LISTENER_QUEUE)

    @property
    def reader(self) -> Reader:
        """As the rings know it."""
        return Reader(f"attached:{self.name}", self.bit, pins_every_frame=False)


class Attachments:
    """Those that are here now, and the reader bits that they use."""

    def __init__(self, reserved_bits: int) -> None:
        self._reserved = reserved_bits
        self._present: dict[str, Attachment] = {}

    def present(self) -> list[Attachment]:
        """All that are here."""
        return list(self._present.values())

    def add(self, hello: Hello, identity: str) -> Attachment:
        """Takes a program in.

        Raises RunExists if its name is taken or no reader bit is left, MpipelineError if its process cannot be watched.
        """
        if hello.name in self._present:
            raise RunExists(f"a program named {hello.name!r} is attached already")
        bit = -1
        if hello.wants_frames:
            taken = {attachment.bit for attachment in self._present.values()}
            free = [b for b in range(_FIRST_BIT_FROM_TOP, self._reserved - 1, -1) if b not in taken]
            if not free:
                raise RunExists("no more programs can attach to the pixels of this run (15 readers at most)")
            bit = free[0]
        try:
            pidfd = os.pidfd_open(hello.pid)
        except ProcessLookupError as error:
            text = f"no process {hello.pid} can be seen here: attach from the same machine"
            raise MpipelineError(text) from error
        except OSError as error:
            raise MpipelineError(f"process {hello.pid} cannot be watched: {error.strerror}") from error
        attachment = self._present[hello.name] = Attachment(hello.name, identity, bit, pidfd)
        return attachment

    def remove(self, attachment: Attachment) -> None:
        """It has gone."""
        if self._present.pop(attachment.name, None) is not None:
            os.close(attachment.pidfd)

    def by_identity(self, identity: str) -> Attachment | None:
        """The program of that name on the control channel."""
        return next((a for a in self._present.values() if a.identity == identity), None)
