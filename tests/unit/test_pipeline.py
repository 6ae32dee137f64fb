"""What a pipeline looks at before it starts."""

from __future__ import annotations

import os
from pathlib import Path

from mpipeline.config import RunConfig
from mpipeline.pipeline import look_and_plan


def test_a_pipe_is_not_opened_for_the_plan(tmp_path: Path) -> None:
    """Whoever opens it empties it, and waits for its writer."""
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    plan, unreadable = look_and_plan(
        RunConfig.from_mapping({"sources": [{"uri": str(pipe)}], "model": {"target": "module:model"}})
    )
    assert plan.rings[0].assumed
    assert not unreadable
