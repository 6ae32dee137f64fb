"""Who is looked after how closely while a run ends: inference as ever, sinks with patience."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.children import child
from support.ending import Run

from mpipeline.clock import ManualClock
from mpipeline.config import RunConfig
from mpipeline.messages import Heartbeat, Role
from mpipeline.supervisor.guard import Guard
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.supervisor import Supervisor

CONFIG = {
    "sources": [{"name": "a", "kind": "synthetic"}],
    "model": {"target": "m:M"},
    "supervision": {"inference_timeout": 20, "sink_timeout": 20},
}


@pytest.mark.parametrize(("role", "signals"), [(Role.INFERENCE, [signal.SIGKILL]), (Role.SINK, [])])
def test_a_model_that_hangs_while_it_is_drained_is_killed_as_at_any_time(role: Role, signals: list[int]) -> None:
    clock, run = ManualClock(), Run(obedient=False)
    plan = make_plan(RunConfig.from_mapping(CONFIG))
    made: Any = Supervisor(plan, Path("/nowhere"), clock=clock)
    made._shutdown = run.shutdown
    made._guard = Guard(plan.config.supervision, lambda *_: "frames wait for it")
    one: Any = child(role, "x", heartbeat=Heartbeat(5, {}), heard_ns=clock.monotonic_ns())
    one.pidfd = os.pidfd_open(os.getpid())
    run.shutdown._asked.add(one.identity)
    for _ in range(25):
        clock.advance(1)
        one.heard_ns = clock.monotonic_ns()
        if one.is_alive:
            made._attend(one, clock.monotonic_ns())
    os.close(one.pidfd)
    assert one.signals == signals
