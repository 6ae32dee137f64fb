"""A membership over children without processes: messages are noted, rings are real."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from support.children import FakeChild

from mpipeline.config import RunConfig
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.messages import Ready, RingRequest
from mpipeline.ring.descriptor import RingDescriptor
from mpipeline.supervisor.membership import Membership
from mpipeline.supervisor.plan import make_plan
from mpipeline.transport.run_directory import Endpoints

SMALL, BIG = FrameFormat(PixelFormat.GRAY8, 16, 16), FrameFormat(PixelFormat.GRAY8, 64, 16)
CONFIG: dict[str, Any] = {
    "sources": [{"name": "a", "kind": "synthetic"}],
    "model": {"target": "m:M"},
    "sinks": [{"name": "x", "kind": "python", "target": "m:X"}, {"name": "y", "kind": "python", "target": "m:Y"}],
}


class Bench:
    """A membership with children that are not ready yet; `overflow` is that of the sink y.

    `config`: another one than that of one model, which has a source a and sinks x and y as well.
    """

    def __init__(self, overflow: str = "auto", *, resume: bool = False, config: dict[str, Any] = CONFIG) -> None:
        sinks = [*config["sinks"][:1], {**config["sinks"][1], "overflow": overflow}]
        plan = make_plan(RunConfig.from_mapping({**config, "sinks": sinks}))
        self.children: Any = {w.name: FakeChild(w, ready=None) for w in plan.workers}
        self.sent: list[tuple[str, Any]] = []
        run_id = uuid.uuid4().hex[:12]
        self.made = Membership(plan, self.children, Endpoints(Path("/run")), run_id, self._send, resume=resume)

    def _send(self, identity: str, message: Any) -> bool:
        self.sent.append((identity, message))
        return True

    def ready(self, name: str, **facts: Any) -> None:
        child = self.children[name]
        child.ready = Ready(facts)
        self.made.welcome(child, child.ready)

    def all_ready(self) -> None:
        for name in ("inference", "sink:x", "sink:y"):
            self.ready(name, wants_frames=name == "sink:y")

    def request(self, format: FrameFormat = SMALL, live: bool = False) -> None:
        descriptor = RingDescriptor("", "a", 0, 0, format)
        self.made.request(self.children["decoder:a"], RingRequest(descriptor, live, 0))
        self.made.serve(0)

    def take(self) -> list[tuple[str, Any]]:
        taken, self.sent = self.sent, []
        return taken


def kinds(sent: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Who was sent what kind of message."""
    return [(identity, type(message).__name__) for identity, message in sent]
