"""The examples of docs/brokers.md, taken from its text, against real servers."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import yaml
import zmq
from support import runs
from support.command import Workplace
from support.leftovers import wait_until
from support.servers import Mosquitto, Postgres, RedisServer, Subscriber
from support.webhook_server import WebhookServer

from mpipeline.sinks.zmq import ZmqOptions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "brokers.md").read_text(encoding="utf-8")
FRAMES = 25


def block(mark: str) -> str:
    """The code block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block {mark!r}"
    return found[1]


def config(kind: str, old: str = "", new: str = "", source: dict[str, Any] | None = None) -> dict[str, Any]:
    """The example of a kind as a config of a run, `old` in it replaced by `new`."""
    text = block(f"example: {kind}")
    assert old in text
    sinks: list[dict[str, Any]] = yaml.safe_load(text.replace(old, new))["sinks"]
    return runs.config(source or runs.clip("gate", FRAMES), sinks=tuple(sinks))


def test_mqtt(place: Workplace) -> None:
    with Mosquitto() as broker, Subscriber(broker, "site/north/#") as subscriber:
        run = place.run(config("mqtt", "localhost:1883", f"127.0.0.1:{broker.port}"))
        assert run.wait() == 0, run.log
        wait_until(lambda: len(subscriber.messages) == FRAMES, "all messages")
    assert {topic for topic, _ in subscriber.messages} == {"site/north/gate"}


def test_redis(place: Workplace) -> None:
    with RedisServer() as server, server.client() as client:
        run = place.run(config("redis", "localhost:6379", f"127.0.0.1:{server.port}"))
        assert run.wait() == 0, run.log
        assert client.xlen("seen:gate") == FRAMES


def test_sqlite(place: Workplace) -> None:
    run = place.run(config("database"))
    assert run.wait() == 0, run.log
    with sqlite3.connect(place.folder / "out" / "predictions.db") as database:
        [(source, _, count)] = database.execute(block("query: database")).fetchall()
    assert (source, count) == ("gate", FRAMES)


def test_postgresql(place: Workplace) -> None:
    with Postgres() as server:
        place.environment["DATABASE_PASSWORD"] = "pw"
        run = place.run(config("postgresql", "localhost:5432", f"127.0.0.1:{server.port}"))
        assert run.wait() == 0, run.log
        [(source, _, count)] = server.rows(block("query: postgresql"))
    assert (source, count) == ("gate", FRAMES)


def test_webhook(place: Workplace) -> None:
    with WebhookServer() as server:
        place.environment["WEBHOOK_TOKEN"] = "s3cret-token"
        run = place.run(config("webhook", "localhost:8000", f"127.0.0.1:{server.port}"))
        assert run.wait() == 0, run.log
        assert [record["frame_id"] for record in server.records] == list(range(1, FRAMES + 1))
        headers, records = server.requests[0]
        assert headers["Authorization"] == "Bearer s3cret-token"
        assert len(records) <= 20
    assert "s3cret" not in run.log


def test_zmq(place: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    run = place.run(config("zmq", "5556", port, runs.camera("gate")))
    place.write("listening.py", block("program: zmq").replace("5556", port))
    program = place.start_program([sys.executable, "listening.py"])
    program.wait_until(lambda: program.output.count("gate 1 ") > 3, "pictures with one detection each")
    program.signal(signal.SIGKILL)
    program.wait()
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.log


def test_zmq_with_keys() -> None:
    text = block("example: keys").replace("${ZMQ_SECRET_KEY}", repr(zmq.curve_keypair()[1].decode()))
    for stand_in in ("the public key of a subscriber", "that of another one"):
        assert stand_in in text
        text = text.replace(f'"{stand_in}"', repr(zmq.curve_keypair()[0].decode()))
    [options] = yaml.safe_load(text)["sinks"]
    assert options.pop("kind") == "zmq"
    assert len(ZmqOptions.model_validate(options).clients) == 2


def test_every_block_but_two_for_the_shell_is_tried_here() -> None:
    marked = len(re.findall(r"<!-- (?:example|query|program): \w+ -->\n```", PAGE))
    assert (marked, len(re.findall(r"^```\w", PAGE, re.MULTILINE))) == (10, 12)
