"""Puts results into docs/performance.md: tables and charts of reports that were written with `--json`.

    python -m benchmarks.transport --json transport.json && python -m benchmarks.publish transport.json

A report has its place between two comments with its name, `<!-- transport -->` and `<!-- /transport -->`; what stands
there is replaced. Charts go to docs/performance/.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.report import Chart, Report, Table, draw

_PAGE = ROOT / "docs" / "performance.md"
_CHARTS = ROOT / "docs" / "performance"


def read(path: Path) -> Report:
    """The report in a file of JSON. Raises SystemExit if it is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["tables"] = [Table(**table) for table in found["tables"]]
        found["charts"] = [Chart(**chart) for chart in found["charts"]]
        return Report(**found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not what a benchmark writes with --json: {error}") from error


def put(report: Report, page: str) -> str:
    """The page with this report in its place. Raises SystemExit if there is no place for it."""
    begin, end = f"<!-- {report.name} -->", f"<!-- /{report.name} -->"
    before, found, rest = page.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise SystemExit(f"{_PAGE.name} has no place for {report.name}: add a line {begin} and a line {end}")
    pictures = [f"![{chart.title}]({_CHARTS.name}/{chart.name}.svg)" for chart in report.charts]
    return before + "\n\n".join([begin, report.markdown(), *pictures, end]) + after


def main() -> None:
    """Reads, draws, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs="+", metavar="FILE", help="what a benchmark wrote with --json")
    _CHARTS.mkdir(exist_ok=True)
    for path in parser.parse_args().reports:
        report = read(path)
        for chart in report.charts:
            draw(chart, _CHARTS / f"{chart.name}.svg")
        _PAGE.write_text(put(report, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"{report.name}: {len(report.tables)} tables, {len(report.charts)} charts")


if __name__ == "__main__":
    main()
