"""The key-frame gate, and which frames damage marks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from support import media
from support.media import VideoSpec

from mpipeline.clock import ManualClock
from mpipeline.sources.video_decode import FrameDecoder, KeyFrameGate

PREDICTED = 2  # AVPictureType


def frame(*, key_frame: bool = False, pict_type: int = PREDICTED) -> Any:
    return SimpleNamespace(key_frame=key_frame, pict_type=pict_type)


def packet(*, is_discard: bool = False, is_keyframe: bool = True) -> Any:
    return SimpleNamespace(is_discard=is_discard, is_keyframe=is_keyframe)


class TestGate:
    def test_opens_at_a_key_frame_and_stays_open(self) -> None:
        gate = KeyFrameGate()

        assert [gate.passes(frame(key_frame=key)) for key in (False, False, True, False)] == [False, False, True, True]

    def test_opens_at_an_intra_frame(self) -> None:
        assert KeyFrameGate().passes(frame(pict_type=1))

    def test_a_hidden_key_frame_opens_it(self) -> None:
        gate = KeyFrameGate()
        gate.feed(packet(is_discard=True))

        assert gate.passes(frame())

    def test_a_key_packet_alone_does_not(self) -> None:
        gate = KeyFrameGate()
        gate.feed(packet())

        assert not gate.passes(frame())

    def test_it_does_not_wait_for_ever(self) -> None:
        gate = KeyFrameGate()

        assert any(gate.passes(frame()) for _ in range(1000))


@pytest.mark.parametrize("live", [True, False])
def test_damage_marks_frames_up_to_the_next_key_frame(live: bool) -> None:
    clock, log = ManualClock(), cast(Any, SimpleNamespace(errors=0))
    with av.open(str(media.video(VideoSpec(gop=10)))) as container:
        stream = container.streams.video[0]
        decoder = FrameDecoder(stream, clock, log, live=live, threads=2)
        number = 0
        for read in container.demux(stream):
            if read.size:
                decoder.feed(read, is_damaged=number == 13)
                number += 1
        decoder.feed(None)
        marks = []
        while (decoded := decoder.pop()) is not None:
            marks.append(decoded.is_corrupt)
        decoder.rest()

    assert marks == [False] * 13 + [True] * 7 + [False] * 10


def test_a_live_stream_is_decoded_without_delay() -> None:
    clock, log = ManualClock(), cast(Any, SimpleNamespace(errors=0))
    with av.open(str(media.video())) as container:
        stream = container.streams.video[0]
        decoder = FrameDecoder(stream, clock, log, live=True)
        for read in container.demux(stream):
            if read.size:
                clock.advance(1)
                decoder.feed(read)
                decoded = decoder.pop()
                assert decoded is not None
                assert decoded.captured_ns == clock.monotonic_ns()
        decoder.rest()
