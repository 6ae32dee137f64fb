"""What the benchmarks of live streams share: video and model, a run over cameras, figures of its processes."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from support import media
from support.command import Command, Workplace

from benchmarks import ROOT, machine
from benchmarks.arrivals import Reader

_OWN = media.VideoSpec(width=1280, height=720, frames=150, rate=15, gop=15)
_MIB = 1 << 20


def video() -> Path:
    """The 720p15 video of the test data, or one made here."""
    return machine.recorded("derived/retail_720p15_h264.mp4") or media.video(_OWN)


def model() -> dict[str, Any]:
    """The light detector of the test data, or a stand-in that reads every pixel."""
    if (path := machine.model("light_person_detector.onnx")) is not None:
        return {"path": str(path), "family": "yolox", "names": ["person"]}
    return {"target": "support.detectors:Fingerprint"}


class LiveRun:
    """A run of the real command over cameras, into a sink that notes when predictions arrive. `root`: its run root."""

    def __init__(self, command: Command, notes: Path, root: Path) -> None:
        self.command = command
        self.root = root
        self.arrivals = Reader(notes)

    def processes(self) -> dict[str, psutil.Process]:
        """The supervisor, its fork server and the workers by name."""
        found = {"supervisor": psutil.Process(self.command.pid)}
        for process in found["supervisor"].children():
            if "fork-server" in process.cmdline():
                found["fork server"] = process
        for process in self.command.workers():
            line = process.cmdline()
            found[line[line.index("--name") + 1]] = process
        return found

    def shared_bytes(self) -> int:
        """What the run's segments take in /dev/shm."""
        return sum((Path("/dev/shm") / name).stat().st_blocks * 512 for name in self.command.segments())

    def finish(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.command.signal(2)
        return self.command.wait()


@contextmanager
def live_run(
    addresses: Mapping[str, str],
    max_fps: float,
    *,
    environment: Mapping[str, str] | None = None,
    **config: Any,
) -> Iterator[LiveRun]:
    """Runs over these addresses (name → address), thinned to `max_fps` frames a second each; 0: as they come.

    `config`: further keys of the config; without `model` it is the usual one. What is still running at the end is
    killed.
    """
    limit = {"max_fps": max_fps} if max_fps else {}
    sources = [
        {"name": name, "uri": uri, "read_timeout": 2, "key_frame_timeout": 4, **limit}
        for name, uri in addresses.items()
    ]
    with own_run({"sources": sources, "model": model(), **config}, environment) as run:
        yield run


@contextmanager
def own_run(config: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Iterator[LiveRun]:
    """Runs the config with a sink more, which notes when predictions arrive."""
    with tempfile.TemporaryDirectory() as folder, Workplace(Path(folder)) as place:
        notes = place.folder / "arrivals.txt"
        sink = {"name": "notes", "kind": "python", "target": "arrivals:Notes", "options": {"path": str(notes)}}
        place.write("run.yaml", {**config, "sinks": [*config.get("sinks", []), sink]})
        paths = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT / "tests")])
        given = {"PYTHONPATH": paths, **(environment or {})}
        yield LiveRun(place.start("run", "run.yaml", "--json", environment=given), notes, place.run_root)


@dataclass(frozen=True)
class Usage:
    """What one process holds. MiB of memory in RAM, and of that what is its own; descriptors; threads."""

    rss: float
    rss_anon: float
    descriptors: int
    threads: int


def usage(process: psutil.Process) -> Usage | None:
    """The figures of this moment; None if it has ended."""
    try:
        with process.oneshot():
            status = Path(f"/proc/{process.pid}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines())
            anonymous = int(fields["RssAnon"].split()[0]) / 1024
            return Usage(process.memory_info().rss / _MIB, anonymous, process.num_fds(), process.num_threads())
    except (psutil.Error, OSError, KeyError):
        return None


def as_fields(usage: Usage) -> dict[str, float]:
    """The figures by name."""
    return asdict(usage)


def about() -> dict[str, Any]:
    """Where and with what was measured."""
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "video": video().name,
        "model": Path(str(model().get("path", model().get("target")))).name,
    }


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of equal width, the first to the left, the others to the right."""
    texts = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [list(heads), *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]

    def line(row: list[str]) -> str:
        return "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join(map(line, texts))


def save(path: Path | None, result: Mapping[str, Any]) -> None:
    """Writes the result as JSON, if a path is given."""
    if path is not None:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def keep_log(path: Path | None, run: LiveRun) -> None:
    """Writes the log of a run, if a path is given."""
    if path is not None:
        path.write_text(run.command.log, encoding="utf-8")
