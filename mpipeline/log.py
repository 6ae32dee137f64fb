"""Logs: a sentence for people and keys for machines, on stderr, without credentials.

A record is made with the standard library: `logger.warning("the stream has stalled", extra={"event": "stalled",
"source": "gate"})`. Every other key of `extra` becomes a field beside `event`.
"""

from __future__ import annotations

import json as json_codec
import logging
import sys
from datetime import datetime, timezone
from typing import Any, TextIO

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.credentials import redact

ROOT = "mpipeline"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(*, json: bool = False, level: str | int = "info", stream: TextIO | None = None) -> logging.Handler:
    """Sends what mpipeline logs from `level` on to `stream` (stderr), replacing what an earlier call has set up.

    `json` chooses one JSON object a line instead of text. Loggers of the calling program are left alone.
    """
    handler: logging.Handler = _Output(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if json else HumanFormatter())
    root = logging.getLogger(ROOT)
    for earlier in [each for each in root.handlers if isinstance(each, _Output)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level.upper() if isinstance(level, str) else level)
    root.propagate = False
    return handler


class _Output(logging.StreamHandler):  # type: ignore[type-arg]  # it cannot be subscripted at run time in 3.10
    """The handler that `configure` owns, to be told from those of the calling program."""


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`, `event` first."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {"event": given.pop("event"), **given} if "event" in given else given


class HumanFormatter(logging.Formatter):
    """`12:00:01.250 WARNING the stream has stalled  event=stalled source=gate`, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        line = f"{moment} {record.levelname:<7} {record.getMessage()}"
        pairs = " ".join(f"{key}={_quoted(value)}" for key, value in fields(record).items())
        if pairs:
            line = f"{line}  {pairs}"
        trace = _trace(self, record)
        return redact(f"{line}\n{trace}" if trace else line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (ISO 8601, UTC), `level`, `logger`, `message`, then `event` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        entry = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        trace = _trace(self, record)
        if trace:
            entry["trace"] = trace
        return json_codec.dumps(_redacted(entry), ensure_ascii=False)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _quoted(value: object) -> str:
    text = str(value)
    plain = bool(text) and not any(mark.isspace() or mark in "\"'=" for mark in text)
    return text if plain else json_codec.dumps(text, ensure_ascii=False)


def _redacted(value: Any) -> Any:
    """`value` as JSON can hold it, every text in it redacted."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redact(str(key)): _redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    return redact(str(value))


class Summariser:
    """Counts what can repeat and reports it at most once an interval: "37 decode errors, last was …".

    The first one after a quiet interval is reported at once. Whoever adds calls `flush` regularly, and once more with
    `everything` before it ends. Each key with its fields is counted for itself, so fields must have few values.
    """

    def __init__(self, logger: logging.Logger, clock: Clock, interval: float = 1.0) -> None:
        self._logger = logger
        self._clock = clock
        self._interval_ns = int(interval * NS_PER_S)
        self._reported_ns: int | None = None
        self._counts: dict[tuple[Any, ...], int] = {}
        self._last: dict[tuple[Any, ...], tuple[str, int, dict[str, Any]]] = {}

    def add(self, key: str, message: str, *, level: int = logging.WARNING, **fields: Any) -> None:
        """Counts one `key` (a plural noun, "decode errors"); `message` says what the last one was."""
        group = (key, *fields.items())
        self._counts[group] = self._counts.get(group, 0) + 1
        self._last[group] = (message, level, fields)
        self.flush(self._clock.monotonic_ns())

    def flush(self, now_ns: int | None = None, *, everything: bool = False) -> None:
        """Reports what was counted, if an interval has passed since the last report or `everything` is asked for."""
        now_ns = self._clock.monotonic_ns() if now_ns is None else now_ns
        early = self._reported_ns is not None and now_ns - self._reported_ns < self._interval_ns
        if not self._counts or (early and not everything):
            return
        counts, self._counts = self._counts, {}
        last, self._last = self._last, {}
        self._reported_ns = now_ns
        for group, count in counts.items():
            message, level, extra = last[group]
            text = message if count == 1 else f"{count} {group[0]}, last was: {message}"
            self._logger.log(level, "%s", text, extra={"event": group[0].replace(" ", "_"), "count": count, **extra})
