"""What it costs to carry frames: a model that does nothing, 1080p H.264 files, a sink that counts.

    python -m benchmarks.transport --json transport.json --charts charts

Beside `mpipeline run` and `InferencePipeline` stand the rival's pipeline, bare decoders, and the same decoded frames
sent to another process through `multiprocessing.Queue` and through ZeroMQ. With several sources each file has a
process of its own here and in all bare programs. All read the same files, which are one recording repeated without
encoding anew, and every run must give all their frames.

Every figure is of the whole process tree, seen from outside. Each contender runs twice in a row, over short files and
over long ones, and what the long run takes more is divided by the frames that it has more: that leaves out
start-up, in time and in processor time alike. "with start-up" is the long run's processor time over all its frames.
Memory is the largest sum of proportional set sizes (what processes share counts once), sampled ten times a second in
one long run of its own. Contenders take turns, in changing order; each figure is the median of the repetitions with
the least and the largest, each ratio is of two runs of the same repetition. The limit, bare PyAV, sets its
decoder's threads as mpipeline does for files: `thread_type` AUTO, each file's share of the cores, at most four.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from support import media

from benchmarks import machine, report, rivals, samples, videos
from benchmarks.samples import Rounds
from benchmarks.transport.contenders import FRAMES, OURS, PYAV, RIVAL, RUN, Contender, contenders

_SHORT = 20  # frames of each source in the run that is taken off
_MADE = media.VideoSpec(width=1920, height=1080, frames=60, rate=30, gop=30)
_LIMIT_GOAL, _RIVAL_GOAL = 0.9, 1.4


def key(name: str, sources: int) -> str:
    """Under which a contender's figures stand in a repetition."""
    return f"{name}, {_counted(sources)}"


def measure(contender: Contender, video: Path, sources: int, frames: int) -> dict[str, float]:
    """The short run and the long one, which has `frames` more in all."""
    more = int(frames * contender.part) // sources
    short = contender.run([videos.of_length(video, _SHORT)] * sources, _SHORT * sources)
    length = (_SHORT + more) * sources
    long = contender.run([videos.of_length(video, _SHORT + more)] * sources, length)
    return {
        "frames_per_s": more * sources / (long.wall_s - short.wall_s),
        "cpu_ms": 1000 * (long.cpu_s - short.cpu_s) / (more * sources),
        "cpu_ms_with_start": 1000 * long.cpu_s / length,
        "start_s": short.wall_s,
        "start_cpu_s": short.cpu_s,
        "others_cores": long.others_cores,
    }


def memory(contender: Contender, video: Path, sources: int, frames: int) -> float:
    """The peak of a run of its own, MiB."""
    length = _SHORT + int(frames * contender.part) // sources
    print(f"memory: {key(contender.name, sources)}", file=sys.stderr, flush=True)
    return contender.run([videos.of_length(video, length)] * sources, length * sources, sampled=True).memory_mib


def table(sources: int, names: Sequence[str], rounds: Rounds, memories: Mapping[str, float]) -> report.Table:
    """All contenders with one number of sources."""

    def row(name: str) -> list[object]:
        def median(figure: str, form: str) -> str:
            return samples.spread(samples.values(rounds, key(name, sources), figure)).text(form)

        limit = samples.ratios(rounds, "cpu_ms", key(PYAV, sources), key(name, sources)).text() if PYAV in names else ""
        return [
            name,
            median("frames_per_s", "{:.0f}"),
            median("cpu_ms", "{:.2f}"),
            limit,
            median("cpu_ms_with_start", "{:.2f}"),
            median("start_cpu_s", "{:.2f}"),
            f"{memories[key(name, sources)]:.0f}" if memories else "",
        ]

    heads = ["", "frames/s", "CPU ms a frame", "of the limit", "with start-up", "start-up, CPU s", "memory, MiB"]
    text = f"`of the limit`: frames per processor second, as a share of what bare {PYAV} gives."
    return report.Table(_counted(sources), heads, [row(name) for name in names], text)


