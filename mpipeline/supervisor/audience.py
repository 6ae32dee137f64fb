"""Who takes what the models find: sinks and attached programs, each by the models that it takes predictions of.

What goes from one model to one of them is a feed: it has a session, acknowledgements and, if pixels are wanted, a
reader bit of its own, so that each model's inference process accounts for its own deliveries alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from mpipeline.errors import MpipelineError
from mpipeline.messages import Hello, Message, ModelGone, Refused, Role, SinkAdded, SinkRemoved, Start
from mpipeline.supervisor.attachments import Attachment, Attachments
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.plan import FeedPlan, ModelPlan, Plan, SinkPlan
from mpipeline.supervisor.rings import Reader, Rings
from mpipeline.transport.run_directory import Endpoints

logger = logging.getLogger("mpipeline.supervisor")

Send = Callable[[str, Message], object]


class Audience:
    """Tells each inference process its listeners, and the rings their readers."""

    def __init__(
        self, plan: Plan, rings: Rings, children: Mapping[str, Child], endpoints: Endpoints, send: Send
    ) -> None:
        reserved = 1 + max([model.bit for model in plan.models] + [f.bit for sink in plan.sinks for f in sink.feeds])
        self.attachments = Attachments(plan.models, reserved)
        self._plan = plan
        self._rings = rings
        self._children = children
        self._endpoints = endpoints
        self._send = send
        self._sinks: dict[str, dict[str, SinkAdded]] = {}  # sink → inference process → as it knows it, once ready
        for model in plan.models:
            rings.add_reader(Reader(model.worker, model.bit, True, model.sources, infers=True))

    def is_here(self, worker: str) -> bool:
        """Whether this sink has been ready, and is not over."""
        return worker in self._sinks

    def feeds(self, feeds: tuple[FeedPlan, ...]) -> list[dict[str, Any]]:
        """What a sink or an attached program is told of its feeds in START."""
        bits = {model.worker: model.bit for model in self._plan.models}
        return [
            {
                "model": feed.model,
                "predictions": self._endpoints.of_model(bits[feed.worker]).predictions,
                "sources": list(feed.sources),
                "bit": feed.bit,
                "over": self._is_given_up(feed.worker),
            }
            for feed in feeds
        ]

    def introduce(self, model: ModelPlan, identity: str) -> None:
        """A fresh inference process hears of all its listeners."""
        for by_worker in self._sinks.values():
            if model.worker in by_worker:
                self._send(identity, by_worker[model.worker])
        for attachment in self.attachments.present():
            if (listener := attachment.listener(model.worker)) is not None:
                self._send(identity, listener)

    # --- sinks --------------------------------------------------------------------------------------------------

    def sink(self, child: Child) -> SinkPlan:
        """The plan of a sink's worker."""
        return next(sink for sink in self._plan.sinks if sink.worker == child.name)

    def admit_readers(self, child: Child) -> None:
        """A sink that wants pixels is ready: from now on frames are pending for it too."""
        sink = self.sink(child)
        for feed in sink.feeds:
            if not self._is_given_up(feed.worker):
                pins = sink.overflow(every_frame=True) == "block"
                self._rings.add_reader(Reader(_reader(child.name, feed.worker), feed.bit, pins, feed.sources))

    def admit(self, child: Child, *, wants_frames: bool) -> None:
        """A sink is ready: its models' predictions go to it too."""
        sink = self.sink(child)
        every, latest = sink.overflow(every_frame=True), sink.overflow(every_frame=False)
        self._sinks[child.name] = {
            feed.worker: SinkAdded(
                sink.spec.name,
                feed.bit if wants_frames else -1,
                every,
                latest,
                sink.spec.queue,
                repeats_ends=len(sink.feeds) > 1,
            )
            for feed in sink.feeds
        }
        for worker, added in self._sinks[child.name].items():
            self._tell(worker, added)

    def dismiss(self, child: Child) -> None:
        """A sink is over for good: nobody waits for it any longer."""
        sink = self.sink(child)
        self._sinks.pop(child.name, None)
        for feed in sink.feeds:
            self._rings.remove_reader(_reader(child.name, feed.worker))
            self._tell(feed.worker, SinkRemoved(sink.spec.name))

    # --- models -------------------------------------------------------------------------------------------------

    def give_up(self, model: ModelPlan) -> None:
        """A model has failed for good and the others go on: no frame waits for it any longer, or for who looks at what
        it has found."""
        self._rings.remove_reader(model.worker)
        for sink in self._plan.sinks:
            self._rings.remove_reader(_reader(sink.worker, model.worker))
            if (child := self._children[sink.worker]).is_alive:
                self._send(child.identity, ModelGone(model.name, model.sources))
        for attachment in self.attachments.present():
            self._rings.remove_reader(_reader(attachment.identity, model.worker))

    def _is_given_up(self, worker: str) -> bool:
        return self._children[worker].state is ProcessState.FATAL

    # --- attached programs --------------------------------------------------------------------------------------

    def attach(self, identity: str, hello: Hello) -> Attachment | None:
        """A program wants to take part: it is told how, or why not."""
        if self.attachments.by_identity(identity) is not None:
            return None  # it has said so before
        if any(sink.spec.name == hello.name for sink in self._plan.sinks):
            self._send(identity, Refused(f"{hello.name!r} is the name of a sink of this run: choose another"))
            return None
        try:
            attachment = self.attachments.add(hello, identity)
        except MpipelineError as error:
            self._send(identity, Refused(str(error)))
            return None
        self._send(identity, Start({"feeds": self.feeds(attachment.feeds)}))
        for feed in attachment.feeds:
            if feed.bit >= 0 and not self._is_given_up(feed.worker):
                self._rings.add_reader(Reader(_reader(identity, feed.worker), feed.bit, False, feed.sources))
        return attachment

    def listen(self, attachment: Attachment) -> None:
        """From now on its models' predictions go to an attached program too."""
        for feed in attachment.feeds:
            self._tell(feed.worker, attachment.listener(feed.worker))
        logger.info("%s attached", attachment.name, extra={"event": "attached", "sink": attachment.name})

    def detach(self, attachment: Attachment) -> None:
        """An attached program has said goodbye or is dead: what it held is given back."""
        for feed in attachment.feeds:
            self._tell(feed.worker, SinkRemoved(attachment.name))
            self._rings.remove_reader(_reader(attachment.identity, feed.worker))
        self.attachments.remove(attachment)
        logger.info("%s detached", attachment.name, extra={"event": "detached", "sink": attachment.name})

    # --- who can hear -------------------------------------------------------------------------------------------

    def pixel_readers(self, source: str | None = None) -> list[str]:
        """Identities of everyone who attaches to rings, of that source if it is given, and can hear of it."""
        ready = [c for c in self._children.values() if c.is_alive and c.ready is not None]
        models = {m.worker for m in self._plan.models if source is None or source in m.sources}
        inference = [c.identity for c in ready if c.plan.role is Role.INFERENCE and c.name in models]
        sinks = [c.identity for c in ready if c.name in self._sinks and self._reads(c.name, source)]
        programs = [a.identity for a in self.attachments.present() if a.reads(source)]
        return inference + sinks + programs

    def _reads(self, worker: str, source: str | None) -> bool:
        sink = next(sink for sink in self._plan.sinks if sink.worker == worker)
        looks = any(added.bit >= 0 for added in self._sinks[worker].values())
        return looks and any(source is None or source in feed.sources for feed in sink.feeds)

    def _tell(self, worker: str, message: Message | None) -> None:
        child = self._children[worker]
        if message is not None and child.ready is not None and child.is_alive:
            self._send(child.identity, message)


def _reader(listener: str, inference: str) -> str:
    """The name of a feed among the readers of rings."""
    return f"{listener} {inference}"
