"""Preprocessing, conversion to BGR and suppression against OpenCV and NumPy, and against what memory allows.

    python -m benchmarks.pixels --json pixels.json

Each repetition runs every path once over the same frames, one after the other, in one thread; its figure is processor
time, which other programs on the machine lengthen less than the time on the clock. `x` is our time over that of the
path in the same repetition: below 1 we are faster. Deviations are from the exact result in double precision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks import box_paths, pixel_paths
from benchmarks.pixel_paths import Pictures
from benchmarks.report import Chart, Report, Table, finish, parser
from benchmarks.samples import Rounds, ratios, spread, take_turns, values
from mpipeline import _native
from mpipeline.frame import PixelFormat

OURS = "mpipeline"
PLAIN = "mpipeline without AVX2"
NAIVE = "OpenCV, new arrays"
CONVERTED = "OpenCV, colour first, nothing allocated"
MULTIPLIED = "OpenCV, resize first, nothing allocated"
TABLE = "OpenCV, resize first, table, nothing allocated"
COPY, READ = "copy of the frame", "one reading of the frame"
_FORMATS = (PixelFormat.I420, PixelFormat.NV12, PixelFormat.BGR24)
_SIZES = ((1920, 1080), (1280, 720))
_BOX_COUNTS = (300, 3000, 8400)


def compared(contenders: Mapping[str, Callable[[int], object]], frames: int, repetitions: int, what: str) -> Rounds:
    """Milliseconds of processor time for one frame, by contender and repetition."""

    def timed(run: Callable[[int], object]) -> Callable[[], Mapping[str, float]]:
        def once() -> Mapping[str, float]:
            begun = time.thread_time_ns()
            for number in range(frames):
                run(number)
            return {"ms": (time.thread_time_ns() - begun) / frames / 1e6}

        return once

    for run in contenders.values():
        for number in range(frames):
            run(number)
    print(what, flush=True)
    return take_turns({name: timed(run) for name, run in contenders.items()}, repetitions, quiet=True)


def rows_of(rounds: Rounds, picture: str, more: Mapping[str, Sequence[object]], width: int) -> list[list[object]]:
    """A row for each path: time, our time over it, and `more` by path."""
    rows: list[list[object]] = []
    for name in rounds[0]:
        beside = "" if name == OURS else ratios(rounds, "ms", OURS, name).text()
        time_of = spread(values(rounds, name, "ms")).text("{:.3f}")
        rows.append([picture, name, time_of, beside, *(more.get(name) or [""] * width)])
    return rows


def preprocessing(given: Pictures, repetitions: int) -> tuple[Rounds, list[list[object]]]:
    """All paths of one kind of picture."""
    paths = {
        OURS: pixel_paths.ours(given),
        PLAIN: pixel_paths.ours(given, portable=True),
        NAIVE: pixel_paths.naive(given),
        CONVERTED: pixel_paths.converted_first(given),
        MULTIPLIED: pixel_paths.resized_first(given, with_table=False),
        TABLE: pixel_paths.resized_first(given, with_table=True),
    }
    if given.format is PixelFormat.BGR24:
        del paths[CONVERTED]  # nothing to convert
    if not np.array_equal(paths[OURS](0), paths[PLAIN](0)):
        raise SystemExit(f"{given.name}: the paths with and without AVX2 differ")
    exact = pixel_paths.exact(given, 0)
    apart: dict[str, Sequence[object]] = {}
    for name, run in paths.items():
        difference = np.abs(run(0) - exact) * 255
        apart[name] = [f"{difference.mean():.3f}", f"{np.percentile(difference, 99.9):.2f}"]
    limits = {COPY: pixel_paths.copied(given), READ: pixel_paths.read(given)}
    rounds = compared({**paths, **limits}, len(given.packed), repetitions, f"preprocessing, {given.name}")
    return rounds, rows_of(rounds, given.name, apart, 2)


def conversion(given: Pictures, repetitions: int) -> Rounds:
    """The whole picture to BGR: ours gives a new array, whose memory it keeps for the next one."""
    code = cv2.COLOR_YUV2BGR_NV12 if given.format is PixelFormat.NV12 else cv2.COLOR_YUV2BGR_I420
    planes = [given.planes(number) for number in range(len(given.packed))]
    target = np.empty((given.height, given.width, 3), np.uint8)
    source = np.zeros_like(target)
    contenders: dict[str, Callable[[int], object]] = {
        OURS: lambda n: _native.to_bgr(given.format, given.width, given.height, 0, False, planes[n]),
        "OpenCV, new array": lambda n: cv2.cvtColor(given.packed[n], code),
        "OpenCV, nothing allocated": lambda n: cv2.cvtColor(given.packed[n], code, dst=target),
        "copy of the BGR picture": lambda n: np.copyto(target, source),
    }
    return compared(contenders, len(given.packed), repetitions, f"to BGR, {given.name}")


def suppression(count: int, repetitions: int) -> tuple[Rounds, dict[str, Sequence[object]]]:
    """One list of boxes; how many stay, by path."""
    given = box_paths.boxes(count)
    paths: dict[str, Callable[[], Any]] = {
        OURS: lambda: box_paths.suppress_ours(given),
        "NumPy": lambda: box_paths.suppress_numpy(given),
        "OpenCV, dnn.NMSBoxes": box_paths.suppress_opencv(given),
    }
    kept = {name: [len(run())] for name, run in paths.items()}
    contenders = {name: lambda _, run=run: run() for name, run in paths.items()}
    return compared(contenders, 3, repetitions, f"suppression, {count} boxes"), dict(kept)


def candidates(repetitions: int) -> tuple[Rounds, dict[str, Sequence[object]]]:
    """The best class of 8400 anchors."""
    table = box_paths.scores()
    paths: dict[str, Callable[[Any], int]] = {OURS: box_paths.candidates_ours, "NumPy": box_paths.candidates_numpy}
    kept = {name: [run(table)] for name, run in paths.items()}
    contenders = {name: lambda _, run=run: run(table) for name, run in paths.items()}
    return compared(contenders, 3, repetitions, "candidates"), dict(kept)


def best_ratio(rounds: Rounds) -> str:
    """Our time over that of the fastest path of OpenCV that allocates nothing."""
    best = min((MULTIPLIED, TABLE), key=lambda name: spread(values(rounds, name, "ms")).median)
    return ratios(rounds, "ms", OURS, best).text()


def main() -> None:
    """Measures, prints, saves."""
    arguments = parser(__doc__, repetitions=40, minutes=None).parse_args()
    cv2.setNumThreads(1)
    kinds = [pixel_paths.pictures(form, *size) for size in _SIZES for form in _FORMATS]
    report = Report("pixels", "Preprocessing and postprocessing", "python -m benchmarks.pixels")
    rows, all_rounds = [], {}
    for given in kinds:
        all_rounds[given.name], more = preprocessing(given, arguments.repetitions)
        rows += more
    verdicts = [f"{name} {best_ratio(rounds)}" for name, rounds in all_rounds.items()]
    text = (
        f"Our time over that of OpenCV's best path without allocation: {'; '.join(verdicts)}. Ours has one thread "
        "whatever the machine has, and gives the same bytes with and without AVX2."
    )
    heads = ("picture", "path", "ms", "x", "mean deviation, levels", "99.9 % below")
    title = f"A picture to {pixel_paths.SIDE} x {pixel_paths.SIDE} planar float32, letterboxed; one thread"
    report.tables.append(Table(title, heads, rows, text))
    converted = {given.name: conversion(given, arguments.repetitions) for given in kinds[:2]}
    bgr_rows = [row for name, rounds in converted.items() for row in rows_of(rounds, name, {}, 0)]
    report.tables.append(Table("A whole picture to BGR", ("picture", "path", "ms", "x"), bgr_rows))
    boxed = {f"{count} boxes": suppression(count, arguments.repetitions) for count in _BOX_COUNTS}
    boxed["8400 anchors x 80 classes, candidates"] = candidates(arguments.repetitions)
    box_rows = [row for name, (rounds, kept) in boxed.items() for row in rows_of(rounds, name, kept, 1)]
    report.tables.append(Table("Postprocessing", ("input", "path", "ms", "x", "stay"), box_rows))
    report.data = {
        **all_rounds,
        **{f"to BGR, {k}": v for k, v in converted.items()},
        **{k: v[0] for k, v in boxed.items()},
    }
    shown = (OURS, TABLE, CONVERTED, NAIVE, COPY)
    medians = {
        path: [spread(values(r, path, "ms")).median if path in r[0] else None for r in all_rounds.values()]
        for path in shown
    }
    chart = Chart("pixels", report.tables[0].title, "ms of processor time", list(all_rounds), medians)
    report.charts.append(chart)
    finish(report, arguments)


if __name__ == "__main__":
    main()
