"""What a person sees of a download: a bar on a terminal, log lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from mpipeline.config import RunConfig
from mpipeline.store.progress import LoggedProgress, Progress
from mpipeline.store.resolve import located


@contextmanager
def download_bar(stream: TextIO, *, enabled: bool = True) -> Iterator[Progress]:
    """Gives what a download tells its progress."""
    if not (enabled and stream.isatty()):
        yield LoggedProgress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(file=stream), transient=True) as bars:
        yield Bar(bars)


def with_model(config: RunConfig, *, enabled: bool) -> RunConfig:
    """The config with the paths of its models; a model of an id is fetched if it is not here."""
    if all(model.id is None for model in config.every_model().values()):
        return config
    with download_bar(sys.stderr, enabled=enabled) as progress:
        return config.with_models(partial(located, progress=progress))


class Bar:
    """A bar a file."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, label: str, total: int | None, done: int) -> None:
        """As in Progress."""
        self._task = self._bars.add_task(label, total=total, completed=done)

    def advance(self, count: int) -> None:
        """As in Progress."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def end(self) -> None:
        """As in Progress."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
