"""Who takes part in a run, and who gets which ring: handshakes, ring requests, comings and goings."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any

from mpipeline.clock import NS_PER_S
from mpipeline.config.schema import SourceSpec
from mpipeline.errors import RingError, SharedMemoryFull
from mpipeline.messages import (
    PROTOCOL_VERSION,
    Bye,
    Heartbeat,
    Hello,
    Message,
    Ready,
    Refused,
    RingAttached,
    RingDamaged,
    RingGranted,
    RingRequest,
    RingRetired,
    Role,
    SourceEnded,
    Start,
)
from mpipeline.supervisor.attachments import Attachment
from mpipeline.supervisor.audience import Audience, Send
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.duties import duty
from mpipeline.supervisor.mending import Mending
from mpipeline.supervisor.plan import FeedPlan, ModelPlan, Plan, is_every_frame, slots_for
from mpipeline.supervisor.resuming import Resumption
from mpipeline.supervisor.rings import Rings
from mpipeline.transport.run_directory import Endpoints

logger = logging.getLogger("mpipeline.supervisor")

_TRY_AGAIN_NS = 2 * NS_PER_S
_PATIENCE_NS = 30 * NS_PER_S  # with sinks of a resumed run that need not have every frame
_MOST_OLDER_RINGS = 2  # of one source, besides the present one


class Membership:
    """Answers the workers. Every ring is made here, and every reader hears of it before its first frame."""

    def __init__(
        self,
        plan: Plan,
        children: dict[str, Child],
        endpoints: Endpoints,
        run_id: str,
        send: Send,
        *,
        resume: bool = False,
    ) -> None:
        self.streams: dict[str, RingRequest] = {}  # source → what its decoder has told of it
        self._plan = plan
        self._children = children
        self._endpoints = endpoints
        self._send = send
        self._rings = Rings(run_id)
        self._audience = Audience(plan, self._rings, children, endpoints, send)
        self.attachments = self._audience.attachments
        self.mending = Mending(plan, self._rings, children, self.streams, self._tell_readers)
        self._requests: dict[str, RingRequest] = {}  # decoder → the request that waits
        self._asked_ns: dict[str, int] = {}  # decoder → when its first request was looked at
        self._postponed: dict[str, int] = {}  # decoder → when a request is looked at again that could not be granted
        self._without_memory: set[str] = set()  # decoders of live sources whose ring had no room in /dev/shm
        self._resumption = Resumption(plan, lambda worker: children[worker].is_over, enabled=resume)

    # --- handshake ----------------------------------------------------------------------------------------------

    def greet(self, identity: str, hello: Hello) -> None:
        """HELLO → START, or a refusal that says why."""
        child = self._children.get(hello.name)
        if hello.protocol != PROTOCOL_VERSION:
            ours = f"this run speaks protocol {PROTOCOL_VERSION}, you speak {hello.protocol}"
            self._send(identity, Refused(f"{ours}: use one version of mpipeline for both"))
        elif hello.role is Role.ATTACHED:
            self._attach(identity, hello)
        elif child is None or child.identity != identity:
            self._send(identity, Refused(f"{identity} is not part of this run"))
        else:
            self._send(identity, Start({**child.plan.spec, **self._spec_of(child)}))

    def _spec_of(self, child: Child) -> dict[str, Any]:
        """What START tells besides the worker's part of the config."""
        if child.plan.role is Role.SINK:  # only one that was ready has begun to write
            resume = self._resumption.enabled or self._audience.is_here(child.name)
            return {"feeds": self._audience.feeds(self._audience.sink(child).feeds), "resume": resume}
        if child.plan.role is Role.INFERENCE:
            ends = self._endpoints.of_model(self._model(child).bit)
            own = {"frames": ends.frames, "predictions": ends.predictions, "journal": ends.journal}
            return {**own, "blamed": child.blamed, "resume": self._resumption.enabled}
        models = self._plan.models_of(_source(child))
        resume_after, resume_pts = self._rings.last_published(_source(child))
        return {
            "frames": [self._endpoints.of_model(model.bit).frames for model in models],
            "counted": sum(1 << model.bit for model in models),
            "resume_after": resume_after,
            "resume_pts": resume_pts,
            "permits": {"folder": str(self._endpoints.folder), "count": self._plan.config.limits.connects},
        }

    def welcome(self, child: Child, ready: Ready) -> None:
        """A worker can work: it hears of everything that is there already."""
        if child.plan.role is Role.INFERENCE:
            model = self._model(child)
            self._audience.introduce(model, child.identity)
            self._introduce_rings(child.identity, model.sources)
            for decoder in self._workers(Role.DECODER):
                if decoder.is_over and _source(decoder) in model.sources:
                    self._send(child.identity, self._ended(decoder))
        elif child.plan.role is Role.SINK:
            wants_frames = bool(ready.facts.get("wants_frames"))
            if wants_frames:
                self._audience.admit_readers(child)
                for damage in self.mending.told:  # or it would wait for rings of which inference still speaks
                    self._send(child.identity, damage)
                self._introduce_rings(child.identity, _sources(self._audience.sink(child).feeds))
            self._resumption.note(child.name, ready.facts.get("written"))
            self._audience.admit(child, wants_frames=wants_frames)

    def farewell(self, child: Child) -> None:
        """A worker is over for good: nobody waits for it any longer."""
        self._requests.pop(child.name, None)
        if child.plan.role is Role.DECODER:
            self._rings.reap_writer(_source(child))
            for model in self._plan.models_of(_source(child)):
                if (inference := self._children[model.worker]).ready is not None and inference.is_alive:
                    self._send(inference.identity, self._ended(child))
        elif child.plan.role is Role.SINK:
            self._audience.dismiss(child)
        elif all(inference.is_over for inference in self._workers(Role.INFERENCE) if inference is not child):
            self.mending.settle()
        elif child.state is ProcessState.FATAL:
            self._audience.give_up(self._model(child))

    def interrupted(self, child: Child) -> None:
        """A worker is down and will come back; what only the living may hold is taken back."""
        self._requests.pop(child.name, None)
        if child.plan.role is Role.DECODER:
            self._rings.reap_writer(_source(child))
        elif child.plan.role is Role.INFERENCE:
            self._rings.recover(self._model(child).bit)

    def hear(self, child: Child, message: Message) -> None:
        """What a living worker says of its work and of rings."""
        if isinstance(message, RingRequest) and child.plan.role is Role.DECODER:
            self.request(child, message)
        elif isinstance(message, RingDamaged):
            self.mending.hear(message)
        elif isinstance(message, Heartbeat) and child.plan.role is Role.INFERENCE:
            self.mending.note(child, message)

    # --- rings --------------------------------------------------------------------------------------------------

    def request(self, child: Child, message: RingRequest) -> None:
        """A decoder knows its geometry."""
        self.streams[_source(child)] = message
        self._requests[child.name] = message
        self._without_memory.discard(child.name)

    def lacks_memory(self, child: Child) -> bool:
        """Whether the decoder of a live source got no ring, because /dev/shm is full just now."""
        return child.name in self._without_memory

    def owes(self, child: Child, now_ns: int) -> str | None:
        """What a worker ought to be doing just now; see `duty`."""
        waits = child.name in self._requests
        return duty(child, self._workers(Role.INFERENCE), self._rings, now_ns, waits_for_ring=waits)

    def serve(self, now_ns: int) -> None:
        """Grants the requests whose time has come, and removes rings that are damaged or have fallen silent."""
        self.mending.look(now_ns)
        for segment in self._rings.retire(now_ns):
            self._tell_readers(RingRetired(segment))
            for decoder in self._workers(Role.DECODER):
                self._send(decoder.identity, RingRetired(segment))
        for name, message in list(self._requests.items()):
            if self._postponed.get(name, 0) <= now_ns and self._may_grant(self._children[name], message, now_ns):
                del self._requests[name]
                self._grant(self._children[name], message, now_ns)

    def close(self) -> None:
        """Dismisses attached programs and removes all rings."""
        for attachment in self.attachments.present():
            self._send(attachment.identity, Bye())
            self.attachments.remove(attachment)
        self._rings.close()

    def _may_grant(self, child: Child, message: RingRequest, now_ns: int) -> bool:
        """Under `every_frame` each sink that must have every frame is there first; a new live stream waits for none,
        one of a resumed run for a while for all.

        A source has a bounded number of rings: while older ones are still read, a further change of size waits. A
        decoder that is being ended gets none: its successor begins elsewhere.
        """
        if child.sentence is not None or self._rings.older(_source(child)) >= _MOST_OLDER_RINGS:
            return False
        patient = now_ns - self._asked_ns.setdefault(child.name, now_ns) < _PATIENCE_NS
        every_frame = is_every_frame(self._spec(child), message.live)
        must = self._resumption.waits_for(_source(child), message.live, every_frame, patient=patient)
        return all(self._audience.is_here(worker) or self._children[worker].is_over for worker in must)

    def _spec(self, child: Child) -> SourceSpec:
        return next(spec for spec in self._plan.config.sources if spec.name == _source(child))

    def _grant(self, child: Child, message: RingRequest, now_ns: int) -> None:
        source = self._spec(child)
        every_frame = is_every_frame(source, message.live)
        slots = slots_for(self._plan.config, source, every_frame)
        format = message.descriptor.format
        done = max(message.last_frame_id, self._resumption.begin(source.name, message.live, every_frame))
        try:
            descriptor, fresh = self._rings.grant(source.name, format, slots, every_frame, done)
        except RingError as error:  # no room for it, or no ring can be that large
            if source.name in self._rings.damaged:
                return  # the decoder is about to be started again
            if message.live and isinstance(error, SharedMemoryFull):
                self._without_memory.add(child.name)
            self._send(child.identity, Refused(str(error)))
            return
        except OSError as error:  # too many open files, say
            self._requests[child.name], self._postponed[child.name] = message, now_ns + _TRY_AGAIN_NS
            fields = {"event": "ring_postponed", "source": source.name}
            logger.error("cannot make the ring of %s just now: %s", source.name, error.strerror, extra=fields)
            return
        if fresh:
            self.mending.granted(source.name)
            for identity in self._audience.pixel_readers(source.name):
                self._send(identity, RingAttached(descriptor, every_frame))
        done = self._rings.last_frame_id(source.name)
        self._send(child.identity, RingGranted(descriptor, every_frame, resume_after=done))

    def _introduce_rings(self, identity: str, sources: Collection[str]) -> None:
        for descriptor, every_frame in self._rings.descriptors():
            if descriptor.source in sources:
                self._send(identity, RingAttached(descriptor, every_frame))

    def _tell_readers(self, message: Message) -> None:
        for identity in self._audience.pixel_readers():
            self._send(identity, message)

    # --- attached programs --------------------------------------------------------------------------------------

    def _attach(self, identity: str, hello: Hello) -> None:
        attachment = self._audience.attach(identity, hello)
        if attachment is not None:
            if attachment.reads():
                self._introduce_rings(identity, _sources(attachment.feeds))
            self._audience.listen(attachment)

    def detach(self, attachment: Attachment) -> None:
        """An attached program has said goodbye or is dead: what it held is given back."""
        self._audience.detach(attachment)

    # --- inside -------------------------------------------------------------------------------------------------

    def _model(self, child: Child) -> ModelPlan:
        return next(model for model in self._plan.models if model.worker == child.name)

    def _workers(self, role: Role) -> list[Child]:
        return [child for child in self._children.values() if child.plan.role is role]

    def _ended(self, decoder: Child) -> SourceEnded:
        return SourceEnded(_source(decoder), self._rings.last_frame_id(_source(decoder)))


def _source(child: Child) -> str:
    return str(child.plan.spec["source"]["name"])


def _sources(feeds: Iterable[FeedPlan]) -> set[str]:
    return {source for feed in feeds for source in feed.sources}
