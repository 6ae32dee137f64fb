"""Compares the files of a struck job with those of the undisturbed one, each by its nature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpipeline import registry
from mpipeline.chaos.accounts import Written, compare, read_lines, read_rows
from mpipeline.chaos.staging import Stage, StagedSink
from mpipeline.config import SourceSpec
from mpipeline.errors import MpipelineError

_VIDEO = ".mp4"
_TABLE = "csv"  # the kind; code of a user's own may write other tables
_PTS_DIGITS = 4  # a tenth of a millisecond: what the time base of a video file cannot hold is no difference


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an output. `kind`: lost, duplicated, out_of_order, changed, unknown, unreadable."""

    kind: str
    count: int
    sink: str
    detail: str


def frames_in(stage: Stage) -> dict[str, int]:
    """Frames of each source in the ledger."""
    return {source: len(lines) for source, lines in _lines_of(stage.ledger).sources.items()}


def findings(expected: Stage, found: Stage, tolerance: float = 0.0) -> Iterator[Finding]:
    """All differences between what two runs of the same job have written, sink by sink."""
    for reference, sink in zip(expected.sinks, found.sinks, strict=True):
        wanted, there = _files(reference.folder), _files(sink.folder)
        for name in sorted(set(wanted) - set(there)):
            yield Finding("lost", 1, sink.name, f"{name} was not written")
        for name in sorted(set(there) - set(wanted)):
            yield Finding("unknown", 1, sink.name, f"{name} is there, which an undisturbed run does not write")
        for name in sorted(set(wanted) & set(there)):
            yield from _compared(sink, name, wanted[name], there[name], tolerance)


def _compared(sink: StagedSink, name: str, wanted: Path, there: Path, tolerance: float) -> Iterator[Finding]:
    if wanted.suffix == _VIDEO:
        yield from _compared_videos(sink, name, wanted, there)
        return
    read = _rows_of if sink.kind == _TABLE else _lines_of
    expected, found = read(wanted), read(there)
    if expected.unreadable:  # a text of its own kind
        yield from _compared_texts(sink, name, wanted.read_bytes(), there.read_bytes())
        return
    if found.unreadable:
        yield Finding("unreadable", found.unreadable, sink.name, f"{found.unreadable} lines of {name}")
    for source in sorted({*expected.sources, *found.sources}):
        lines = found.sources.get(source, [])
        account = compare(expected.sources.get(source, []), lines, tolerance=tolerance)
        for kind, told in account.troubles(exact=sink.exact):
            yield Finding(kind, len(getattr(account, kind)), sink.name, f"{name}, source {source}: {told}")


def _compared_videos(sink: StagedSink, name: str, wanted: Path, there: Path) -> Iterator[Finding]:
    try:
        expected, found = times_of(wanted), times_of(there)
    except MpipelineError as error:
        yield Finding("unreadable", 1, sink.name, f"{name}: {error}")
        return
    if len(found) < len(expected):
        yield Finding(
            "lost", len(expected) - len(found), sink.name, f"{name} has {len(found)} of {len(expected)} frames"
        )
    elif len(found) > len(expected):
        many = f"{name} has {len(found)} frames instead of {len(expected)}"
        yield Finding("duplicated", len(found) - len(expected), sink.name, many)
    elif found != expected:
        number = next(i for i, pair in enumerate(zip(expected, found, strict=True), 1) if pair[0] != pair[1])
        text = f"{name}: frame {number} is shown at {found[number - 1]} s instead of {expected[number - 1]} s"
        yield Finding("changed", 1, sink.name, text)


def _compared_texts(sink: StagedSink, name: str, wanted: bytes, there: bytes) -> Iterator[Finding]:
    """Line for line, in any order: who wrote it promises no more than that nothing is lost."""
    expected, found = Counter(wanted.splitlines()), Counter(there.splitlines())
    lost = expected - found
    if lost:
        example = next(iter(lost)).decode(errors="replace")[:120]
        yield Finding("lost", sum(lost.values()), sink.name, f"{sum(lost.values())} lines of {name}, as {example!r}")


def times_of(video: Path) -> list[float | None]:
    """The presentation time of each frame of a video file, seconds; every one is decoded.

    Raises MpipelineError if it cannot be read to its end.
    """
    spec = SourceSpec.from_mapping({"uri": str(video)})
    source = registry.load("sources", spec.kind)(video.stem, spec.options)
    times = []
    try:
        source.open()
        while (frame := source.grab()) is not None:
            times.append(None if frame.pts is None else round(frame.pts, _PTS_DIGITS))
    finally:
        source.close()
    return times


def _lines_of(path: Path) -> Written:
    if not path.exists():
        return Written()
    with path.open("rb") as lines:
        return read_lines(lines)


def _rows_of(path: Path) -> Written:
    with path.open(newline="", encoding="utf-8") as rows:
        return read_rows(rows)


def _files(folder: Path) -> Mapping[str, Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    return {str(path.relative_to(folder)): path for path in found}
