"""§5.2: `UDPSink` through a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from support.datagrams import received, receiving
from support.video_frames import BEGIN, box, detections, frame

from mpipeline.errors import InvalidArgument, PredictionRejected, SinkError
from mpipeline.inference_pipeline.sinks import UDPSink


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with receiving() as made:
        yield made


@pytest.fixture
def sink(receiver: socket.socket) -> Iterator[UDPSink]:
    with UDPSink.init("127.0.0.1", receiver.getsockname()[1]) as made:
        yield made


def nothing_more(receiver: socket.socket) -> bool:
    receiver.setblocking(False)
    try:
        receiver.recv(70_000)
    except BlockingIOError:
        return True
    return False


def test_5_2_the_datagram_is_the_prediction_with_its_metadata(sink: UDPSink, receiver: socket.socket) -> None:
    prediction = detections(box(10.5, 20, 30, 40))
    before = datetime.now()
    sink.send_predictions(prediction, frame(7, 3))
    raw = receiver.recv(70_000)
    got = json.loads(raw)
    metadata = got.pop("inference_metadata")
    assert got == prediction
    assert list(metadata) == ["source_id", "frame_id", "frame_decoding_time", "emission_time"]
    assert (metadata["source_id"], metadata["frame_id"]) == (3, 7)
    assert metadata["frame_decoding_time"] == frame(7).frame_timestamp.isoformat()
    assert before <= datetime.fromisoformat(metadata["emission_time"]) <= datetime.now()
    assert raw.startswith(b'{"image": {"width": 320, "height": 240}, "predictions": [{"x": 10.5')


def test_5_2_the_prediction_is_left_as_it_is(sink: UDPSink) -> None:
    prediction = detections(box(1, 2, 3, 4))
    before = json.dumps(prediction)
    sink.send_predictions(prediction, frame())
    assert json.dumps(prediction) == before


def test_5_2_a_batch_is_one_datagram_for_each_frame_that_is_there(sink: UDPSink, receiver: socket.socket) -> None:
    sink.send_predictions([detections(), None, detections()], [frame(1, 0), None, frame(5, 2)])
    ids = [received(receiver)["inference_metadata"]["source_id"] for _ in range(2)]
    assert ids == [0, 2]
    assert nothing_more(receiver)


def test_5_2_the_pixels_are_not_converted(sink: UDPSink) -> None:
    def load() -> Any:
        raise AssertionError("nobody needs them")

    sink.send_predictions(detections(), frame(image=load))


def test_5_2_numbers_of_numpy_are_numbers(sink: UDPSink, receiver: socket.socket) -> None:
    sink.send_predictions({"score": np.float32(0.5), "ids": np.array([1, 2])}, frame())
    got = received(receiver)
    assert (got["score"], got["ids"]) == (0.5, [1, 2])


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        ({"value": {1, 2}}, "a value of type set"),
        ({"value": BEGIN}, "a value of type datetime"),
        ({"value": float("nan")}, "not JSON compliant"),
        ("text", "it is a str, not a dictionary"),
        (None, "it is a NoneType"),
    ],
)
def test_5_2_what_is_not_json_is_refused_and_the_sink_goes_on(
    sink: UDPSink, receiver: socket.socket, prediction: Any, said: str
) -> None:
    with pytest.raises(PredictionRejected, match="frame 7 of source 3 cannot be sent.*" + said):
        sink.send_predictions(prediction, frame(7, 3))
    sink.send_predictions(detections(), frame(8))
    assert received(receiver)["inference_metadata"]["frame_id"] == 8


def test_5_2_what_is_too_large_for_a_datagram_is_refused_with_its_size(sink: UDPSink, receiver: socket.socket) -> None:
    with pytest.raises(PredictionRejected, match=r"frame 7 of source 3.*\d{6} bytes of JSON, and UDP carries 65507"):
        sink.send_predictions(detections(*[box(1, 2, 3, 4)] * 1000), frame(7, 3))
    assert nothing_more(receiver)


def test_5_2_the_largest_datagram_arrives(sink: UDPSink, receiver: socket.socket) -> None:
    sink.send_predictions({"padding": ""}, frame())
    spare = 65_507 - len(receiver.recv(70_000))
    sink.send_predictions({"padding": "x" * (spare - 10)}, frame())  # a time may take some digits more
    assert len(received(receiver)["padding"]) == spare - 10


def test_5_2_one_bad_prediction_of_a_batch_costs_only_itself(sink: UDPSink, receiver: socket.socket) -> None:
    with pytest.raises(PredictionRejected, match="frame 1 of source 0"):
        sink.send_predictions([{"bad": {1}}, detections()], [frame(1, 0), frame(1, 1)])
    assert received(receiver)["inference_metadata"]["source_id"] == 1


def test_5_2_the_socket_has_the_options_of_the_original(sink: UDPSink) -> None:
    made = sink._socket._socket
    assert made.family == socket.AF_INET
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 65_536
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        usual = other.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < usual


def test_5_2_the_constructor_is_the_same_as_init(receiver: socket.socket) -> None:
    sink = UDPSink("localhost", receiver.getsockname()[1])
    sink.send_predictions(detections(), frame())
    assert received(receiver)["predictions"] == []
    sink.release()
    sink.release()
    with pytest.raises(SinkError, match="cannot send"):
        sink.send_predictions(detections(), frame())


@pytest.mark.parametrize(
    ("address", "port", "said"), [("300.1.1.1", 5000, "ip_address='300.1.1.1'"), ("127.0.0.1", 0, "port=0")]
)
def test_5_2_an_address_that_is_none_is_refused_at_once(address: str, port: int, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        UDPSink.init(address, port)
