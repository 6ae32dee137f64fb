"""What comes in on the control channel, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.messages import Bye, Heartbeat, Hello, Message, Ready, RingDamaged, StatusRequest
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.membership import Membership
from mpipeline.supervisor.status import RunStatus
from mpipeline.supervisor.status_desk import StatusDesk
from mpipeline.transport import channel

_LAST_WORDS_NS = 2 * NS_PER_S  # only who has ended without any is waited for so long
_LISTEN_S = 0.02


class Hearing:
    """Notes with each child what it has said, and passes on what the membership, or the desk for status, answers."""

    def __init__(
        self,
        control: channel.Router,
        members: Membership,
        children: Mapping[str, Child],
        clock: Clock,
        status: Callable[[], RunStatus],
    ) -> None:
        self._control = control
        self._members = members
        self._children = children
        self._clock = clock
        self._desk = StatusDesk(control.send_encoded, status, clock)
        self._poller = channel.Poller()
        self._poller.add(control)

    def listen(self) -> None:
        """Takes of what is there; a flood must not keep the supervisor from its work."""
        for identity, message in self._control.arrived():
            self._receive(identity, message)
        self._desk.serve()

    def last_words(self, child: Child, *, patient: bool) -> None:
        """Of a worker that has ended: they may still be in the socket, or on their way to it, since a thread needs no
        time to end and a process leaves them to ZeroMQ. `patient`: they are waited for, since much depends on them."""
        self.listen()
        deadline = self._clock.monotonic_ns() + _LAST_WORDS_NS
        while patient and child.bye is None and self._clock.monotonic_ns() < deadline:
            self._poller.wait(_LISTEN_S)
            self.listen()

    def _receive(self, identity: str, message: Message) -> None:
        if isinstance(message, Hello):
            self._members.greet(identity, message)
            return
        if isinstance(message, StatusRequest):
            self._desk.ask(identity)
            return
        attachment = self._members.attachments.by_identity(identity)
        if attachment is not None:
            if isinstance(message, Bye):
                self._members.detach(attachment)
            elif isinstance(message, RingDamaged):
                self._members.mending.hear(message)
            return
        child = self._children.get(identity.rpartition("#")[0])
        if child is None or child.identity != identity:
            return  # of an incarnation that is dead
        if not child.is_alive and not isinstance(message, Bye):
            return  # it came late: the process has been buried
        child.heard_ns = self._clock.monotonic_ns()
        if isinstance(message, Heartbeat):
            child.heartbeat = message
        elif isinstance(message, Ready):
            child.ready, child.ready_ns, child.state = message, child.heard_ns, ProcessState.RUNNING
            self._members.welcome(child, message)
        elif isinstance(message, Bye):
            child.bye = message
        self._members.hear(child, message)
