"""The `csv` sink: one row a detection, for spreadsheets and data frames. docs/sinks.md describes the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.paths import checked_template, file_error
from mpipeline.sinks.record import captured_at
from mpipeline.sinks.record_files import Origin, RecordFiles

_FRAME = ("source", "frame_id", "model", "pts", "captured_at", "frame_width", "frame_height", "error", "found")
_DETECTION = ("class", "class_id", "confidence", "x", "y", "width", "height", "detection_id")
COLUMNS = (*_FRAME, *_DETECTION)
_MODEL, _FOUND = COLUMNS.index("model"), COLUMNS.index("found")


class CsvOptions(BaseModel):
    """`path`: the file; with `{source}` in it each source has a file of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str

    _checked_path = field_validator("path")(checked_template)


class CsvSink:
    """Writes a row for each detection, under a head with the names of the columns.

    A frame without detections has one row, `found` 0 and the columns behind it empty; so has one that failed, whose
    `error` tells why and whose `found` is empty. So every frame is in the file, and nothing looks like something else.
    The rows of a frame are written at once, and `found` tells how many they are: what a crash has cut is seen.
    Crashes, resumed runs and rotated files: see `RecordFiles`.
    """

    Options = CsvOptions
    wants_frames = False
    several_models = True

    def __init__(self, name: str, options: CsvOptions) -> None:
        self.name = name
        self._files = RecordFiles(name, options.path, _read_back, _text([COLUMNS]), by_model=True)

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; reads what a predecessor wrote, or removes what is older. See `Sink.open`."""
        return self._files.open(resume)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Adds the rows of a frame; one that was written before is left out."""
        if not self._files.has(prediction):
            self._files.append(prediction, _text(rows(prediction)))

    def end(self, source: str) -> None:
        """Closes the file of `source` if it has one of its own."""
        self._files.end(source)

    def close(self) -> None:
        """Closes all files."""
        self._files.close()


def rows(prediction: Prediction) -> list[tuple[Any, ...]]:
    """The rows of a frame, with a value or None for each of `COLUMNS`; of a classification one for each class."""
    meta, failure = prediction.frame, prediction.failure
    pts = None if meta.pts is None else round(meta.pts, 6)
    captured = captured_at(meta).isoformat(timespec="microseconds").replace("+00:00", "Z")
    start = (meta.source, meta.frame_id, prediction.model, pts, captured, meta.width, meta.height)
    if failure is not None:
        return [(*start, failure.reason, None, *(None for _ in _DETECTION))]
    records = prediction.records()
    return [(*start, None, len(records), *(found.get(key) for key in _DETECTION)) for found in records or [{}]]


def _text(table: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode()


def _read_back(path: Path) -> tuple[dict[Origin, int], int]:
    """The last frame id of each source and model in a file, and how many bytes of it are whole frames.

    What cannot be read to its end, such as a quote that is not closed, is left out with all that follows.
    """
    ids: dict[Origin, int] = {}
    end = 0
    try:
        with path.open("rb") as file:
            lines = _Lines(file)
            table = csv.reader(lines, strict=True)
            try:
                if tuple(next(table, ())) != COLUMNS:
                    return {}, 0
                end, rest, last = lines.taken, 0, ("", "", 0)
                for row in table:
                    if (whose := _frame_of(row)) is None or not lines.is_whole:
                        continue
                    source, model, frame_id, count = whose
                    rest = (rest if last == (source, model, frame_id) else count) - 1
                    last = source, model, frame_id
                    if rest == 0:
                        ids[source, model], end = frame_id, lines.taken
            except (csv.Error, UnicodeDecodeError):
                pass
    except OSError as error:
        raise file_error("read", path, error) from error
    return ids, end


def _frame_of(row: list[str]) -> tuple[str, str, int, int] | None:
    """Source, model, frame id and number of rows of the frame to which a row belongs; None if it is none of ours."""
    if len(row) != len(COLUMNS):
        return None
    try:
        return row[0], row[_MODEL], int(row[1]), max(1, int(row[_FOUND] or 0))
    except ValueError:
        return None


class _Lines:
    """The lines of a file as texts. `taken` counts their bytes; `is_whole`: the last one has its end."""

    def __init__(self, file: Iterable[bytes]) -> None:
        self.taken = 0
        self.is_whole = True
        self._lines = iter(file)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken += len(line)
        self.is_whole = line.endswith(b"\n")
        return line.decode()
