"""One run of the program on one side: its notes while it runs, and what it took of the machine."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks import processes
from benchmarks.side_by_side.sides import Side

_PROGRAM = Path(__file__).with_name("program.py")
_POLL_S = 0.02
_SAMPLE_S = 0.1


@dataclass(frozen=True)
class Task:
    """What the program is to do; `program.py` reads these fields.

    `logic` is what the callable does, after `logic_s` seconds a batch and `frame_s` a frame; the sink takes `sink_s` a
    call. `raise_at`,
    `terminate_at`: at so many frames the callable raises, or the sink ends the pipeline; `short_every`: how often the
    callable returns one result too few; 0: never. `starts`: how often `start` is called.
    """

    references: Sequence[str]
    logic: str = "nothing"
    model: str = ""
    logic_s: float = 0.0
    frame_s: float = 0.0
    sink_s: float = 0.0
    raise_at: int = 0
    short_every: int = 0
    terminate_at: int = 0
    starts: int = 1
    events: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


class Arrival(NamedTuple):
    """A prediction at the sink; `at_s` is monotonic, `age_s` by the frame's time stamp."""

    source: int
    frame_id: int
    at_s: float
    age_s: float
    value: Any


class Usage(NamedTuple):
    """What a whole process tree took. `memory_mib` is the largest sum of proportional set sizes; 0: not sampled."""

    cpu_s: float
    memory_mib: float


class Run:
    """The program at work. Use `running`."""

    def __init__(self, process: subprocess.Popen[bytes], notes: Path, log: Path) -> None:
        self.begun_s = time.monotonic()
        self.exit_code: int | None = None
        self.cpu_s = 0.0
        self.ended_s = 0.0
        self.memory: list[tuple[float, float]] = []  # seconds, MiB
        self._process = process
        self._notes = notes
        self._log = log

    @property
    def log(self) -> str:
        """What the program has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def notes(self) -> list[list[Any]]:
        """All notes up to now."""
        data = self._notes.read_bytes() if self._notes.exists() else b""
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    def arrivals(self) -> list[Arrival]:
        """The predictions up to now."""
        return [Arrival(*note[1:]) for note in self.notes() if note[0] == "prediction"]

    def moments(self, what: str) -> list[list[Any]]:
        """The notes of this kind, each as [monotonic seconds, details ...]."""
        return [note[1:] for note in self.notes() if note[0] == what]

    @property
    def has_exited(self) -> bool:
        """Whether the program has ended by itself. Of all its tree is then known how much processor time it took."""
        if self.exit_code is None:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._note_end(status, usage)
        return self.exit_code is not None

    def wait(self, seconds: float, until: Callable[[], bool] | None = None, sampled: bool = False) -> bool:
        """Waits for the end, or until something holds. False: it took too long. `sampled`: with figures of memory."""
        deadline = time.monotonic() + seconds
        sample_s = 0.0
        while not self.has_exited:
            now = time.monotonic()
            if until is not None and until():
                return True
            if now >= deadline:
                return False
            if sampled and now >= sample_s:
                self.memory.append((now, processes.memory_mib(self.root)))
                sample_s = now + _SAMPLE_S
            time.sleep(_POLL_S)
        return until is None or until()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    @property
    def root(self) -> psutil.Process:
        """The program's process, from which `benchmarks.processes` tells what its tree takes."""
        return psutil.Process(self._process.pid)

    def usage(self) -> Usage:
        """Of a run that has ended."""
        return Usage(self.cpu_s, max((mib for _, mib in self.memory), default=0.0))

    def end(self) -> None:
        """Kills what still runs, workers included."""
        if not self.has_exited:
            processes.end_tree(self._process.pid)
            _, status, usage = os.wait4(self._process.pid, 0)
            self._note_end(status, usage)
        self._process.returncode = self.exit_code

    def _note_end(self, status: int, usage: resource.struct_rusage) -> None:
        self.ended_s = time.monotonic()
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime


@contextmanager
def running(side: Side, task: Task) -> Iterator[Run]:
    """Starts the program in a folder of its own; kills it at the end if it has not ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps(asdict(task)), encoding="utf-8")
        command = [str(side.python), str(_PROGRAM), side.name, "task.json", "notes"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        run = Run(process, folder / "notes", folder / "log")
        try:
            yield run
        finally:
            run.end()
