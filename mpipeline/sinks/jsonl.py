"""The `jsonl` sink: one line of JSON a frame. docs/predictions.md describes the fields."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.paths import OutputPaths, checked_template, file_error

_logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LINE_START = re.compile(rb'\{"source":("(?:[^"\\]|\\.)*"),"frame_id":(\d+),')


class JsonlOptions(BaseModel):
    """`path`: the file; with `{source}` in it each source has a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str

    _checked_path = field_validator("path")(checked_template)


class JsonlSink:
    """Writes each prediction as a line, handed to the kernel before `write` returns: no kill can lose it.

    After a crash the file itself says what was written, so every frame is there exactly once. A file that is renamed
    or removed meanwhile, as by a log rotation, is noticed within a second, and a new one begun in its place.
    """

    Options = JsonlOptions
    wants_frames = False

    def __init__(self, name: str, options: JsonlOptions) -> None:
        self.name = name
        self._paths = OutputPaths(options.path)
        self._files: dict[Path, AppendingFile] = {}
        self._begun: set[Path] = set()  # files that this sink has opened: what is in them stays
        self._written: dict[str, int] = {}

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; reads what a predecessor wrote, or removes what is older. See `Sink.open`."""
        self._paths.prepare()
        for path in self._paths.existing():
            ids, end = _read_back(path)
            ours = {source: last for source, last in ids.items() if self._paths.path(source) == path}
            if ours and resume:
                self._written.update(ours)
                self._open(path, keep=end)
            elif ours and self._paths.per_source:
                _remove(path)  # or a crash before this source's first frame would make it look like this run's work
        if not self._paths.per_source:
            path = self._paths.path("")
            if path not in self._files:
                self._open(path, keep=0)
        return dict(self._written)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Adds one line; a frame that was written before is left out."""
        source, frame_id = prediction.frame.source, prediction.frame.frame_id
        if frame_id <= self._written.get(source, 0):
            return
        line = json.dumps(record(prediction), ensure_ascii=False, separators=(",", ":"))
        self._file(source).append(line.encode() + b"\n")
        self._written[source] = frame_id

    def _file(self, source: str) -> AppendingFile:
        """Where the lines of `source` go now."""
        path = self._paths.claim(source) if self._paths.per_source else self._paths.path(source)
        file = self._files.get(path)
        if file is not None and file.has_vanished():
            text = "%s was moved or removed: going on in a new file"
            _logger.warning(text, path, extra={"event": "file_vanished", "sink": self.name, "source": source})
            self._files.pop(path).close()
            file = None
        return file if file is not None else self._open(path, keep=None if path in self._begun else 0)

    def _open(self, path: Path, keep: int | None) -> AppendingFile:
        file = self._files[path] = AppendingFile(path, keep)
        self._begun.add(path)
        return file

    def end(self, source: str) -> None:
        """Closes the file of `source` if it has one of its own."""
        if self._paths.per_source:
            file = self._files.pop(self._paths.path(source), None)
            if file is not None:
                file.close()

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()


def record(prediction: Prediction) -> dict[str, Any]:
    """One line as a dictionary; `source` and `frame_id` come first, which is how a resumed sink finds them."""
    meta = prediction.frame
    captured_at = (_EPOCH + timedelta(microseconds=meta.wall_ns // 1000)).isoformat(timespec="microseconds")
    line: dict[str, Any] = {
        "source": meta.source,
        "frame_id": meta.frame_id,
        "pts": None if meta.pts is None else round(meta.pts, 6),
        "captured_at": captured_at.replace("+00:00", "Z"),
        "width": meta.width,
        "height": meta.height,
    }
    if meta.corrupt:
        line["corrupt"] = True
    if prediction.failure is not None:
        line["error"] = {"reason": prediction.failure.reason, "message": prediction.failure.message}
    else:
        line.update(prediction.fields())
    return line


def _read_back(path: Path) -> tuple[dict[str, int], int]:
    """The last frame id of each source in a file, and how many bytes of it are whole lines.

    The whole file is read: sources interleave, and one may have ended long before the others.
    """
    ids: dict[bytes, bytes] = {}  # as they stand there: only the last ones are worth decoding
    end, last = 0, b""
    try:
        with path.open("rb") as lines:
            for line in lines:
                _note(ids, last)
                end, last = end + len(last), line
    except OSError as error:
        raise file_error("read", path, error) from error
    if last.endswith(b"\n") and _is_json(last):
        _note(ids, last)
        end += len(last)
    return {json.loads(source): int(frame_id) for source, frame_id in ids.items()}, end


def _note(ids: dict[bytes, bytes], line: bytes) -> None:
    start = _LINE_START.match(line)
    if start is not None:
        ids[start[1]] = start[2]


def _is_json(line: bytes) -> bool:
    with contextlib.suppress(ValueError):
        json.loads(line)
        return True
    return False


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise file_error("replace", path, error) from error
