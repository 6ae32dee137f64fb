"""The `zmq` sink: messages and pictures for subscribers, and who may be one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import zmq
from pydantic import ValidationError
from support.predictions import meta, picture, prediction
from support.sinking import make

from mpipeline.errors import SinkError
from mpipeline.sinks.zmq import ZmqOptions

Made = Callable[..., Any]
Context = zmq.Context[Any]


@pytest.fixture
def context() -> Iterator[Context]:
    made: Context = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def made() -> Iterator[Callable[..., Any]]:
    """Makes sinks; a context that is not ended would wait for its sockets when it is collected."""
    sinks: list[Any] = []

    def make_one(**options: Any) -> Any:
        sinks.append(make("zmq", **options))
        return sinks[-1]

    yield make_one
    for sink in sinks:
        sink.close()


def subscriber(context: Context, sink: Any, topic: str = "", keys: tuple[bytes, ...] = ()) -> zmq.Socket[Any]:
    """A socket that waits for messages; `keys`: of the server, its own public and secret one."""
    socket = context.socket(zmq.SUB)
    if keys:
        socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = keys
    socket.subscribe(topic)
    socket.connect(sink.endpoint)
    return socket


def received(sink: Any, socket: zmq.Socket[Any], source: str, least: int = 1) -> list[list[bytes]]:
    """Frames are sent until that many messages have arrived: nobody knows when a subscriber is connected."""
    found: list[list[bytes]] = []
    for frame_id in range(1, 2000):
        frame = meta(source, frame_id)
        sink.write(prediction(frame, (4, 4, 20, 20)), picture(frame) if sink.wants_frames else None)
        if socket.poll(10):
            found.append(socket.recv_multipart())
            if len(found) >= least:
                return found
    raise AssertionError("nothing has arrived")


def test_a_subscriber_gets_records_and_pictures_of_the_source_it_wants(context: Context, made: Made) -> None:
    sink = made(bind="tcp://127.0.0.1:*", jpeg=90)
    sink.open(resume=False)
    socket = subscriber(context, sink, "gate")
    topic, record, jpeg = received(sink, socket, "gate")[0]
    sink.write(prediction(meta("yard", 1)), None)
    sink.write(replace(prediction(meta("gate", 4999)), model="faces"), None)
    sink.write(prediction(meta("gate", 5000)), None)  # its pixels had to be given up
    while (of_model := socket.recv_multipart())[2]:
        pass
    last = socket.recv_multipart()
    found = json.loads(record)
    assert (topic, found["source"], found["predictions"][0]["class"]) == (b"gate", "gate", "cat")
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (48, 64, 3)
    assert abs(int(image[0, 0, 0]) - found["frame_id"] * 10 % 250) <= 3
    assert (last[0], json.loads(last[1])["frame_id"]) == (b"gate", 5000)
    assert (of_model[0], json.loads(of_model[1])["model"]) == (b"gate:faces", "faces")


def test_without_pictures_a_message_has_two_parts_and_nobody_needs_to_listen(context: Context, made: Made) -> None:
    sink = made(bind="tcp://127.0.0.1:*", backlog=1)
    sink.open(resume=False)
    for frame_id in range(1, 500):
        sink.write(prediction(meta("gate", frame_id)), None)
    assert len(received(sink, subscriber(context, sink), "gate")[0]) == 2


def test_only_those_with_a_key_that_is_named_may_subscribe(context: Context, made: Made) -> None:
    server, guest, stranger = (zmq.curve_keypair() for _ in range(3))
    sink = made(bind="tcp://127.0.0.1:*", secret_key=server[1].decode(), clients=[guest[0].decode()])
    sink.open(resume=False)
    uninvited = subscriber(context, sink, keys=(server[0], *stranger))
    in_clear = subscriber(context, sink)
    received(sink, subscriber(context, sink, keys=(server[0], *guest)), "gate", least=5)
    assert not uninvited.poll(100)
    assert not in_clear.poll(0)


def test_without_a_list_whoever_has_the_servers_key_may_subscribe(context: Context, made: Made) -> None:
    server, anyone = zmq.curve_keypair(), zmq.curve_keypair()
    sink = made(bind="tcp://127.0.0.1:*", secret_key=server[1].decode())
    sink.open(resume=False)
    assert received(sink, subscriber(context, sink, keys=(server[0], *anyone)), "gate")


def test_an_open_port_in_clear_is_told(
    caplog: pytest.LogCaptureFixture, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    sink = made(bind="tcp://*:*")
    with caplog.at_level(logging.WARNING):
        sink.open(resume=False)
    assert [record.event for record in caplog.records] == ["not_encrypted"]  # type: ignore[attr-defined]


def test_a_port_that_is_taken_is_waited_for(made: Made) -> None:
    first = made(bind="tcp://127.0.0.1:*")
    first.open(resume=False)
    second = made(bind=first.endpoint)
    with pytest.raises(SinkError, match="cannot use tcp:") as caught:
        second.open(resume=False)
    assert caught.value.retryable
    first.close()
    second.open(resume=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bind": "5556"}, "tcp://ADDRESS:PORT"),
        ({"bind": "tcp://*:1", "secret_key": "short"}, "40 characters"),
        ({"bind": "tcp://*:1", "clients": ["0" * 40]}, "needs a `secret_key`"),
    ],
)
def test_what_cannot_be_is_told_when_the_config_is_read(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ZmqOptions.model_validate(options)
