"""What a benchmark tells: tables as Markdown, charts as SVG, everything as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks import machine


@dataclass(frozen=True)
class Table:
    """Cells are shown as `str` gives them. `text` says how the table is to be read."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    text: str = ""

    def markdown(self) -> str:
        """Title, table, text."""
        return "\n\n".join(part for part in (f"### {self.title}", markdown(self.heads, self.rows), self.text) if part)


@dataclass(frozen=True)
class Chart:
    """Values by series and category: bars in groups, or lines over categories that are numbers.

    `series`: name → a value for each category, None where there is none. `limit` is a line across, with its name.
    """

    name: str
    title: str
    unit: str
    categories: Sequence[Any]
    series: Mapping[str, Sequence[float | None]]
    form: Literal["bars", "lines"] = "bars"
    below: str = ""
    limit: tuple[str, float] | None = None


@dataclass
class Report:
    """The result of one program. `command` is the line that prints it again; `data` are figures for the JSON."""

    name: str
    title: str
    command: str
    about: Mapping[str, Any] = field(default_factory=machine.about)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """The section as it stands in docs/performance.md, without its charts."""
        parts = [f"## {self.title}", f"```sh\n{self.command}\n```", machine.sentence(self.about)]
        return "\n\n".join([*parts, *(table.markdown() for table in self.tables)])


def markdown(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; vertical bars in cells are escaped."""
    lines = [list(heads), ["---"] * len(heads), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def parser(description: str | None, repetitions: int | None = 5, minutes: float | None = 10) -> argparse.ArgumentParser:
    """With the arguments that every program has, and those two whose default is not None."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if repetitions is not None:
        text = f"of each figure (default: {repetitions})"
        made.add_argument("--repetitions", type=count, default=repetitions, help=text)
    if minutes is not None:
        text = f"fewer repetitions if they would take longer (default: {minutes:g})"
        made.add_argument("--minutes", type=float, default=minutes, help=text)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    made.add_argument("--charts", type=Path, metavar="FOLDER", help="write the charts there, as SVG")
    return made


def count(text: str) -> int:
    """The value of an argument that is a number of things."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def numbers(text: str) -> list[int]:
    """The value of an argument such as `1,2,4`."""
    return [count(part) for part in text.split(",")]


def executable(text: str) -> Path:
    """The value of an argument that is the path of a program."""
    if not (Path(text).is_file() and os.access(text, os.X_OK)):
        raise argparse.ArgumentTypeError(f"{text!r} is no program")
    return Path(text)


def words(*known: str) -> Callable[[str], list[str]]:
    """Takes the value of an argument that names some of these, by commas."""

    def some(text: str) -> list[str]:
        found = text.split(",")
        if strange := [word for word in found if word not in known]:
            raise argparse.ArgumentTypeError(f"{strange[0]!r} is none of {', '.join(known)}")
        return found

    return some


def progress(text: str) -> None:
    """Says on standard error what is being measured now."""
    print(text, file=sys.stderr, flush=True)


def command(name: str) -> str:
    """The line that was typed, without where its results go."""
    typed = iter(sys.argv[1:])
    kept = []
    for word in typed:
        if word in ("--json", "--markdown", "--charts"):
            next(typed, None)
        elif not word.startswith(("--json=", "--markdown=", "--charts=")):
            kept.append(word)
    return " ".join([f"python -m benchmarks.{name}", *kept])


def finish(report: Report, arguments: argparse.Namespace) -> None:
    """Prints the report and writes what is asked for."""
    print("\n" + report.markdown())
    if arguments.json is not None:
        told = asdict(report)
        for table, kept in zip(told["tables"], report.tables, strict=True):
            table["rows"] = [[str(cell) for cell in row] for row in kept.rows]  # as they are shown
        arguments.json.write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(report.markdown() + "\n", encoding="utf-8")
    if arguments.charts is not None:
        arguments.charts.mkdir(parents=True, exist_ok=True)
        for chart in report.charts:
            draw(chart, arguments.charts / f"{chart.name}.svg")


def draw(chart: Chart, path: Path) -> None:
    """Draws the chart as SVG, byte for byte the same from the same values."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = chart.name
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    if chart.form == "lines":
        for name, numbers in chart.series.items():
            known = [(at, value) for at, value in zip(chart.categories, numbers, strict=True) if value is not None]
            axes.plot([at for at, _ in known], [value for _, value in known], marker="o", label=name)
    else:
        width = 0.8 / len(chart.series)
        for index, (name, numbers) in enumerate(chart.series.items()):
            places = [group + (index - (len(chart.series) - 1) / 2) * width for group in range(len(chart.categories))]
            bars = axes.bar(places, [value or 0.0 for value in numbers], width * 0.92, label=name)
            texts = ["" if value is None else f"{value:.3g}" for value in numbers]
            axes.bar_label(bars, texts, fontsize=7, padding=2, rotation=90 if len(chart.series) > 4 else 0)
        axes.set_xticks(range(len(chart.categories)), [str(category) for category in chart.categories])
    axes.margins(y=0.12)
    if chart.limit is not None:
        axes.axhline(chart.limit[1], color="black", linewidth=1, linestyle="--", label=chart.limit[0])
    if chart.form == "lines":
        axes.set_ylim(bottom=0)  # last: it ends the search for limits that show everything
    axes.set(title=chart.title, ylabel=chart.unit, xlabel=chart.below)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
