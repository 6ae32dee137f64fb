"""§5.5: `InMemoryBufferSink`."""

from __future__ import annotations

import pytest
from support.video_frames import detections, frame, grey

from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.sinks import InMemoryBufferSink


def test_5_5_what_is_taken_is_always_two_lists() -> None:
    sink = InMemoryBufferSink.init(4)
    assert sink.empty()
    prediction, made = detections(), frame()
    sink.on_prediction(prediction, made)
    sink.on_prediction([prediction, None], [made, None])
    assert not sink.empty()
    assert sink.consume_prediction() == ([prediction], [made])
    assert sink.consume_prediction() == ([prediction, None], [made, None])
    assert sink.empty()


def test_5_5_an_empty_buffer_raises_an_index_error() -> None:
    with pytest.raises(IndexError, match=r"ask empty\(\)"):
        InMemoryBufferSink.init(4).consume_prediction()


def test_5_5_the_oldest_give_way_and_are_counted() -> None:
    sink = InMemoryBufferSink(2)
    for number in range(1, 6):
        sink.on_prediction({"number": number}, frame(number))
    assert sink.discarded == 3
    assert [sink.consume_prediction()[0] for _ in range(2)] == [[{"number": 4}], [{"number": 5}]]


def test_5_5_pixels_outlive_the_call() -> None:
    sink = InMemoryBufferSink.init(2)
    made = frame(image=lambda: grey(level=3))
    sink.on_prediction(detections(), made)
    made.release()
    _, (taken,) = sink.consume_prediction()
    assert taken is not None
    assert (taken.image == 3).all()


def test_5_5_a_buffer_without_room_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="queue_size=0"):
        InMemoryBufferSink.init(0)
