"""Who is measured: `mpipeline run`, a program on `InferencePipeline` and on its rival, and what no pipeline is in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks import cameras, stand_ins
from benchmarks.arrivals import Arrival
from benchmarks.cameras import LiveRun
from benchmarks.latency.frames import Frame, Sent, of_our_run, of_program
from benchmarks.side_by_side.runs import Run, Task, running
from benchmarks.side_by_side.sides import Side

_START_S = 90.0
_POLL_S = 0.05
_FLOWING = 10  # frames of each camera


class Working(Protocol):
    """A contender at work over some cameras."""

    def counts(self) -> Mapping[str, int]:
        """Frames that have arrived, by camera."""

    def frames(self, sent: Sent) -> list[Frame]:
        """All frames up to now."""

    def complaint(self) -> str | None:
        """The end of its log, if it has ended."""


# Takes cameras (name → address), and how many seconds the model sleeps for each frame.
Start = Callable[[Mapping[str, str], float], AbstractContextManager[Working]]


class Command:
    """`mpipeline run` at work."""

    def __init__(self, run: LiveRun, notes: Path) -> None:
        self._run = run
        self._notes = notes
        self._arrivals: list[Arrival] = []

    def counts(self) -> Mapping[str, int]:
        """As in Working."""
        self._arrivals += self._run.arrivals.fresh()
        return _count(arrival.source for arrival in self._arrivals)

    def frames(self, sent: Sent) -> list[Frame]:
        """As in Working."""
        self.counts()
        return of_our_run(sent, self._arrivals, stand_ins.calls(self._notes))

    def complaint(self) -> str | None:
        """As in Working."""
        return None if self._run.command.process.poll() is None else self._run.command.log[-4000:]


class Program:
    """The program of `benchmarks.side_by_side` at work."""

    def __init__(self, run: Run, names: Sequence[str]) -> None:
        self._run = run
        self._names = names

    def counts(self) -> Mapping[str, int]:
        """As in Working."""
        return _count(self._names[arrival.source] for arrival in self._run.arrivals())

    def frames(self, sent: Sent) -> list[Frame]:
        """As in Working."""
        return of_program(sent, self._run.arrivals(), self._names)

    def complaint(self) -> str | None:
        """As in Working."""
        return self._run.log[-4000:] if self._run.has_exited else None


class Bare:
    """`bare_program.py` at work."""

    def __init__(self, process: subprocess.Popen[bytes], notes: Path) -> None:
        self._process = process
        self._notes = notes

    def counts(self) -> Mapping[str, int]:
        """As in Working."""
        return _count(frame.camera for frame in self._read())

    def frames(self, sent: Sent) -> list[Frame]:
        """As in Working, but nothing is known of the way before `captured`: nobody reads the pictures' numbers."""
        return self._read()

    def complaint(self) -> str | None:
        """As in Working."""
        return None if self._process.poll() is None else f"bare_program.py has ended with {self._process.returncode}"

    def _read(self) -> list[Frame]:
        whole = self._notes.read_bytes() if self._notes.exists() else b""
        rows = [line.split() for line in whole[: whole.rfind(b"\n") + 1].decode().splitlines()]
        return [
            Frame(camera, int(captured), int(arrived), int(captured), int(decoded), int(passed), int(passed))
            for camera, captured, decoded, passed, arrived in rows
        ]


@contextmanager
def bare(addresses: Mapping[str, str], seconds: float) -> Iterator[Working]:
    """Starts `bare_program.py`; a Start."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.txt"
        words = [word for pair in addresses.items() for word in pair]
        with subprocess.Popen(
            [sys.executable, Path(__file__).with_name("bare_program.py"), notes, *words], start_new_session=True
        ) as process:
            try:
                yield Bare(process, notes)
            finally:
                with suppress(ProcessLookupError):  # all of it has ended by itself
                    os.killpg(process.pid, signal.SIGKILL)


def command(**batching: Any) -> Start:
    """Starts `mpipeline run`, with these keys of `batching`."""

    @contextmanager
    def start(addresses: Mapping[str, str], seconds: float) -> Iterator[Working]:
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder) / "calls.txt"
            given = {stand_ins.NOTES: str(notes), stand_ins.PER_FRAME_S: str(seconds)}
            config = {"model": {"target": "stand_ins:Noted"}, "batching": batching}
            with cameras.live_run(addresses, 0, environment=given, **config) as run:
                yield Command(run, notes)
                run.finish()

    return start


def program(side: Side) -> Start:
    """Starts the program on this side."""

    @contextmanager
    def start(addresses: Mapping[str, str], seconds: float) -> Iterator[Working]:
        with running(side, Task(list(addresses.values()), logic="number", frame_s=seconds)) as run:
            yield Program(run, list(addresses))

    return start


@dataclass(frozen=True)
class Window:
    """A stretch of time in which frames arrive, in seconds of the monotonic clock."""

    begin_s: float
    end_s: float

    def of(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those that have arrived in it."""
        return [frame for frame in frames if self.begin_s <= frame.arrived / 1e9 < self.end_s]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.begin_s


def let_flow(working: Working, names: Sequence[str], settle_s: float) -> None:
    """Waits until each camera has brought some frames, and a while longer."""
    deadline = time.monotonic() + _START_S
    while min(working.counts().get(name, 0) for name in names) < _FLOWING:
        told = working.complaint()
        if told is not None or time.monotonic() > deadline:
            raise SystemExit(f"the cameras do not flow: {working.counts()}\n{told or ''}")
        time.sleep(_POLL_S)
    time.sleep(settle_s)


def watch(seconds: float) -> Window:
    """Lets so much time go by."""
    begin = time.monotonic()
    time.sleep(seconds)
    return Window(begin, time.monotonic())


def _count(names: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
