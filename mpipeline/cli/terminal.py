"""Where commands print: on a terminal no wider than it is, and in full where programs or files take it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

_WIDE = 2000  # columns: more than any line has


def output() -> Console:
    """The standard output."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_WIDE, soft_wrap=True)


class Fitting:
    """A table that goes without some columns where it would be wider than its terminal.

    `make` gives one with these headings and no rows. `spare` are those to go without, the one that tells least first.
    """

    def __init__(
        self,
        make: Callable[[Sequence[str]], Table],
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        spare: Sequence[str],
    ) -> None:
        self._make = make
        self._headings = headings
        self._rows = rows
        self._spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for count in range(len(self._spare) + 1):
            table = self._without(self._spare[:count])
            if console.measure(table, options=options.update(max_width=_WIDE)).maximum <= options.max_width:
                break
        yield table

    def _without(self, gone: Sequence[str]) -> Table:
        kept = [place for place, heading in enumerate(self._headings) if heading not in gone]
        table = self._make([self._headings[place] for place in kept])
        for row in self._rows:
            table.add_row(*(row[place] for place in kept))
        return table
