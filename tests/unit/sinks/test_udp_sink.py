"""The udp sink through a real socket."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from support.datagrams import received, receiving
from support.predictions import failure, meta, prediction

from mpipeline.errors import PredictionRejected, SinkError
from mpipeline.sinks.udp import UdpOptions, UdpSink


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with receiving() as made:
        yield made


@pytest.fixture
def sink(receiver: socket.socket) -> Iterator[UdpSink]:
    made = UdpSink("udp", UdpOptions(host="localhost", port=receiver.getsockname()[1]))
    assert made.open(resume=False) is None
    yield made
    made.close()


def test_a_datagram_is_the_prediction_with_its_metadata(sink: UdpSink, receiver: socket.socket) -> None:
    one = prediction(meta("gate", 7, size=(320, 240)), (10, 20, 30, 60))
    before = datetime.now()
    sink.write(one, None)
    got = received(receiver)
    metadata = got.pop("inference_metadata")
    assert got == one.to_dict()
    assert list(metadata) == ["source_id", "frame_id", "frame_decoding_time", "emission_time"]
    assert (metadata["source_id"], metadata["frame_id"]) == ("gate", 7)
    assert datetime.fromisoformat(metadata["frame_decoding_time"]).timestamp() == pytest.approx(1_700_000_000.24)
    assert before <= datetime.fromisoformat(metadata["emission_time"]) <= datetime.now()


def test_a_model_with_a_name_is_told(sink: UdpSink, receiver: socket.socket) -> None:
    sink.write(replace(prediction(meta("gate", 7)), model="faces"), None)
    metadata = received(receiver)["inference_metadata"]
    assert (metadata["source_id"], metadata["frame_id"], metadata["model"]) == ("gate", 7, "faces")


def test_a_frame_that_failed_is_no_empty_one(sink: UdpSink, receiver: socket.socket) -> None:
    sink.write(failure(meta("gate", 7)), None)
    got = received(receiver)
    assert got["error"] == {"reason": "backend_failed", "message": "the engine fell over"}
    assert "predictions" not in got


def test_what_is_too_large_costs_only_itself(sink: UdpSink, receiver: socket.socket) -> None:
    with pytest.raises(PredictionRejected, match=r"frame 7 of source gate is too large.*UDP carries 65507"):
        sink.write(prediction(meta("gate", 7), *[(1, 2, 3, 4)] * 1000), None)
    sink.write(prediction(meta("gate", 8)), None)
    assert received(receiver)["inference_metadata"]["frame_id"] == 8


def test_nobody_needs_to_listen(sink: UdpSink, receiver: socket.socket) -> None:
    receiver.close()
    for frame_id in range(1, 10):
        sink.write(prediction(meta("gate", frame_id)), None)


@pytest.mark.parametrize(("number", "passes"), [(errno.ENETUNREACH, True), (errno.EPERM, False)])
def test_a_network_that_is_down_is_waited_for(sink: UdpSink, number: int, passes: bool) -> None:
    class Down:
        def sendto(self, *_: object) -> None:
            raise OSError(number, "no")

        def close(self) -> None:
            pass

    assert sink._socket is not None
    sink._socket.close()
    sink._socket._socket = Down()  # type: ignore[assignment]
    with pytest.raises(SinkError, match=r"to 127.0.0.1:\d+ by UDP") as caught:
        sink.write(prediction(meta()), None)
    assert caught.value.retryable is passes


@pytest.mark.parametrize("host", ["300.1.1.1", "no such host", "x" * 300, "::1"])
def test_a_host_that_does_not_exist_is_told_at_the_start(host: str) -> None:
    sink = UdpSink("lamp", UdpOptions(host=host, port=9))
    with pytest.raises(SinkError, match="sink 'lamp': '") as caught:
        sink.open(resume=False)
    assert host in str(caught.value)
    sink.close()


def test_a_name_server_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("mpipeline.sinks.datagrams.socket.getaddrinfo", away)
    with pytest.raises(SinkError) as caught:
        UdpSink("lamp", UdpOptions(host="lamp.example.org", port=9)).open(resume=False)
    assert caught.value.retryable
