"""The last words of a worker that has ended are heard, also when they arrive after its end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support.children import child

from mpipeline.clock import ManualClock, SystemClock
from mpipeline.messages import Bye, Heartbeat, RingDamaged, Role
from mpipeline.supervisor.hearing import Hearing
from mpipeline.supervisor.status import RunStatus
from mpipeline.transport import channel


def status_of_nothing() -> RunStatus:
    return RunStatus("run", "running", (), (), {})


class Members:
    """As much of a membership as is asked."""

    def __init__(self) -> None:
        self.attachments = self.mending = self
        self.guest = ""
        self.heard: list[Any] = []

    def by_identity(self, identity: str) -> str | None:
        return identity if identity == self.guest else None

    def detach(self, guest: str) -> None:
        self.heard.append(guest)

    def hear(self, *said: Any) -> None:
        self.heard.append(said[-1])


class Bench:
    """A worker on the other side of a socket; `clock` decides how patient the listener is."""

    def __init__(self, endpoint: str, clock: Any) -> None:
        self.context = channel.context()
        router = channel.Router(self.context, endpoint)
        self.child: Any = child(Role.DECODER, "a")
        self.members: Any = Members()
        self.hearing = Hearing(router, self.members, {self.child.name: self.child}, clock, status_of_nothing)
        self.worker = channel.connect_control(self.context, endpoint, self.child.identity)

    def say_goodbye(self) -> None:
        self.worker.send(Bye("ENDED", last_frame_id=7))


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/control.sock"


def test_last_words_that_come_late_are_waited_for(endpoint: str) -> None:
    bench = Bench(endpoint, SystemClock())
    late = threading.Timer(0.05, bench.say_goodbye)
    late.start()
    bench.hearing.last_words(bench.child, patient=True)
    late.join()
    assert bench.child.bye == Bye("ENDED", last_frame_id=7)
    bench.context.destroy(linger=0)


def test_who_is_known_to_say_nothing_is_not_waited_for(endpoint: str) -> None:
    bench = Bench(endpoint, ManualClock())  # by which no patience would ever be over
    bench.hearing.last_words(bench.child, patient=False)
    assert bench.child.bye is None
    bench.context.destroy(linger=0)


def test_an_attached_program_tells_of_damaged_rings_and_leaves(endpoint: str) -> None:
    bench = Bench(endpoint, SystemClock())
    bench.members.guest = bench.child.identity
    damage = RingDamaged("a", "mp-x-0", "nonsense in a slot")
    for message in (Heartbeat(1, {}), damage, Bye()):
        bench.worker.send(message)
    for _ in range(600):
        bench.hearing.listen()
        if len(bench.members.heard) == 2:
            break
        bench.hearing._poller.wait(0.1)
    assert bench.members.heard == [damage, bench.child.identity]
    bench.context.destroy(linger=0)
