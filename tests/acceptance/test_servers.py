"""File jobs into real servers: each gets every frame once, whatever is stopped, started or killed in the middle."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace
from support.leftovers import wait_until
from support.servers import Mosquitto, Postgres, RedisServer, Subscriber, all_three
from support.webhook_server import WebhookServer

from mpipeline.prediction import origin

COUNTS = {"a": 160, "b": 80}
TOTAL = sum(COUNTS.values())
COMPLETE = runs.complete(**COUNTS)


class Servers:
    """All three, a subscriber of the broker, and what they have of a run."""

    def __init__(self, broker: Mosquitto, store: RedisServer, database: Postgres, subscriber: Subscriber) -> None:
        self.all = (broker, store, database)
        self.broker, self.store, self.database, self.subscriber = broker, store, database, subscriber
        self.sinks: tuple[dict[str, Any], ...] = (
            {"kind": "mqtt", "url": broker.url},
            {"kind": "redis", "url": store.url},
            {"kind": "database", "url": database.url},
        )

    def in_database(self) -> dict[str, list[int]]:
        rows = self.database.rows("select source, model, frame_id from predictions order by source, model, frame_id")
        return {whose: [row[2] for row in some] for whose, some in groupby(rows, lambda row: origin(row[0], row[1]))}

    def in_redis(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        with self.store.client() as client:
            for _, entry in client.xrange("mpipeline"):
                whose = origin(entry["source"], entry.get("model", ""))
                found.setdefault(whose, []).append(int(entry["frame_id"]))
        return found

    def published(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for topic, payload in list(self.subscriber.messages):
            record = json.loads(payload)
            assert topic == f"mpipeline/{record['source']}"
            found.setdefault(origin(record["source"], record.get("model", "")), []).append(record["frame_id"])
        return found

    def wait_for_some(self, run: Command) -> None:
        """Waits until each has twenty records."""

        def have_begun() -> bool:
            rows = self.database.rows("select to_regclass('predictions')")[0][0]
            with self.store.client() as client:
                added = client.xlen("mpipeline")
            in_table = self.database.rows("select count(*) from predictions")[0][0] if rows else 0
            return min(added, in_table, len(self.subscriber.messages)) >= 20

        run.wait_until(have_begun, "20 records at each server")


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[Mosquitto, RedisServer, Postgres]]:
    with all_three() as servers:
        yield servers


@pytest.fixture
def servers(processes: tuple[Mosquitto, RedisServer, Postgres]) -> Iterator[Servers]:
    """They are empty."""
    broker, store, database = processes
    with store.client() as client:
        client.flushall()
    database.execute("drop table if exists predictions, predictions_runs")
    with Subscriber(broker) as subscriber:
        yield Servers(broker, store, database, subscriber)


def start(place: Workplace, servers: Servers, *arguments: str) -> Command:
    clips = [runs.clip(name, count) for name, count in COUNTS.items()]
    return place.run(runs.config(*clips, sinks=servers.sinks, detector="Leisurely"), *arguments)


def test_servers_that_are_stopped_and_started_again_have_every_frame_once(place: Workplace, servers: Servers) -> None:
    run = start(place, servers)
    servers.wait_for_some(run)
    for server, kind in zip(servers.all, ("mqtt", "redis", "database"), strict=True):
        server.stop()
        run.wait_for("sink_retrying", sink=kind)  # then the job waits, and sends nothing to the others
        server.start()
    assert run.wait() == 0, run.log
    wait_until(lambda: len(servers.subscriber.messages) >= TOTAL, "all messages", lambda: str(servers.published()))
    assert (servers.published(), servers.in_redis(), servers.in_database()) == (COMPLETE, COMPLETE, COMPLETE)
    assert not run.events("worker_restart")
    record = servers.database.rows("select record from predictions where source = 'a' and frame_id = 7")[0][0]
    [same] = [json.loads(body) for topic, body in servers.subscriber.messages if _is(json.loads(body), "a", 7)]
    assert record == same
    assert {"predictions", "captured_at", "pts", "width", "height"} <= set(record)


def _is(record: dict[str, Any], source: str, frame_id: int) -> bool:
    return (record["source"], record["frame_id"]) == (source, frame_id)


def test_sinks_that_are_killed_have_every_frame_once_where_the_server_can_tell(
    place: Workplace, servers: Servers
) -> None:
    run = start(place, servers)
    servers.wait_for_some(run)
    for kind in ("mqtt", "redis", "database"):
        run.kill_worker(f"sink:{kind}")
    assert run.wait() == 0, run.log
    assert (servers.in_redis(), servers.in_database()) == (COMPLETE, COMPLETE)
    wait_until(lambda: {s: sorted(set(ids)) for s, ids in servers.published().items()} == COMPLETE, "all messages")
    assert sum(map(len, servers.published().values())) <= TOTAL + 64  # what the broker had not acknowledged comes again
    assert len(run.events("worker_restart")) == 3


def test_of_two_models_each_has_every_frame_whatever_is_stopped_and_killed(place: Workplace, servers: Servers) -> None:
    clips = [runs.clip(name, count) for name, count in COUNTS.items()]
    run = place.run(runs.several(*clips, sinks=servers.sinks, people="Leisurely", faces="Unhurried"))
    servers.wait_for_some(run)
    for server, kind in zip(servers.all, ("mqtt", "redis", "database"), strict=True):
        server.stop()
        run.wait_for("sink_retrying", sink=kind)
        server.start()
        run.kill_worker(f"sink:{kind}")
    assert run.wait() == 0, run.log
    wanted = {origin(source, model): ids for source, ids in COMPLETE.items() for model in ("people", "faces")}
    assert (servers.in_redis(), servers.in_database()) == (wanted, wanted)
    wait_until(
        lambda: {whose: sorted(set(ids)) for whose, ids in servers.published().items()} == wanted, "all messages"
    )


def test_a_job_that_was_stopped_is_resumed_behind_what_the_servers_have(place: Workplace, servers: Servers) -> None:
    servers.sinks = servers.sinks[1:]
    run = start(place, servers)
    run.wait_until(lambda: servers.database.rows("select to_regclass('predictions')")[0][0], "the table")
    run.wait_until(lambda: sum(map(len, servers.in_database().values())) > 20, "some rows")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    again = start(place, servers, "--resume")
    assert again.wait() == 0, again.log
    assert (servers.in_redis(), servers.in_database()) == (COMPLETE, COMPLETE)
    assert servers.database.rows("select count(*) from predictions_runs")[0][0] == 1
    anew = start(place, servers)
    assert anew.wait() == 0
    assert servers.database.rows("select run, count(*) from predictions group by run order by run") == [
        (1, TOTAL),
        (2, TOTAL),
    ]


def test_a_webhook_that_fails_and_falls_silent_at_first_has_every_frame_once(place: Workplace) -> None:
    with WebhookServer() as server:
        server.answers = [500, 0, 503, -1]
        sink = {"kind": "webhook", "url": server.url, "timeout": 0.5}
        run = place.run(runs.config(runs.clip("a", 60), runs.clip("b", 30), sinks=(sink,)))
        run.wait_for("sink_retrying", sink="webhook")
        assert run.wait() == 0, run.log
        assert _ids(server) == runs.complete(a=60, b=30)
        assert not run.events("worker_restart")


def test_in_a_live_run_nobody_waits_for_a_database_that_is_away(place: Workplace, servers: Servers) -> None:
    servers.database.stop()
    try:
        config = runs.config(runs.camera("a"), sinks=(servers.sinks[2], runs.JSONL))
        run = place.run(config)
        run.wait_for("sink_retrying", sink="database")
        path = place.folder / "out.jsonl"
        run.wait_until(lambda: runs.count_lines(path) > 30, "lines of the other sink")
    finally:
        servers.database.start()
    query = "select to_regclass('predictions')"
    run.wait_until(lambda: servers.database.rows(query)[0][0], "the table")
    run.wait_until(lambda: servers.database.rows("select count(*) from predictions")[0][0] > 5, "rows")
    run.signal(signal.SIGINT)
    assert run.wait() == 0


def _ids(server: WebhookServer) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in server.records:
        found.setdefault(record["source"], []).append(record["frame_id"])
    return found
