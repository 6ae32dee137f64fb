"""The two tables of the `database` sink: one row a frame, one row a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from mpipeline.clock import NS_PER_S
from mpipeline.prediction import origin


class Tables:
    """`TABLE` and `TABLE_runs` behind an engine. Errors are SQLAlchemy's."""

    def __init__(self, engine: Any, name: str) -> None:
        import sqlalchemy as sa
        from sqlalchemy.dialects import postgresql, sqlite

        self._engine = engine
        self._metadata = sa.MetaData()
        self._runs = sa.Table(
            f"{name}_runs",
            self._metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("job", sa.Text, nullable=False, index=True),
            sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        )
        self._rows = sa.Table(
            name,
            self._metadata,
            sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("source", sa.String(64), primary_key=True),
            sa.Column("model", sa.String(64), primary_key=True),
            sa.Column("frame_id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("pts", sa.Float(53)),
            sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False, index=True),
            sa.Column("error", sa.Text),
            sa.Column("record", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        )
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._insert = dialect.insert(self._rows).on_conflict_do_nothing()

    def make(self) -> None:
        """Makes what is missing; another run may be doing the same at this moment."""
        from sqlalchemy.exc import IntegrityError, ProgrammingError

        try:
            self._metadata.create_all(self._engine)
        except (IntegrityError, ProgrammingError):
            self._metadata.create_all(self._engine)

    def lacking(self) -> list[str]:
        """The columns that the table of rows should have and has not: it was there before, and is another one."""
        import sqlalchemy as sa

        there = {column["name"] for column in sa.inspect(self._engine).get_columns(self._rows.name)}
        return [column.name for column in self._rows.columns if column.name not in there]

    def last_run(self, job: str) -> int | None:
        """The newest run of a job; None if it has none."""
        import sqlalchemy as sa

        with self._engine.connect() as connection:
            found = connection.scalar(sa.select(sa.func.max(self._runs.c.id)).where(self._runs.c.job == job))
        return None if found is None else int(found)

    def begin(self, job: str, now_ns: int) -> int:
        """A new run of a job that begins now; returns its number."""
        started_at = datetime.fromtimestamp(now_ns / NS_PER_S, timezone.utc)
        with self._engine.begin() as connection:
            done = connection.execute(self._runs.insert().values(job=job, started_at=started_at))
            return int(done.inserted_primary_key[0])

    def written(self, run: int) -> Mapping[str, int]:
        """Origin → last frame id of the rows of a run. Those of an origin are inserted in the order of their ids."""
        import sqlalchemy as sa

        rows = self._rows.c
        each = (rows.source, rows.model)
        asked = sa.select(*each, sa.func.max(rows.frame_id)).where(rows.run == run).group_by(*each)
        with self._engine.connect() as connection:
            return {origin(source, model): int(frame_id) for source, model, frame_id in connection.execute(asked)}

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds those that are not there yet, in one transaction."""
        with self._engine.begin() as connection:
            connection.execute(self._insert, list(rows))
