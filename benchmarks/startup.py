"""How long one waits: for imports, commands, the first prediction, and an installation from nothing.

    python -m benchmarks.startup --json startup.json --charts .

Commands are started anew each time, in turns, with warm file caches; seconds are those on the clock, and processor time
that of the command with everything that it started. "First prediction" is from the start of the command, or of the
program, until the first prediction of a 720p file is at the sink; the model does nothing, so none of it is the loading
of a model. With the detector it is; what ONNX Runtime alone takes to be imported and to load that file stands beside.

The installation goes into a new virtual environment, with pip's cache as it stands: what it takes on a clean machine is
the download of as many megabytes more.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml

from benchmarks import ROOT, cameras, machine, processes, report, rivals
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import Rounds, spread, take_turns, values
from benchmarks.side_by_side import sides
from benchmarks.side_by_side.runs import Task, running
from benchmarks.side_by_side.sides import Side

_LIMIT_S = 60.0
_POLL_S = 0.002
_ATTACHED = """
import sys, time
begun = time.monotonic()
from pathlib import Path
from mpipeline import attach
with attach("measured", root=Path(sys.argv[1])) as run:
    next(iter(run))
    print(time.monotonic() - begun)
"""
_LOADED = """
import sys, time
begun = time.monotonic()
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(time.monotonic() - begun)
"""
_GOALS = {"mpipeline --help": 0.3, "mpipeline run, first prediction": 1.5}
Figures = dict[str, float]


def command(*words: str, python: Path = Path(sys.executable)) -> Callable[[], Figures]:
    """Measures a Python command line."""

    def run() -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            usage = processes.timed([str(python), *words], Path(folder))
        return {"s": usage.wall_s, "cpu_s": usage.cpu_s}

    return run


def first_of_command(model: dict[str, object]) -> Callable[[], Figures]:
    """`mpipeline run` over a file, until the first prediction is at the sink."""

    def run() -> Figures:
        begun = time.monotonic()
        with cameras.own_run({"sources": [{"uri": str(cameras.video())}], "model": model}) as made:
            while not (arrivals := made.arrivals.fresh()):
                if made.command.process.poll() is not None or time.monotonic() - begun > _LIMIT_S:
                    raise SystemExit(f"no prediction:\n{made.command.log[-4000:]}")
                time.sleep(_POLL_S)
            cpu_s = processes.cpu_s(psutil.Process(made.command.pid))
            made.finish()
        return {"s": arrivals[0].arrived_ns / 1e9 - begun, "cpu_s": cpu_s}

    return run


def first_of_program(side: Side, logic: str, model: str = "") -> Callable[[], Figures]:
    """The same program on either side, until its first prediction."""

    def run() -> Figures:
        with running(side, Task([str(cameras.video())], logic=logic, model=model)) as made:
            if not made.wait(_LIMIT_S, until=lambda: bool(made.arrivals())):
                raise SystemExit(f"no prediction:\n{made.log[-4000:]}")
            return {"s": made.arrivals()[0].at_s - made.begun_s, "cpu_s": processes.cpu_s(made.root)}

    return run


def told(program: str, *words: str) -> Callable[[], Figures]:
    """A program of our own that prints seconds."""

    def run() -> Figures:
        begun = [sys.executable, "-c", program, *words]
        return {"s": float(subprocess.run(begun, check=True, capture_output=True, text=True, cwd="/").stdout)}

    return run


def attaching(repetitions: int) -> Rounds:
    """A program that joins a run with a live source, from its first line to its first prediction."""
    source = {"kind": "synthetic", "width": 1280, "height": 720, "rate": 15, "realtime": True}
    config = {"name": "measured", "sources": [source], "model": {"target": "stand_ins:Nothing"}}
    with cameras.own_run(config) as run:
        while not run.arrivals.fresh():
            time.sleep(_POLL_S)
        rounds = take_turns({"attach": told(_ATTACHED, str(run.root))}, repetitions)
        run.finish()
    return rounds


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[Rounds, Rounds]:
    """Everything but the installation: in turns, and the attached program by itself."""
    check = folder / "check.yaml"
    detector = machine.model("light_person_detector.onnx")
    given = cameras.model() if detector is not None else {"target": "stand_ins:Nothing"}
    config = {"sources": [{"uri": str(cameras.video())}], "model": given, "sinks": [{"kind": "jsonl", "path": "out"}]}
    check.write_text(yaml.safe_dump(config), encoding="utf-8")
    ours = sides.ours()
    contenders = {
        "python -c pass": command("-c", "pass"),
        "import mpipeline": command("-c", "import mpipeline"),
        "from mpipeline import InferencePipeline": command("-c", "from mpipeline import InferencePipeline"),
        "mpipeline --help": command("-m", "mpipeline", "--help"),
        "mpipeline run --help": command("-m", "mpipeline", "run", "--help"),
        "mpipeline check": command("-m", "mpipeline", "check", str(check)),
        "mpipeline run, first prediction": first_of_command({"target": "stand_ins:Nothing"}),
        "InferencePipeline, first prediction": first_of_program(ours, "nothing"),
    }
    if detector is not None:
        contenders["ONNX Runtime, import and load the detector"] = told(_LOADED, str(detector))
        contenders["mpipeline run, detector, first prediction"] = first_of_command(cameras.model())
    if (rival := sides.rival(arguments)) is not None:
        imported = "from streamvision.stream.pipeline import InferencePipeline"
        contenders["streamvision: import InferencePipeline"] = command("-c", imported, python=rival.python)
        contenders["streamvision, first prediction"] = first_of_program(rival, "nothing")
    rounds = take_turns(contenders, arguments.repetitions, minutes=arguments.minutes)
    return rounds, attaching(len(rounds))


def install(packages: list[str]) -> dict[str, object]:
    """A new environment with these requirements: seconds, megabytes, and the largest parts of it.

    Raises NotToBeHad.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        made = time.monotonic() - begun
        empty = _size(Path(folder))
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        done = subprocess.run(pip, check=False, capture_output=True, text=True)
        if done.returncode:
            raise rivals.NotToBeHad(f"{' '.join(pip)}:\n{done.stderr[-4000:]}")
        seconds = time.monotonic() - begun
        [site] = Path(folder).glob("lib/python*/site-packages")
        sizes = {each.name: _size(each) for each in site.iterdir()}
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
        return {"s": seconds, "venv_s": made, "mb": _size(Path(folder)) - empty, "largest": dict(largest)}


