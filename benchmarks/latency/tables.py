"""The report: ages by contender, stages of our own run, the silent camera, overload."""

from __future__ import annotations

import argparse
import math
from typing import Any

from benchmarks.latency.frames import LIMIT, STAGES
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import Rounds, Spread, spread, values

_PERCENTILES = ("p50", "p95", "p99")
_OURS = "mpipeline run"


def fill(report: Report, found: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Puts tables, charts and figures into the report."""
    report.data.update(found)
    calm = {name: rounds for name, rounds in found.items() if name.endswith("cameras")}
    report.tables += [_ages(calm), *(_stages(name, rounds) for name, rounds in calm.items())]
    report.charts.append(_chart(calm))
    for name, rounds in calm.items():
        if not name.startswith("1 "):
            report.tables.append(_silent(name, rounds))
    if "overload" in found:
        report.tables.append(_overload(found["overload"], arguments.overload))


def _ages(calm: dict[str, Rounds]) -> Table:
    figures = (*(f"age {share}" for share in _PERCENTILES), "frames/s")
    rows = [
        [cameras, contender, *(_of(rounds, contender, figure) for figure in figures)]
        for cameras, rounds in calm.items()
        for contender in rounds[0]
        if contender != LIMIT
    ]
    text = "From the last packet of a picture to its prediction at the sink, decoding included, by the server's clock."
    return Table("Age at the sink, ms", ("", "contender", *_PERCENTILES, "frames/s"), rows, text)


def _stages(cameras: str, rounds: Rounds) -> Table:
    ours = [name for name in rounds[0] if name.startswith(_OURS) or name == LIMIT]
    parts = {**{stage: stage for stage in STAGES}, "added": "**added by the pipeline**"}
    rows = [
        [label, *(_stage(rounds, name, stage, share) for name in ours for share in _PERCENTILES)]
        for stage, label in parts.items()
    ]
    heads = ["stage", *(f"{name}: {share}" for name in ours for share in _PERCENTILES)]
    text = '"Added" is, of each frame, the sum of "ring, message, batch" and "result to the sink".'
    return Table(f"By stage, {cameras}, ms", heads, rows, text)


def _stage(rounds: Rounds, contender: str, stage: str, share: str) -> str:
    if contender == LIMIT and stage in ("network and demuxer", "model"):
        return "" if stage == "model" else "not seen"
    return _of(rounds, contender, f"{stage} {share}", "{:.2f}")


def _silent(cameras: str, rounds: Rounds) -> Table:
    rows = []
    for contender in rounds[0]:
        if contender == LIMIT:
            continue
        row: list[object] = [contender]
        for figure in ("frames/s", "age p50", "age p99"):
            calm = [_calm(taken[contender], figure) for taken in rounds]
            stalled = values(rounds, contender, f"stalled: {figure}")
            row += [_text(spread(calm)), _text(spread(stalled))]
            row.append(_text(spread([a / b if b else math.nan for a, b in zip(stalled, calm, strict=True)]), "{:.2f}"))
        rows.append(row)
    heads = ["contender"]
    for figure in ("frames/s", "p50, ms", "p99, ms"):
        heads += [f"{figure}: calm", "one silent", "ratio"]
    text = "The others, while the server of one camera stalls it, against the calm stretches before and behind."
    return Table(f"One of {cameras} falls silent", heads, rows, text)


def _calm(taken: Any, figure: str) -> float:
    return float(taken[f"calm: {figure}"] + taken[f"calm again: {figure}"]) / 2


def _overload(rounds: Rounds, rate: float) -> Table:
    rows = [
        [contender, _of(rounds, contender, "frames/s"), _of(rounds, contender, "share error", "{:.1%}")]
        + [_of(rounds, contender, f"age {share}", "{:.0f}") for share in (*_PERCENTILES, "largest")]
        + [_of(rounds, contender, "longest batch", "{:.0f}") if contender.startswith(_OURS) else "not seen"]
        for contender in rounds[0]
    ]
    heads = ("contender", "frames/s", "largest error of a camera's share", *(f"age {p}, ms" for p in _PERCENTILES))
    text = (
        f"The model sleeps {1000 / rate:.0f} ms for each frame. A live camera has one frame waiting, the newest; its "
        "prediction may be as old as the batch before and its own."
    )
    return Table("Overload", (*heads, "largest, ms", "longest batch, ms"), rows, text)


def _chart(calm: dict[str, Rounds]) -> Chart:
    contenders = list(dict.fromkeys(name for rounds in calm.values() for name in rounds[0] if name != LIMIT))
    series = {
        f"{contender}, {share}": [
            spread(values(rounds, contender, f"age {share}")).median if contender in rounds[0] else None
            for rounds in calm.values()
        ]
        for contender in contenders
        for share in ("p50", "p99")
    }
    return Chart("latency", "From the camera to the sink", "ms", list(calm), series)


def _of(rounds: Rounds, contender: str, figure: str, form: str = "{:.1f}") -> str:
    return _text(spread(values(rounds, contender, figure)), form)


def _text(found: Spread, form: str = "{:.1f}") -> str:
    return found.text(form)
