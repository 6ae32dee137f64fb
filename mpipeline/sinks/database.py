"""The `database` sink: a row a frame in SQLite or PostgreSQL, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.clock import SystemClock
from mpipeline.errors import MissingDependency, PredictionRejected
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.database_errors import problem_of
from mpipeline.sinks.database_tables import Tables
from mpipeline.sinks.gathered import Gathered
from mpipeline.sinks.job import job_name
from mpipeline.sinks.paths import make_folder
from mpipeline.sinks.peers import Peer
from mpipeline.sinks.record import captured_at, record

_AT_ONCE = 64  # rows of one transaction
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class DatabaseOptions(BaseModel):
    """`url`: sqlite:///PATH (four slashes for one from the root) or postgresql://USER:PASSWORD@HOST/DATABASE.

    `table`: where the rows go; it is made if it is missing, and another one, `TABLE_runs`. `job`: under which name the
    sink finds what it has written. `timeout`: for connecting, or until another writer lets go of the file, seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "sqlite:///predictions.db"
    table: str = Field(default="predictions", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,50}$")
    job: str | None = None
    timeout: float = Field(default=5.0, gt=0, le=30)

    @field_validator("url")
    @classmethod
    def _checked_url(cls, url: str) -> str:
        kind, colon, rest = url.partition("://")
        if kind.partition("+")[0] not in _DRIVERS or not colon:
            raise ValueError("expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE")
        if kind == "sqlite" and rest in ("", "/", "/:memory:"):
            raise ValueError("a database in memory ends with the sink: expected sqlite:///PATH")
        return url


class DatabaseSink:
    """Inserts a row for each frame, those that are there together in one transaction.

    Run, source, model and frame id are the key of a row, and a row that is there already is left alone: neither a kill
    of the sink nor an answer that was lost makes one twice. A run that is not resumed gets a new number; older rows
    stay.
    """

    Options = DatabaseOptions
    wants_frames = False
    several_models = True
    gathers = _AT_ONCE

    def __init__(self, name: str, options: DatabaseOptions) -> None:
        self.name = name
        self.pipeline = ""
        self._options = options
        self._peer = Peer("the database", options.url)
        self._waiting: Gathered[dict[str, Any]] = Gathered(_AT_ONCE)
        self._engine: Any = None
        self._tables: Tables | None = None
        self._run = 0

    def open(self, resume: bool) -> Mapping[str, int]:
        """Connects and makes the tables; finds what a predecessor has written, or begins a new run."""
        self._waiting.clear()
        sqlalchemy = _imported()
        try:
            if self._engine is None:
                self._engine = self._made()
            tables = self._tables = Tables(self._engine, self._options.table)
            tables.make()
            if lacking := tables.lacking():
                what = f"has a table {self._options.table!r} without the column {lacking[0]!r}"
                text = "an earlier version has made it, or something else"
                raise self._peer.refuses(what, text, "name another one as `table`")
            job = job_name(self._options.job, self.pipeline, self.name)
            run = tables.last_run(job) if resume else None
            self._run = run if run is not None else tables.begin(job, SystemClock().wall_ns())
            return tables.written(self._run)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise problem_of(error, self._peer) from error

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Keeps one row for the next `flush`."""
        meta, found = prediction.frame, record(prediction)
        self._waiting.add(
            {
                "run": self._run,
                "source": meta.source,
                "model": prediction.model,
                "frame_id": meta.frame_id,
                "pts": found["pts"],
                "captured_at": captured_at(meta),
                "error": prediction.failure.reason if prediction.failure is not None else None,
                "record": found,
            }
        )

    def flush(self) -> None:
        """Inserts what was kept. See `Sink`."""
        self._waiting.send(self._insert)

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Disconnects."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        assert self._tables is not None
        exc = _imported().exc
        try:
            self._tables.insert(rows)
        except exc.DataError as error:
            raise PredictionRejected(f"{self._peer} cannot hold a row: {self._peer.hide(str(error.orig))}") from error
        except exc.SQLAlchemyError as error:
            raise problem_of(error, self._peer) from error

    def _made(self) -> Any:
        sqlalchemy = _imported()
        url = sqlalchemy.make_url(self._options.url)
        driver = _DRIVERS.get(url.drivername, url.drivername)
        if not driver.startswith("sqlite"):
            more = {"connect_timeout": max(1, round(self._options.timeout))} if driver.endswith("psycopg") else {}
            try:
                return sqlalchemy.create_engine(url.set(drivername=driver), connect_args=more)
            except ImportError as error:
                raise MissingDependency("psycopg", "postgresql", "a sink of kind database on PostgreSQL") from error
        make_folder(Path(url.database or "").parent)
        engine = sqlalchemy.create_engine(url, connect_args={"timeout": self._options.timeout})
        sqlalchemy.event.listen(engine, "connect", _readable_meanwhile)
        return engine


def _readable_meanwhile(connection: Any, record: Any) -> None:
    """Others can read a SQLite file while this sink writes; what was committed survives the death of the process."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _imported() -> Any:
    try:
        import sqlalchemy
        import sqlalchemy.event
        import sqlalchemy.exc
    except ImportError as error:
        raise MissingDependency("SQLAlchemy", "database", "sink kind database") from error
    return sqlalchemy
