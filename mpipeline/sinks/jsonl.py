"""The `jsonl` sink: one line of JSON a frame. docs/predictions.md describes the fields."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.paths import checked_template, file_error
from mpipeline.sinks.record import encoded, record
from mpipeline.sinks.record_files import Origin, RecordFiles

_LINE_START = re.compile(rb'\{"source":("(?:[^"\\]|\\.)*"),"frame_id":(\d+),(?:"model":("(?:[^"\\]|\\.)*"),)?')


class JsonlOptions(BaseModel):
    """`path`: the file; with `{source}` in it each source has a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str

    _checked_path = field_validator("path")(checked_template)


class JsonlSink:
    """Writes each prediction as a line. Crashes, resumed runs and rotated files: see `RecordFiles`."""

    Options = JsonlOptions
    wants_frames = False
    several_models = True

    def __init__(self, name: str, options: JsonlOptions) -> None:
        self.name = name
        self._files = RecordFiles(name, options.path, _read_back, by_model=True)

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; reads what a predecessor wrote, or removes what is older. See `Sink.open`."""
        return self._files.open(resume)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Adds one line; a frame that was written before is left out."""
        if self._files.has(prediction):
            return
        self._files.append(prediction, encoded(record(prediction)).encode() + b"\n")

    def end(self, source: str) -> None:
        """Closes the file of `source` if it has one of its own."""
        self._files.end(source)

    def close(self) -> None:
        """Closes all files."""
        self._files.close()


def _read_back(path: Path) -> tuple[dict[Origin, int], int]:
    """The last frame id of each source and model in a file, and how many bytes of it are whole lines.

    The whole file is read: sources interleave, and one may have ended long before the others.
    """
    ids: dict[tuple[bytes, bytes], bytes] = {}  # as they stand there: only the last ones are worth decoding
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
    return {(json.loads(source), json.loads(model)): int(n) for (source, model), n in ids.items()}, end


def _note(ids: dict[tuple[bytes, bytes], bytes], line: bytes) -> None:
    start = _LINE_START.match(line)
    if start is not None:
        ids[start[1], start[3] or b'""'] = start[2]


def _is_json(line: bytes) -> bool:
    with contextlib.suppress(ValueError):
        json.loads(line)
        return True
    return False
