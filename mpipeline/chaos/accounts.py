"""Compares what was written with what should have been: lost, duplicated, out of order, changed, gaps. Pure."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpipeline.prediction import origin

Record = dict[str, Any]
_EXAMPLES = 5
_TIME_OF_CAPTURE = "captured_at"  # the one key that two runs of the same file never share
_NUMBER_OF_OBJECT = "tracker_id"  # begins anew when inference is killed


@dataclass(slots=True)
class Written:
    """The lines of one output by source (and model), in the order of the file, without the time of capture."""

    sources: dict[str, list[Record]] = field(default_factory=dict)
    unreadable: int = 0


@dataclass(slots=True)
class Account:
    """What became of the frames of one source. Lists hold frame ids; `difference` shows the first changed line."""

    expected: int = 0
    found: int = 0
    lost: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    duplicated: list[int] = field(default_factory=list)
    out_of_order: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    difference: str = ""

    def troubles(self, *, exact: bool) -> list[tuple[str, str]]:
        """What is wrong, as (word, sentence). A sink that is not `exact` may repeat and, when it does, step back."""
        kinds = ["lost", "unknown", "changed"] + (["duplicated", "out_of_order"] if exact else [])
        told = []
        for kind in kinds:
            ids: list[int] = getattr(self, kind)
            if ids:
                rest = f" and {len(ids) - _EXAMPLES} more" if len(ids) > _EXAMPLES else ""
                shown = ", ".join(map(str, ids[:_EXAMPLES]))
                told.append((kind, f"frame {shown}{rest}{': ' + self.difference if kind == 'changed' else ''}"))
        return told


@dataclass(slots=True)
class Flow:
    """A live source: ids may have gaps, but only grow. `missing` ids lie in `gaps` gaps.

    `counted`: how many drops the run itself has counted, which is less by what killed workers had no time to report.
    """

    frames: int = 0
    first: int = 0
    last: int = 0
    gaps: int = 0
    missing: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    failures: int = 0
    counted: int = 0

    def note(self, frame_id: int, *, failure: bool = False) -> None:
        """The next line of the source."""
        self.frames += 1
        self.failures += failure
        if self.frames == 1:
            self.first = self.last = frame_id
        elif frame_id == self.last:
            self.duplicated += 1
        elif frame_id < self.last:
            self.out_of_order += 1
        else:
            self.gaps += frame_id > self.last + 1
            self.missing += frame_id - self.last - 1
            self.last = frame_id


def origin_of(record: Mapping[str, Any]) -> str:
    """Whose line it is: the source's, and the model's if it has a name. Raises KeyError if it is nobody's."""
    return origin(str(record["source"]), str(record.get("model", "")))


def read_lines(lines: Iterable[bytes]) -> Written:
    """JSON lines with `source` and `frame_id`; what is none of these is counted as unreadable."""
    written = Written()
    for line in lines:
        try:
            record = json.loads(line)
            found, _ = origin_of(record), int(record["frame_id"])
        except (ValueError, KeyError, TypeError):
            written.unreadable += 1
            continue
        record.pop(_TIME_OF_CAPTURE, None)
        written.sources.setdefault(found, []).append(record)
    return written


def read_rows(lines: Iterable[str]) -> Written:
    """A table of the `csv` sink; the rows of a frame are put together under `rows`."""
    written = Written()
    for row in csv.DictReader(lines):
        try:
            whose, source, frame_id = origin_of(row), row.pop("source"), int(row.pop("frame_id"))
        except (ValueError, KeyError, TypeError):
            written.unreadable += 1
            continue
        row.pop(_TIME_OF_CAPTURE, None)
        frames = written.sources.setdefault(whose, [])
        if not frames or frames[-1]["frame_id"] != frame_id:
            frames.append({"source": source, "frame_id": frame_id, "rows": []})
        frames[-1]["rows"].append({key: _number_or_text(value) for key, value in row.items()})
    return written


def compare(
    expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], *, tolerance: float = 0.0
) -> Account:
    """The account of one source's lines. Numbers may differ by `tolerance`, absolute or relative; ids may not.

    Numbers of tracked objects may: after a kill of inference they are others.
    """
    wanted = {int(record["frame_id"]): record for record in expected}
    account = Account(len(expected), len(found))
    seen: set[int] = set()
    highest = 0
    for record in found:
        frame_id = int(record["frame_id"])
        if frame_id in seen:
            account.duplicated.append(frame_id)
        elif frame_id < highest:
            account.out_of_order.append(frame_id)
        seen.add(frame_id)
        highest = max(highest, frame_id)
        if frame_id not in wanted:
            account.unknown.append(frame_id)
        elif (difference := _difference(wanted[frame_id], record, tolerance)) is not None:
            account.changed.append(frame_id)
            account.difference = account.difference or difference
    account.lost = sorted(set(wanted) - seen)
    return account


def _difference(expected: Any, found: Any, tolerance: float, place: str = "") -> str | None:
    """Where and how two values differ; None if they are equal."""
    if expected == found:
        return None
    if isinstance(expected, Mapping) and isinstance(found, Mapping) and set(expected) == set(found):
        keys = (key for key in expected if key != _NUMBER_OF_OBJECT)
        parts = ((expected[key], found[key], f"{place}.{key}".lstrip(".")) for key in keys)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        parts = ((one, other, f"{place}[{i}]") for i, (one, other) in enumerate(zip(expected, found, strict=True)))
    else:
        numbers = [isinstance(each, (int, float)) and not isinstance(each, bool) for each in (expected, found)]
        if all(numbers) and tolerance and math.isclose(expected, found, rel_tol=tolerance, abs_tol=tolerance):
            return None
        return f"{place or 'the line'} was {_short(expected)}, is {_short(found)}"
    return next((told for each in parts if (told := _difference(each[0], each[1], tolerance, each[2]))), None)


def _number_or_text(value: str | None) -> float | str | None:
    try:
        return float(value) if value else value
    except ValueError:
        return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