def goals(numbers: Sequence[int], names: Sequence[str], rounds: Rounds) -> report.Table:
    """What is wanted, and what came out."""
    rows = []
    for sources in numbers:
        for name in (RUN, FRAMES, OURS):
            for goal, other in ((_LIMIT_GOAL, PYAV), (_RIVAL_GOAL, RIVAL)):
                if name in names and other in names:
                    ratio = samples.ratios(rounds, "cpu_ms", key(other, sources), key(name, sources))
                    reached = "yes" if ratio.median >= goal else "no"
                    rows.append([sources, f"{name} / {other}", f"at least {goal}", ratio.text(), reached])
    heads = ["sources", "ratio", "goal", "measured", "reached"]
    return report.Table("Frames per processor second", heads, rows, samples.others(rounds))


def charts(numbers: Sequence[int], names: Sequence[str], rounds: Rounds) -> list[report.Chart]:
    """Processor time and speed."""

    def chart(name: str, what: str, unit: str, figure: str) -> report.Chart:
        series = {
            each: [samples.spread(samples.values(rounds, key(each, sources), figure)).median for sources in numbers]
            for each in names
        }
        title = f"1080p H.264 files to a sink, a model that does nothing: {what}"
        return report.Chart(f"transport-{name}", title, unit, [_counted(sources) for sources in numbers], series)

    return [
        chart("cpu", "processor time", "CPU ms a frame", "cpu_ms"),
        chart("speed", "speed", "frames/s", "frames_per_s"),
    ]


def _counted(sources: int) -> str:
    return f"{sources} source{'s' if sources > 1 else ''}"


def chosen(arguments: argparse.Namespace) -> list[Contender]:
    """The contenders that are asked for; the rival only if it can be had."""
    try:
        rival = rivals.streamvision(arguments.rival_python)
    except rivals.NotToBeHad as error:
        print(f"left out: {RIVAL}: {error}", file=sys.stderr)
        rival = None
    return [each for each in contenders(rival) if any(word in each.name for word in arguments.only.split(","))]


def measured(arguments: argparse.Namespace) -> report.Report:
    """Everything."""
    result = report.Report("transport", "Transport", report.command("transport"))
    video = machine.recorded("derived/retail_1080p30_h264.mp4") or media.video(_MADE)
    among = chosen(arguments)
    if not among:
        raise SystemExit(f"no contender has one of the words {arguments.only!r} in its name")
    result.tables.append(report.Table("Contenders", ["", ""], [[each.name, each.text] for each in among]))
    names, numbers, frames = [each.name for each in among], arguments.sources, arguments.frames
    turns = {
        key(each.name, sources): partial(measure, each, video, sources, frames) for sources in numbers for each in among
    }
    rounds = samples.take_turns(turns, arguments.repetitions, minutes=arguments.minutes)
    memories = {}
    if not arguments.quick:
        memories = {
            key(each.name, sources): memory(each, video, sources, frames // 3) for sources in numbers for each in among
        }
    result.tables += [table(sources, names, rounds, memories) for sources in numbers]
    result.tables.append(goals(numbers, names, rounds))
    result.charts = charts(numbers, names, rounds)
    result.data = {"rounds": rounds, "memory_mib": memories}
    result.about = machine.about(video=video.name, frames=frames)
    return result


def main() -> None:
    """Measures and tells."""
    parser = report.parser(__doc__, 3, 8)
    parser.add_argument("--sources", type=report.numbers, help="by commas (default: 1,2,4,8; with --quick 1,4)")
    parser.add_argument("--frames", type=report.count, default=900, help="more in the long run, in all (default: 900)")
    parser.add_argument("--only", default="", metavar="WORDS", help="contenders whose names have one of these words")
    parser.add_argument("--quick", action="store_true", help="one repetition, no memory")
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    arguments = parser.parse_args()
    arguments.sources = arguments.sources or ([1, 4] if arguments.quick else [1, 2, 4, 8])
    if arguments.quick:
        arguments.repetitions = 1
    report.finish(measured(arguments), arguments)


if __name__ == "__main__":
    main()
