"""The examples of docs/brokers.md, taken from its text, against real servers."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import sys
from typing import Any

import pytest
import yaml
import zmq
from support import runs
from support.command import Workplace
from support.leftovers import wait_until
from support.pages import adapted, block, interrupt, paste
from support.servers import Mosquitto, Postgres, RedisServer, Subscriber
from support.webhook_server import WebhookServer

from mpipeline.sinks.zmq import ZmqOptions

PAGE = "docs/brokers.md"
FRAMES = 25


def config(kind: str, source: dict[str, Any] | None = None, **ports: int) -> dict[str, Any]:
    """The example of a kind as a config of a run, whose servers listen at these ports."""
    text = adapted(block(PAGE, f"example: {kind}"), **ports)
    sinks: list[dict[str, Any]] = yaml.safe_load(text)["sinks"]
    return runs.config(source or runs.clip("gate", FRAMES), sinks=tuple(sinks))


def test_mqtt(place: Workplace) -> None:
    with Mosquitto() as broker, Subscriber(broker, "site/north/#") as subscriber:
        run = place.run(config("mqtt", mqtt=broker.port))
        assert run.wait() == 0, run.log
        wait_until(lambda: len(subscriber.messages) == FRAMES, "all messages")
    assert {topic for topic, _ in subscriber.messages} == {"site/north/gate"}


def test_redis(place: Workplace) -> None:
    with RedisServer() as server, server.client() as client:
        run = place.run(config("redis", redis=server.port))
        assert run.wait() == 0, run.log
        assert client.xlen("seen:gate") == FRAMES


def test_sqlite(place: Workplace) -> None:
    run = place.run(config("database"))
    assert run.wait() == 0, run.log
    with sqlite3.connect(place.folder / "out" / "predictions.db") as database:
        [(source, _, count)] = database.execute(block(PAGE, "query: database")).fetchall()
    assert (source, count) == ("gate", FRAMES)


def test_postgresql(place: Workplace) -> None:
    with Postgres() as server:
        place.environment["DATABASE_PASSWORD"] = "pw"
        run = place.run(config("postgresql", postgresql=server.port))
        assert run.wait() == 0, run.log
        [(source, _, count)] = server.rows(block(PAGE, "query: postgresql"))
    assert (source, count) == ("gate", FRAMES)


def test_webhook(place: Workplace) -> None:
    with WebhookServer() as server:
        place.environment["WEBHOOK_TOKEN"] = "s3cret-token"
        run = place.run(config("webhook", webhook=server.port))
        assert run.wait() == 0, run.log
        assert [record["frame_id"] for record in server.records] == list(range(1, FRAMES + 1))
        headers, records = server.requests[0]
        assert headers["Authorization"] == "Bearer s3cret-token"
        assert len(records) <= 20
    assert "s3cret" not in run.log


def test_zmq(place: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = place.run(config("zmq", runs.camera("gate"), zmq=port))
    place.write("listening.py", adapted(block(PAGE, "program: zmq"), zmq=port))
    program = place.start_program([sys.executable, "listening.py"])
    program.wait_until(lambda: program.output.count("gate 1 ") > 3, "pictures with one detection each")
    program.signal(signal.SIGKILL)
    program.wait()
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.log


def test_zmq_with_keys() -> None:
    text = block(PAGE, "example: keys").replace("${ZMQ_SECRET_KEY}", repr(zmq.curve_keypair()[1].decode()))
    for stand_in in ("the public key of a subscriber", "that of another one"):
        assert stand_in in text
        text = text.replace(f'"{stand_in}"', repr(zmq.curve_keypair()[0].decode()))
    [options] = yaml.safe_load(text)["sinks"]
    assert options.pop("kind") == "zmq"
    assert len(ZmqOptions.model_validate(options).clients) == 2


def test_what_a_shell_sees_of_the_brokers(place: Workplace) -> None:
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto_sub is not installed: apt-get install mosquitto-clients")
    with Mosquitto() as broker, RedisServer() as server:
        ports = {"mqtt": broker.port, "redis": server.port}
        sinks = [config(kind, **ports)["sinks"][0] for kind in ports]
        run = place.run(runs.config(runs.camera("gate"), sinks=tuple(sinks)))
        subscriber = paste(place, adapted(block(PAGE, "command: subscribe"), **ports))
        subscriber.wait_until(lambda: subscriber.output.count('{"source":"gate","frame_id":') > 3, "records")
        reader = paste(place, adapted(block(PAGE, "command: read the stream"), **ports))
        assert reader.wait() == 0, reader.log
        assert '{"source":"gate","frame_id":' in reader.output.replace("\\", "")
        interrupt(subscriber)
        subscriber.wait()
        run.signal(signal.SIGINT)
        assert run.wait() == 0, run.log
