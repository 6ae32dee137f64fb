"""What the decoder loop tells of a frame's time."""

from __future__ import annotations

import pytest
from support.decoding import Bench

from mpipeline.sources.source import GrabbedFrame
from mpipeline.testing.fakes import FakeSource, FakeSourceOptions
from mpipeline.workers import decoder as decoder_module


def test_a_frame_tells_how_long_it_was_in_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "_RESERVE_S", 0.0)  # a full ring is not waited for in real time
    made = Bench(FakeSourceOptions(frames=10), reading=False, slots=1)
    grab = FakeSource.grab

    def slow(source: FakeSource) -> GrabbedFrame | None:
        grabbed = grab(source)
        made.clock.advance(0.007)
        return grabbed

    monkeypatch.setattr(FakeSource, "grab", slow)
    made.run(until=lambda: made.loop.progress == 1)
    made.clock.advance(5)  # what it has to wait for a slot does not count
    made.drain()
    made.run(until=lambda: made.loop.progress == 2)
    [(_, meta)] = made.readers[0].pending()
    assert (meta.frame_id, meta.decode_us) == (2, 7000)
    made.close()
