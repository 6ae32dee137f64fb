"""The `database` sink in SQLite and in a real PostgreSQL: exactly once, and what is refused."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.predictions import failure, meta
from support.servers import Postgres
from support.sinking import make, send_again, write

from mpipeline.errors import PredictionRejected, Reason, SinkError
from mpipeline.prediction import Failure, Prediction
from mpipeline.sinks.database import DatabaseOptions


@dataclass
class Place:
    """An empty database: its address, and how it is asked."""

    url: str
    rows: Callable[[str], list[tuple[Any, ...]]]
    execute: Callable[[str], object]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def sqlite_rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        path = tmp_path / "folder" / "predictions.db"

        def execute(command: str) -> None:
            path.parent.mkdir()
            sqlite_rows(path, command)

        return Place(f"sqlite:///{path}", lambda query: sqlite_rows(path, query), execute)
    server: Postgres = request.getfixturevalue("server")
    server.execute("drop table if exists predictions, predictions_runs")
    return Place(server.url, server.rows, server.execute)


def test_a_row_has_the_record_and_tells_runs_apart(place: Place) -> None:
    for _ in range(2):
        sink = make("database", url=place.url)
        assert sink.open(resume=False) == {}
        write(sink, "a", 1)
        sink.write(failure(meta("a", 2)), None)
        sink.flush()
        sink.close()
    found = place.rows("select run, source, frame_id, error from predictions order by run, frame_id")
    assert found == [(run, "a", n, error) for run in (1, 2) for n, error in ((1, None), (2, "backend_failed"))]
    assert len(place.rows("select job from predictions_runs")) == 2


def test_whatever_is_sent_again_is_there_once(place: Place) -> None:
    send_again("database", place.url)
    assert place.rows("select run, frame_id from predictions order by 2") == [(1, n) for n in range(1, 5)]


def test_of_two_models_each_is_there_once(place: Place) -> None:
    send_again("database", place.url, ("people", "faces"))
    found = place.rows("select run, source, model, frame_id from predictions order by 3, 4")
    assert found == [(1, "a", model, n) for model in ("faces", "people") for n in range(1, 5)]


def test_a_table_without_models_is_refused_and_stays(place: Place) -> None:
    """It is of a version that did not tell models apart: its key would take one for the other."""
    place.execute("create table predictions (run integer, source text, frame_id integer, record text)")
    sink = make("database", url=place.url)
    with pytest.raises(
        SinkError, match=r"has a table 'predictions' without the column 'model'.*name another one"
    ) as caught:
        sink.open(resume=True)
    assert not caught.value.retryable
    sink.close()
    assert place.rows("select * from predictions") == []


def test_sinks_of_other_pipelines_do_not_take_each_other_for_themselves(place: Place) -> None:
    ours, theirs = make("database", url=place.url), make("database", url=place.url)
    ours.pipeline, theirs.pipeline = "ours", "theirs"
    ours.open(resume=False)
    write(ours, "a", 1, 2, 3)
    assert theirs.open(resume=True) == {}
    write(theirs, "a", 1)
    ours.close()
    theirs.close()
    assert place.rows("select run, count(*) from predictions group by run order by run") == [(1, 3), (2, 1)]


def test_several_may_make_the_tables_at_the_same_moment(place: Place) -> None:
    sinks = [make("database", f"sink-{number}", url=place.url) for number in range(4)]
    gate = threading.Barrier(len(sinks))
    failures: list[SinkError] = []

    def work(sink: Any) -> None:
        gate.wait()
        while True:
            try:
                sink.open(resume=False)
                write(sink, "a", 1)
                return
            except SinkError as error:
                failures.append(error)
                if not error.retryable:
                    return

    threads = [threading.Thread(target=work, args=(sink,)) for sink in sinks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sink in sinks:
        sink.close()
    assert [str(error) for error in failures if not error.retryable] == []
    assert place.rows("select count(*) from predictions") == [(4,)]


def test_a_row_that_the_database_cannot_hold_costs_only_itself(server: Postgres) -> None:
    server.execute("drop table if exists predictions, predictions_runs")
    sink = make("database", url=server.url)
    sink.open(resume=False)
    for frame_id in range(1, 8):
        bad = Prediction(meta("a", frame_id), None, Failure("failed", "a text with \0 in it"))
        sink.write(bad if frame_id == 5 else failure(meta("a", frame_id)), None)
    with pytest.raises(PredictionRejected, match="cannot hold a row"):
        sink.flush()
    sink.flush()
    sink.close()
    assert server.rows("select frame_id from predictions order by 1") == [(n,) for n in (1, 2, 3, 4, 6, 7)]


def test_a_server_that_is_away_can_pass(server: Postgres) -> None:
    server.execute("drop table if exists predictions, predictions_runs")
    sink = make("database", url=server.url.replace("postgresql:", "postgres:"))
    sink.open(resume=False)
    server.stop()
    try:
        with pytest.raises(SinkError) as away:
            write(sink, "a", 1)
        with pytest.raises(SinkError) as still:
            sink.flush()
    finally:
        server.start()
    assert (away.value.retryable, still.value.retryable) == (True, True)
    sink.flush()
    sink.close()
    assert server.rows("select count(*) from predictions") == [(1,)]


@pytest.mark.parametrize(
    ("change", "words"),
    [(("postgres:pw", "postgres:wrong-one"), "let this user in"), (("/postgres", "/absent"), "does not exist")],
)
def test_what_cannot_pass_is_told_without_the_password(server: Postgres, change: tuple[str, str], words: str) -> None:
    head, _, tail = server.url.rpartition(change[0])
    sink = make("database", url=f"{head}{change[1]}{tail}")
    with pytest.raises(SinkError, match=words) as caught:
        sink.open(resume=False)
    assert not caught.value.retryable
    assert "wrong-one" not in str(caught.value)
    sink.close()


def test_a_file_that_another_writer_holds_is_waited_for(tmp_path: Path) -> None:
    sink = make("database", url=f"sqlite:///{tmp_path}/p.db", timeout=0.1)
    sink.open(resume=False)
    other = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(SinkError, match="locked") as caught:
        write(sink, "a", 1)
    assert (caught.value.retryable, caught.value.reason) == (True, Reason.BUSY)
    other.execute("rollback")
    other.close()
    sink.flush()
    sink.close()
    assert sqlite_rows(tmp_path / "p.db", "select count(*) from predictions") == [(1,)]


def test_it_can_be_read_while_it_grows(tmp_path: Path) -> None:
    sink = make("database", url=f"sqlite:///{tmp_path}/p.db")
    sink.open(resume=False)
    reader = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    reader.execute("begin")
    assert reader.execute("select count(*) from predictions").fetchone() == (0,)
    write(sink, "a", 1)  # nobody waits for anybody
    assert reader.execute("select count(*) from predictions").fetchone() == (0,)
    reader.close()
    sink.close()


def test_a_file_that_is_something_else_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("remember the milk" * 100)
    sink = make("database", url=f"sqlite:///{tmp_path}/notes.txt")
    with pytest.raises(SinkError, match="not a database") as caught:
        sink.open(resume=False)
    assert not caught.value.retryable
    sink.close()
    assert (tmp_path / "notes.txt").read_text() == "remember the milk" * 100


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "predictions.db"}, "sqlite:///PATH"),
        ({"url": "mysql://localhost/x"}, "sqlite:///PATH"),
        ({"url": "sqlite://"}, "in memory"),
        ({"url": "sqlite:///:memory:"}, "in memory"),
        ({"table": "a; drop table b"}, "pattern"),
    ],
)
def test_what_cannot_be_is_told_when_the_config_is_read(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DatabaseOptions.model_validate(options)
