"""Programs that were started separately and take part like a sink: they come, go, or are killed at any time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mpipeline.errors import MpipelineError, RunExists
from mpipeline.messages import Hello, SinkAdded
from mpipeline.registry import suggestion
from mpipeline.supervisor.plan import FeedPlan, ModelPlan

_FIRST_BIT_FROM_TOP = 14
_LISTENER_QUEUE = 64


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached program. The bits of its feeds are -1 if it wants no pixels; `pidfd` tells when it ends."""

    name: str
    identity: str
    feeds: tuple[FeedPlan, ...]
    pidfd: int

    def listener(self, inference: str) -> SinkAdded | None:
        """As that inference process knows it; None if it takes nothing of it."""
        for feed in self.feeds:
            if feed.worker == inference:
                several = len(self.feeds) > 1
                return SinkAdded(self.name, feed.bit, "drop_oldest", "drop_oldest", _LISTENER_QUEUE, several)
        return None

    def reads(self, source: str | None = None) -> bool:
        """Whether it looks at pixels, of that source if it is given."""
        return any(feed.bit >= 0 and (source is None or source in feed.sources) for feed in self.feeds)


class Attachments:
    """Those that are here now, and the reader bits that they use: a bit for each model whose frames are looked at."""

    def __init__(self, models: Sequence[ModelPlan], reserved_bits: int) -> None:
        self._models = tuple(models)
        self._reserved = reserved_bits
        self._present: dict[str, Attachment] = {}

    def present(self) -> list[Attachment]:
        """All that are here."""
        return list(self._present.values())

    def add(self, hello: Hello, identity: str) -> Attachment:
        """Takes a program in.

        Raises RunExists if its name is taken or too few reader bits are left, MpipelineError if it names a model that
        there is not, or if its process cannot be watched.
        """
        if hello.name in self._present:
            raise RunExists(f"a program named {hello.name!r} is attached already")
        feeds = self._feeds(hello)
        try:
            pidfd = os.pidfd_open(hello.pid)
        except ProcessLookupError as error:
            text = f"no process {hello.pid} can be seen here: attach from the same machine"
            raise MpipelineError(text) from error
        except OSError as error:
            raise MpipelineError(f"process {hello.pid} cannot be watched: {error.strerror}") from error
        attachment = self._present[hello.name] = Attachment(hello.name, identity, feeds, pidfd)
        return attachment

    def _feeds(self, hello: Hello) -> tuple[FeedPlan, ...]:
        names = dict.fromkeys(model.name for model in self._models)
        for name in hello.models:
            if name not in names:
                named = suggestion(name, filter(None, names)) or "; its only model has no name"
                raise MpipelineError(f"this run has no model {name!r}{named}")
        chosen = [
            model for name in dict.fromkeys(hello.models) or names for model in self._models if model.name == name
        ]
        bits = [-1] * len(chosen)
        if hello.wants_frames:
            taken = {feed.bit for attachment in self._present.values() for feed in attachment.feeds}
            bits = [b for b in range(_FIRST_BIT_FROM_TOP, self._reserved - 1, -1) if b not in taken][: len(chosen)]
            if len(bits) < len(chosen):
                raise RunExists("no more programs can attach to the pixels of this run (15 readers at most)")
        return tuple(FeedPlan(one.name, one.worker, one.sources, bit) for one, bit in zip(chosen, bits, strict=True))

    def remove(self, attachment: Attachment) -> None:
        """It has gone."""
        if self._present.pop(attachment.name, None) is not None:
            os.close(attachment.pidfd)

    def by_identity(self, identity: str) -> Attachment | None:
        """The program of that name on the control channel."""
        return next((a for a in self._present.values() if a.identity == identity), None)
