"""Whether memory grows: with a sink that is too slow for a minute, and over as many frames as a camera sends in a day.

    python -m benchmarks.memory --json memory.json --charts .

Slow sink: a file and a camera of 720p, and a sink that takes 50 ms (of the camera: twice the time between two of its
frames). `mpipeline run` hands it the pixels, and both sides of `InferencePipeline` do. The rival is watched for a few
seconds only, for the sake of the machine.

Memory is the sum of the proportional set sizes of the whole process tree, rings included, looked at twice a second.
Pages of files, such as code, are left out: what a process pays for them changes with whatever else on the machine maps
them. Growth is the slope of a straight line through all samples behind the first quarter.

A day: synthetic sources of small grey pictures as fast as they go through the whole pipeline, 432,000 frames by
default, which is what a camera of 5 frames/s sends in 24 hours. Growth is the slope over the frames that came to the
sink, of each process, for a million frames.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
from support.rtsp_program import RtspProgram

from benchmarks import cameras, machine, processes, report
from benchmarks.cameras import LiveRun
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import percentile
from benchmarks.side_by_side import sides
from benchmarks.side_by_side.runs import Run, Task, running
from benchmarks.side_by_side.sides import Side
from benchmarks.videos import repeated

_SLOW_S = 0.05
_TWICE_S = 2 / 15
_SAMPLE_S = 0.5
_START_S = 90.0
_SOURCES = 4
_SLOTS = 64
_PICTURE = 32  # pixels wide and high
Samples = list[tuple[float, float]]  # seconds or frames, MiB


def watched(root: psutil.Process, seconds: float, complaint: Callable[[], str | None]) -> Samples:
    """The memory of a process tree for so long."""
    begun, samples = time.monotonic(), []
    while (now := time.monotonic() - begun) < seconds:
        told = complaint()
        if told is not None:
            raise SystemExit(f"it has ended after {now:.0f} s:\n{told}")
        samples.append((now, sum(processes.own_mib(process.pid) for process in processes.tree(root))))
        time.sleep(_SAMPLE_S)
    return samples


def command_slow(source: dict[str, Any], pause_s: float, seconds: float) -> Samples:
    """`mpipeline run` over this source, with the slow sink."""
    sink = {"name": "slow", "kind": "python", "target": "stand_ins:SlowSink", "options": {"seconds": pause_s}}
    with cameras.own_run({"sources": [source], "model": {"target": "stand_ins:Nothing"}, "sinks": [sink]}) as run:
        _await_first(run)
        samples = watched(psutil.Process(run.command.pid), seconds, lambda: _complaint(run))
        run.finish()
    return samples


def program_slow(side: Side, reference: str, pause_s: float, seconds: float) -> Samples:
    """The same by the program of `benchmarks.side_by_side`."""
    with running(side, Task([reference], logic="pixels", sink_s=pause_s)) as run:
        if not run.wait(_START_S, until=lambda: bool(run.arrivals())):
            raise SystemExit(f"no frames:\n{run.log[-4000:]}")
        return watched(run.root, seconds, lambda: _ended(run))


def slow(arguments: argparse.Namespace) -> dict[str, Samples]:
    """All contenders with the slow sink, one after the other."""
    # Long enough not to end meanwhile, at 20 frames/s.
    video = repeated(cameras.video(), max(4, round(arguments.seconds / 10)))
    found: dict[str, Samples] = {}
    with _camera() as address:
        runs: dict[str, Callable[[], Samples]] = {
            "mpipeline run, file": lambda: command_slow({"uri": str(video)}, _SLOW_S, arguments.seconds),
            "mpipeline run, camera": lambda: command_slow({"uri": address}, _TWICE_S, arguments.seconds),
            "InferencePipeline, file": lambda: program_slow(sides.ours(), str(video), _SLOW_S, arguments.seconds),
            "InferencePipeline, camera": lambda: program_slow(sides.ours(), address, _TWICE_S, arguments.seconds),
        }
        if (rival := sides.rival(arguments)) is not None:
            runs["streamvision, file"] = lambda: program_slow(rival, str(video), _SLOW_S, arguments.rival_seconds)
            runs["streamvision, camera"] = lambda: program_slow(rival, address, _TWICE_S, arguments.rival_seconds)
        for name, run in runs.items():
            report.progress(f"slow sink: {name}")
            found[name] = run()
    return found


def day(frames: int, most_s: float) -> tuple[dict[str, Samples], float, float]:
    """Samples by process over frames, seconds that it took, and the segments in MiB."""
    each = {"kind": "synthetic", "width": _PICTURE, "height": _PICTURE, "pixel_format": "gray8", "shapes": 0}
    sources = [{"name": f"source{n}", "slots": _SLOTS, "count": frames // _SOURCES, **each} for n in range(_SOURCES)]
    samples: dict[str, Samples] = {}
    with cameras.own_run({"sources": sources, "model": {"target": "stand_ins:Nothing"}}) as run:
        count, begun = _await_first(run), time.monotonic()
        workers, shared = run.processes(), run.shared_bytes() / (1 << 20)
        # Behind the last whole percent the sources end one by one.
        while count < 0.99 * frames and time.monotonic() - begun < most_s:
            if (told := _complaint(run)) is not None:
                raise SystemExit(f"it has ended after {count} frames:\n{told}")
            for name, process in workers.items():
                samples.setdefault(name, []).append((float(count), processes.own_mib(process.pid)))
            time.sleep(1.0)
            count += len(run.arrivals.fresh())
        lasted = time.monotonic() - begun
        run.finish()
    return samples, lasted, shared


def growth(samples: Samples) -> float:
    """The slope behind the first quarter, per unit of the first of each pair."""
    late = [sample for sample in samples if sample[0] >= samples[-1][0] / 4]
    return statistics.linear_regression(*zip(*late, strict=True)).slope if len(late) > 2 else 0.0


@contextmanager
def _camera() -> Iterator[str]:
    with RtspProgram({"camera": [cameras.video()]}) as server:
        yield server.url("camera")


def _await_first(run: LiveRun) -> int:
    deadline = time.monotonic() + _START_S
    while not (count := len(run.arrivals.fresh())):
        if (told := _complaint(run)) is not None or time.monotonic() > deadline:
            raise SystemExit(f"no frames:\n{told or run.command.log[-4000:]}")
        time.sleep(0.05)
    return count


def _complaint(run: LiveRun) -> str | None:
    return None if run.command.process.poll() is None else run.command.log[-4000:]


def _ended(run: Run) -> str | None:
    return run.log[-4000:] if run.has_exited else None


def slow_table(found: dict[str, Samples]) -> Table:
    """Of the slow sink."""
    rows = []
    for name, samples in found.items():
        seconds = samples[-1][0]
        part = max(1, len(samples) // 10)
        first, last = (statistics.mean(mib for _, mib in some) for some in (samples[:part], samples[-part:]))
        rows.append([name, f"{seconds:.0f}", f"{first:.0f}", f"{last:.0f}", f"{last - first:+.1f}"])
        rows[-1].append(f"{60 * growth(samples):+.1f}")
    heads = ("contender", "seconds", "MiB at first", "MiB at last", "difference", "growth, MiB a minute")
    text = '"At first" and "at last" are means of a tenth of the time; the first has the start still in it.'
    return Table("A sink that is too slow", heads, rows, text)


def day_table(samples: dict[str, Samples], seconds: float, shared: float) -> Table:
    """Of the day."""
    count = next(iter(samples.values()))[-1][0]
    rows = [
        [name, f"{percentile([mib for _, mib in each], 0.25):.1f}", f"{each[-1][1]:.1f}", f"{1e6 * growth(each):+.2f}"]
        for name, each in samples.items()
    ]
    heads = ("process", "MiB, first quartile", "MiB at the end", "growth, MiB for a million frames")
    text = (
        f"{count:,.0f} frames of {_SOURCES} sources in {seconds:.0f} s ({count / seconds:,.0f} frames/s), each "
        f"{_PICTURE}x{_PICTURE} grey; rings {shared:.1f} MiB. A day of one camera at 5 frames/s is 432,000."
    )
    return Table("Many frames", heads, rows, text)


def charts(found: dict[str, Samples], many: dict[str, Samples]) -> list[Chart]:
    """Memory over time, and over frames."""
    seconds = list(range(0, 1 + int(max(samples[-1][0] for samples in found.values()))))
    made = []
    if found:
        over_time = {name: [_at(samples, second) for second in seconds] for name, samples in found.items()}
        made.append(Chart("memory_slow", "A sink that is too slow", "MiB", seconds, over_time, "lines", "seconds"))
    if many:
        frames = [count for count, _ in next(iter(many.values()))]
        over_frames = {name: [mib for _, mib in each] for name, each in many.items()}
        made.append(Chart("memory_day", "Many frames", "MiB", frames, over_frames, "lines", "frames"))
    return made


def _at(samples: Sequence[tuple[float, float]], second: float) -> float | None:
    later = [mib for moment, mib in samples if moment >= second]
    return later[0] if later else None


def main() -> None:
    """Measures, prints, saves."""
    parser = report.parser(__doc__, None, None)
    parser.add_argument("--seconds", type=float, default=60, help="with the slow sink (default: 60)")
    parser.add_argument("--rival-seconds", type=float, default=8, help="the same, of the rival (default: 8)")
    parser.add_argument("--frames", type=report.count, default=432_000, help="of the many (default: 432000)")
    parser.add_argument("--most", type=float, default=240, help="seconds that they may take (default: 240)")
    parser.add_argument("--without-rival", action="store_true", help="only mpipeline")
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    arguments = parser.parse_args()
    made = Report("memory", "Memory", report.command("memory"), machine.about(video=cameras.video().name))
    found = slow(arguments) if arguments.seconds else {}
    if found:
        made.tables.append(slow_table(found))
    report.progress("many frames")
    many, lasted, shared = day(arguments.frames, arguments.most)
    made.tables.append(day_table(many, lasted, shared))
    made.charts += charts(found, many)
    made.data |= {"slow": found, "many": many}
    report.finish(made, arguments)


if __name__ == "__main__":
    main()
