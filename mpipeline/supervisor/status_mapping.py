"""A run's status as plain data, for messages and for JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from mpipeline.errors import ProtocolError
from mpipeline.supervisor.status import RunStatus, SinkState, SourceStatus, WorkerStatus

_Part = TypeVar("_Part", SourceStatus, SinkState, WorkerStatus)


def to_mapping(status: RunStatus) -> dict[str, Any]:
    """Everything but the workers' single metrics, of which the counts of sources and sinks are made."""
    plain = dataclasses.asdict(dataclasses.replace(status, metrics={}))
    del plain["metrics"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def from_mapping(mapping: Mapping[str, Any]) -> RunStatus:
    """The status in a mapping of this version or a later one, whose further keys are passed over.

    Raises ProtocolError if something is missing or is no status at all.
    """
    try:
        return RunStatus(
            name=str(mapping["name"]),
            phase=str(mapping["phase"]),
            sources=tuple(_part(SourceStatus, one) for one in mapping["sources"]),
            workers=tuple(_part(WorkerStatus, one) for one in mapping["workers"]),
            metrics={},
            attached=tuple(str(one) for one in mapping["attached"]),
            sinks=tuple(_part(SinkState, one) for one in mapping["sinks"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"not a status of this version of mpipeline: {error}") from error


def _part(kind: type[_Part], mapping: Mapping[str, Any]) -> _Part:
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{key: value for key, value in mapping.items() if key in known})
