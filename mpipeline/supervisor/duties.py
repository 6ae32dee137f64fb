"""Tells what a worker ought to be doing just now, from what the rings and the other workers show."""

from __future__ import annotations

from collections.abc import Sequence

from mpipeline.clock import NS_PER_S
from mpipeline.messages import Role, StreamState
from mpipeline.metrics.recorder import metric_key
from mpipeline.supervisor.child import Child
from mpipeline.supervisor.rings import Rings

_FRESH_NS = 2 * NS_PER_S  # what inference has said of its sinks holds for so long


def duty(child: Child, inferences: Sequence[Child], rings: Rings, now_ns: int, *, waits_for_ring: bool) -> str | None:
    """What `child` ought to be doing, in words that follow "although"; empty if it may rest.

    None if nobody can tell: what waits for a sink is known from inference, and that may hang itself. `waits_for_ring`:
    the supervisor owes this decoder an answer.
    """
    if child.plan.role is Role.INFERENCE:
        return "frames wait for it" if rings.wait_for(child.plan.spec["bit"]) else ""
    if child.plan.role is Role.SINK:
        key = metric_key("predictions_outstanding", {"sink": str(child.plan.spec["sink"]["name"])})
        said = [one for one in inferences if one.heartbeat is not None and one.heartbeat.metrics.get(key, 0) > 0]
        if any(now_ns - one.heard_ns <= _FRESH_NS for one in said):
            return "predictions wait for it"
        return None if said else ""
    streaming = child.heartbeat is not None and child.heartbeat.state == StreamState.STREAMING.value
    has_room = not waits_for_ring and rings.has_room(str(child.plan.spec["source"]["name"]))
    return "its stream is open and there is room for a frame" if streaming and has_room else ""
