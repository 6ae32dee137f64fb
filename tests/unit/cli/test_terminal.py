"""Where commands print: on a terminal no wider than it is, and in full for programs and files."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.table import Table

from mpipeline.cli.terminal import Fitting, output


def made(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def shown(width: int) -> list[str]:
    rows = [("gate", "1920x1080", "25.0", "3 expired")]
    fitting = Fitting(made, ("source", "size", "in/s", "dropped"), rows, ("size", "in/s"))
    console = Console(file=io.StringIO(), width=width)
    for _ in range(2):  # nothing is gone for good: the terminal may be made wider
        console.print(fitting)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[:2] == lines[2:]
    return [" ".join(line.split()) for line in lines[:2]]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, ["source size in/s dropped", "gate 1920x1080 25.0 3 expired"]),
        (30, ["source in/s dropped", "gate 25.0 3 expired"]),
        (18, ["source dropped", "gate 3 expired"]),
    ],
)
def test_a_table_goes_without_what_tells_least(width: int, expected: list[str]) -> None:
    assert shown(width) == expected


def test_programs_and_files_get_everything(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None)
    table.add_column("long", no_wrap=True)
    table.add_row("x" * 500)
    output().print(table, "y " * 200)
    told = capsys.readouterr().out
    assert "x" * 500 in told
    assert len(told.splitlines()) == 3