def _size(path: Path) -> float:
    """What it takes on the disk, in MB."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(each.lstat().st_blocks * 512 for each in files if not each.is_dir()) / 1e6


def installations(arguments: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Ours and the rival's; what cannot be installed, as without a network, is left out."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        # A copy, so that nothing that was built before is found.
        source = Path(folder) / "source"
        ignored = shutil.ignore_patterns(".venv", "build", ".git", "dist", "out", "__pycache__")
        shutil.copytree(ROOT, source, ignore=ignored)
        wanted = {"mpipeline, compiled here": str(source)}
        if not arguments.without_rival:
            wanted["streamvision"] = "streamvision==0.1.4"
        for name, package in wanted.items():
            report.progress(f"installing {name}")
            try:
                found[name] = install([package])
            except rivals.NotToBeHad as error:
                report.progress(f"left out: {error}")
    return found


def waiting(rounds: Rounds, attached: Rounds) -> Table:
    """Everything that is waited for."""
    rows = []
    for taken, names in ((rounds, list(rounds[0])), (attached, list(attached[0]))):
        for name in names:
            cpu = spread(values(taken, name, "cpu_s")).text() if "cpu_s" in taken[0][name] else "-"
            rows.append([name, spread(values(taken, name, "s")).text(), cpu, _GOALS.get(name, "-")])
    text = '"attach" is from the first line of a program to its first prediction of a camera of 15 frames/s.'
    return Table("Start-up", ("", "seconds", "processor time, s", "goal, s"), rows, text)


def installed(found: dict[str, dict[str, object]]) -> Table:
    """What was installed."""
    rows = []
    for name, each in found.items():
        largest = each["largest"]
        assert isinstance(largest, dict)
        parts = ", ".join(f"{part} {size:.0f}" for part, size in largest.items())
        rows.append([name, f"{each['s']:.0f}", f"{each['mb']:.0f}", parts])
    return Table("Installation", ("", "seconds", "MB", "largest parts, MB"), rows)


def main() -> None:
    """Measures, prints, saves."""
    parser = report.parser(__doc__, repetitions=5)
    parser.add_argument("--without-installation", action="store_true", help="do not install anything")
    parser.add_argument("--without-rival", action="store_true", help="only mpipeline")
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    arguments = parser.parse_args()
    made = Report("startup", "Start-up", report.command("startup"), machine.about(video=cameras.video().name))
    with tempfile.TemporaryDirectory() as folder:
        rounds, attached = measure(arguments, Path(folder))
    made.tables.append(waiting(rounds, attached))
    made.data |= {"rounds": rounds, "attached": attached}
    if not arguments.without_installation:
        made.data["installations"] = installations(arguments)
        made.tables.append(installed(made.data["installations"]))
    seconds = [spread(values(rounds, name, "s")).median for name in rounds[0]]
    made.charts.append(Chart("startup", "Start-up", "s", list(rounds[0]), {"seconds": seconds}))
    report.finish(made, arguments)


if __name__ == "__main__":
    main()
