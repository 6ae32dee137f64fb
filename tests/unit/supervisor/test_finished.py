"""Exit code 0 alone does not mean that a worker is done: it needs a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.children import child
from support.ending import Run

from mpipeline.clock import ManualClock
from mpipeline.config import RunConfig
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import EXIT_DONE, EXIT_FAILED
from mpipeline.messages import Bye, Ready, Role
from mpipeline.supervisor import outcome
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.restart import RestartPolicy
from mpipeline.supervisor.supervisor import Supervisor

CONFIG = {
    "sources": [{"name": "a", "kind": "synthetic"}],
    "model": {"target": "m:M"},
    "sinks": [{"name": "x", "kind": "python", "target": "m:X"}],
}


ROLES = [Role.DECODER, Role.INFERENCE, Role.SINK]


def has_finished(role: Role, bye: Bye | None, asked: bool, is_hosted: bool = False) -> bool:
    run = Run(obedient=False)
    one = child(role, "a" if role is Role.DECODER else "x", bye=bye, is_hosted=is_hosted)
    run.children[one.name] = one
    if asked:
        run.shutdown._asked.add(one.identity)
    return run.shutdown.has_finished(one)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("bye", [None, Bye(), Bye("FAILED", "crashed", "asked to exit")])
def test_nobody_is_done_unasked(role: Role, bye: Bye | None) -> None:
    assert not has_finished(role, bye, asked=False)


@pytest.mark.parametrize("role", ROLES)
def test_who_was_told_to_finish_is_done_with_a_goodbye(role: Role) -> None:
    assert has_finished(role, Bye(), asked=True)
    assert not has_finished(role, None, asked=True)
    assert has_finished(role, None, asked=True, is_hosted=True)


def test_a_decoder_is_done_when_its_source_has_ended() -> None:
    assert has_finished(Role.DECODER, Bye("ENDED"), asked=False)
    assert not has_finished(Role.SINK, Bye("ENDED"), asked=False)


class Ending:
    """A supervisor of one worker that was told to finish, has exited with 0, and said `bye` or nothing."""

    def __init__(self, role: Role, bye: Bye | None = None) -> None:
        plan = make_plan(RunConfig.from_mapping(CONFIG))
        self.run = Run(obedient=False)
        self.farewells: list[str] = []
        worker = next(worker for worker in plan.workers if worker.role is role)
        self.child = Child(worker, RestartPolicy(RestartSpec()), "ipc://nowhere", "info")
        self.child.incarnation, self.child.ready, self.child.ready_ns, self.child.bye = 1, Ready({}), 1, bye
        self.run.children[worker.name] = self.child  # type: ignore[assignment]
        self.run.shutdown._asked.add(self.child.identity)
        supervisor: Any = Supervisor(plan, Path("/nowhere"), clock=ManualClock())
        supervisor._shutdown, supervisor._members = self.run.shutdown, self
        supervisor._decide(self.child, EXIT_DONE, 0, 0)

    def lacks_memory(self, child: Child) -> bool:
        return False

    def farewell(self, child: Child) -> None:
        self.farewells.append(child.name)

    def interrupted(self, child: Child) -> None:
        pass

    @property
    def exit_code(self) -> int:
        return outcome.exit_code([self.child], cut_short=False)


def test_a_sink_that_ends_its_process_while_it_finishes_makes_the_run_fail() -> None:
    """Inference is over then: whatever the sink has not done, nobody would send it again."""
    made = Ending(Role.SINK)
    assert made.child.state is ProcessState.FATAL
    assert made.exit_code == EXIT_FAILED
    assert "could not finish its work: it ended with exit code 0" in made.child.failure
    assert made.farewells == [made.child.name]


def test_inference_that_ends_its_process_while_it_finishes_is_started_again() -> None:
    made = Ending(Role.INFERENCE)
    assert made.child.state is ProcessState.BACKOFF
    assert made.farewells == []


@pytest.mark.parametrize("role", [Role.SINK, Role.INFERENCE])
def test_with_a_goodbye_all_is_well(role: Role) -> None:
    made = Ending(role, Bye())
    assert made.child.state is ProcessState.EXITED
    assert made.exit_code == EXIT_DONE


CRASHED, RAISED = "frames_failed{reason=crashed,source=a}", "frames_failed{reason=inference_failed,source=a}"


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({RAISED: 3.0}, EXIT_FAILED),
        ({RAISED: 3.0, "frames_inferred{source=a}": 1.0}, EXIT_DONE),
        ({CRASHED: 2.0}, EXIT_DONE),  # and with the process went the count of those that it had inferred
        ({CRASHED: 60.0}, EXIT_FAILED),
    ],
)
def test_a_model_that_fails_at_every_frame_makes_the_run_fail(counts: dict[str, float], code: int) -> None:
    made = Ending(Role.INFERENCE, Bye())
    decoder = Ending(Role.DECODER, Bye())
    made.child.counters, decoder.child.counters = counts, {"frames_published{source=a}": 60.0}
    assert outcome.exit_code([made.child, decoder.child], cut_short=False) == code
