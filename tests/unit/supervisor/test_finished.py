"""Exit code 0 alone does not mean that a worker is done: it needs a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.children import child
from support.ending import Run

from mpipeline.config import RunConfig
from mpipeline.messages import Bye, Role
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.supervisor import Supervisor

CONFIG = {"sources": [{"name": "a", "kind": "synthetic"}], "model": {"target": "m:M"}}


def has_finished(role: Role, bye: Bye | None, asked: bool) -> bool:
    made, run = Supervisor(make_plan(RunConfig.from_mapping(CONFIG)), Path("/nowhere")), Run(obedient=False)
    made._shutdown = run.shutdown
    one = child(role, "a" if role is Role.DECODER else "x", bye=bye)
    run.children[one.name] = one
    if asked:
        run.shutdown._asked.add(one.identity)
    return made._has_finished(one)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", [Role.DECODER, Role.INFERENCE, Role.SINK])
@pytest.mark.parametrize("bye", [None, Bye(), Bye("FAILED", "crashed", "asked to exit")])
def test_nobody_is_done_unasked(role: Role, bye: Bye | None) -> None:
    assert not has_finished(role, bye, asked=False)
    assert has_finished(role, bye, asked=True)


def test_a_decoder_is_done_when_its_source_has_ended() -> None:
    assert has_finished(Role.DECODER, Bye("ENDED"), asked=False)
    assert not has_finished(Role.SINK, Bye("ENDED"), asked=False)
