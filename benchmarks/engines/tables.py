"""The results as tables and charts, and what the goals make of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import report, samples
from benchmarks.engines.cases import Case
from benchmarks.engines.contenders import EIGHT_BIT, RIVAL, Ours
from benchmarks.samples import Rounds
from benchmarks.side_by_side import tables as side_by_side

_SPEED = "frames_per_s"
_OPTED = ("bfloat16", EIGHT_BIT)
_AUTO = Ours("auto").name
_FAST_GOAL, _EQUAL_GOAL, _ALONE_GOAL, _OPTED_GOAL = 3.0, 1.25, 0.9, 3.0


def key(case: Case, name: str, sources: int) -> str:
    """Under which a contender's figures stand in a repetition."""
    return f"{case.name}: {name}, {sources} source{'s' if sources > 1 else ''}"


def alone(case: Case, engine: str, precision: str) -> str:
    """Under which an engine's figures stand."""
    return f"{case.name}: {engine} {precision} alone"


def best_alone(case: Case, rounds: Rounds, precision: str) -> tuple[str, str] | None:
    """The engine and the configuration that are fastest in this precision; None: none was measured."""
    speeds = {
        (name, shape): statistics.median(samples.values(rounds, name, shape))
        for name in rounds[0]
        if name.startswith(f"{case.name}: ") and name.endswith(f" {precision} alone")
        for shape in shapes(rounds, name)
    }
    return max(speeds, key=speeds.__getitem__) if speeds else None


def best_rival(case: Case, names: Sequence[str], sources: int, rounds: Rounds) -> str | None:
    """The key of the rival's faster variant; None if it was not measured."""
    keys = [key(case, name, sources) for name in names if name.startswith(RIVAL)]
    return max(keys, key=lambda each: statistics.median(samples.values(rounds, each, _SPEED))) if keys else None


def shapes(rounds: Rounds, name: str) -> list[str]:
    """The configurations in which an engine was measured alone."""
    return [figure for figure in rounds[0][name] if "batch" in figure]


def speeds(case: Case, names: Sequence[str], sources: Sequence[int], rounds: Rounds) -> list[report.Table]:
    """Of the pipelines, of the engines alone, and what the goals make of them."""
    found = [_speeds(case, names, sources, rounds), _alone(case, rounds)]
    if goals := _goals(case, names, sources, rounds):
        found.append(report.Table(f"{case.name}: goals", ["ratio", "goal", "measured", "reached"], goals))
    return found


def detections(case: Case, compared: Mapping[str, Any]) -> report.Table:
    """How what was found compares."""
    rows = [[pair, side_by_side.detections(each)] for pair, each in compared.items()]
    return report.Table(f"{case.name}: detections, {case.text}", ["compared", "result"], rows)


def _speeds(case: Case, names: Sequence[str], sources: Sequence[int], rounds: Rounds) -> report.Table:
    heads = [""]
    for count in sources:
        heads += [f"frames/s, {count} source{'s' if count > 1 else ''}", f"/ {RIVAL}", "of the engine alone"]
    rows = []
    for name in names:
        row: list[object] = [name]
        for count in sources:
            row.append(samples.spread(samples.values(rounds, key(case, name, count), _SPEED)).text("{:.1f}"))
            other = best_rival(case, names, count, rounds)
            row.append(_against(rounds, key(case, name, count), other, _SPEED) if other else "")
            limit = best_alone(case, rounds, next((each for each in _OPTED if each in name), "float32"))
            row.append(_against(rounds, key(case, name, count), *limit) if limit is not None else "")
        rows.append(row)
    return report.Table(f"{case.name}: {case.text}", heads, rows, samples.others(rounds, case.name))


def _alone(case: Case, rounds: Rounds) -> report.Table:
    names = [name for name in rounds[0] if name.startswith(f"{case.name}: ") and name.endswith(" alone")]
    columns = shapes(rounds, names[0])
    rows = [
        [
            name.partition(": ")[2],
            *(samples.spread(samples.values(rounds, name, shape)).text("{:.1f}") for shape in columns),
        ]
        for name in names
    ]
    return report.Table(f"{case.name}: the engine alone, frames/s", ["streams x threads of each", *columns], rows)


def _goals(case: Case, names: Sequence[str], sources: Sequence[int], rounds: Rounds) -> list[list[object]]:
    """A row for each goal that this model has, with each number of sources."""
    wanted: list[tuple[str, str, str, float]] = []  # contender, to what, its figure, goal
    opted = [name for name in names if any(each in name for each in _OPTED)]
    for count in sources:
        if not case.is_yolov8n and not case.is_fast:
            continue
        if (other := best_rival(case, names, count, rounds)) is not None:
            goal = _FAST_GOAL if case.is_fast else _EQUAL_GOAL
            wanted.append((key(case, _AUTO, count), other, _SPEED, goal))
            if case.is_yolov8n:
                wanted += [(key(case, name, count), other, _SPEED, _OPTED_GOAL) for name in opted]
        limit = best_alone(case, rounds, "float32")
        if case.is_yolov8n and limit is not None:
            wanted.append((key(case, _AUTO, count), *limit, _ALONE_GOAL))
    rows: list[list[object]] = []
    for name, other, figure, goal in wanted:
        ratio = _ratio(rounds, name, other, figure)
        told = other if figure == _SPEED else f"{other} ({figure})"
        rows.append(
            [
                f"{name} / {told}".replace(f"{case.name}: ", ""),
                f"at least {goal}",
                ratio.text(),
                "yes" if ratio.median >= goal else "no",
            ]
        )
    return rows


def _ratio(rounds: Rounds, name: str, other: str, figure: str) -> samples.Spread:
    return samples.spread([taken[name][_SPEED] / taken[other][figure] for taken in rounds])


def _against(rounds: Rounds, name: str, other: str, figure: str) -> str:
    return _ratio(rounds, name, other, figure).text() if other in rounds[0] and other != name else ""


def chart(case: Case, names: Sequence[str], sources: Sequence[int], rounds: Rounds) -> report.Chart:
    """Frames/s of all, with the engine's limit."""
    series = {
        name: [samples.spread(samples.values(rounds, key(case, name, count), _SPEED)).median for count in sources]
        for name in names
    }
    limit = best_alone(case, rounds, "float32")
    line = ("engine alone, float32", statistics.median(samples.values(rounds, *limit))) if limit else None
    categories = [f"{count} source{'s' if count > 1 else ''}" for count in sources]
    return report.Chart(f"engines-{case.name}", case.text, "frames/s", categories, series, limit=line)
