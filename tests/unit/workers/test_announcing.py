"""What a decoder holds back is announced before it does anything else than publish."""

from __future__ import annotations

import pytest
from support.decoding import Bench

from mpipeline.messages import PlayMode
from mpipeline.testing.fakes import FakeSourceOptions


@pytest.mark.parametrize("mode", [PlayMode.PAUSE, PlayMode.MUTE])
def test_what_was_published_before_a_mode_is_announced(mode: PlayMode) -> None:
    made = Bench(FakeSourceOptions(frames=100))
    try:
        while made.loop.progress < 3:
            made.loop.step()
        made.loop.mode = mode
        made.loop.step()
        assert (made.loop.progress, made.hints[-1].frame_id) == (3, 3)
    finally:
        made.close()
