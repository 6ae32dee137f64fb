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
decoder's threads as mpipeline does for a file: `thread_type` AUTO, as many as there are cores, at most four.
"""

from __future__ import annotations

import argparse
import shlex
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


def measure(contender: Contender, files: tuple[Path, Path], sources: int, frames: int) -> dict[str, float]:
    """The short run and the long one, which has `frames` more in all."""
    short = contender.run([files[0]] * sources, _SHORT * sources)
    length = _SHORT * sources + frames
    long = contender.run([files[1]] * sources, length)
    return {
        "frames_per_s": frames / (long.wall_s - short.wall_s),
        "cpu_ms": 1000 * (long.cpu_s - short.cpu_s) / frames,
        "cpu_ms_with_start": 1000 * long.cpu_s / length,
        "start_s": short.wall_s,
        "start_cpu_s": short.cpu_s,
        "others_cores": long.others_cores,
    }


def table(sources: int, rounds: Rounds, memory: Mapping[str, float]) -> report.Table:
    """All contenders with one number of sources."""

    def row(name: str) -> list[object]:
        def median(figure: str, form: str) -> str:
            return samples.spread(samples.values(rounds, name, figure)).text(form)

        return [
            name,
            median("frames_per_s", "{:.0f}"),
            median("cpu_ms", "{:.2f}"),
            samples.ratios(rounds, "cpu_ms", PYAV, name).text(),
            median("cpu_ms_with_start", "{:.2f}"),
            median("start_cpu_s", "{:.2f}"),
            f"{memory[name]:.0f}" if name in memory else "",
        ]

    heads = ["", "frames/s", "CPU ms a frame", "of the limit", "with start-up", "start-up, CPU s", "memory, MiB"]
    return report.Table(
        f"{sources} source{'s' if sources > 1 else ''}",
        heads,
        [row(name) for name in rounds[0]],
        f"`of the limit`: frames per processor second, as a share of what bare {PYAV} gives. {samples.others(rounds)}",
    )


def goals(found: Mapping[int, Rounds]) -> report.Table:
    """What is wanted, and what came out."""
    rows = []
    for sources, rounds in found.items():
        for name in (RUN, FRAMES, OURS):
            for goal, other in ((_LIMIT_GOAL, PYAV), (_RIVAL_GOAL, RIVAL)):
                if name in rounds[0] and other in rounds[0]:
                    ratio = samples.ratios(rounds, "cpu_ms", other, name)
                    reached = "yes" if ratio.median >= goal else "no"
                    rows.append([sources, f"{name} / {other}", f"at least {goal}", ratio.text(), reached])
    return report.Table("Frames per processor second", ["sources", "ratio", "goal", "measured", "reached"], rows)


def charts(found: Mapping[int, Rounds]) -> list[report.Chart]:
    """Processor time and speed."""

    def series(figure: str) -> dict[str, list[float | None]]:
        names = list(next(iter(found.values()))[0])
        return {
            name: [samples.spread(samples.values(rounds, name, figure)).median for rounds in found.values()]
            for name in names
        }

    categories = [f"{sources} source{'s' if sources > 1 else ''}" for sources in found]
    title = "1080p H.264 files to a sink, a model that does nothing"
    return [
        report.Chart("transport-cpu", f"{title}: processor time", "CPU ms a frame", categories, series("cpu_ms")),
        report.Chart("transport-speed", f"{title}: speed", "frames/s", categories, series("frames_per_s")),
    ]


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
    result = report.Report("transport", "Transport", "python -m benchmarks.transport")
    if len(sys.argv) > 1:
        result.command += " " + shlex.join(sys.argv[1:])
    video = machine.recorded("derived/retail_1080p30_h264.mp4") or media.video(_MADE)
    among = chosen(arguments)
    result.tables.append(report.Table("Contenders", ["", ""], [[each.name, each.text] for each in among]))
    found: dict[int, Rounds] = {}
    for sources in arguments.sources:
        frames = arguments.frames // sources * sources
        files = videos.of_length(video, _SHORT), videos.of_length(video, _SHORT + frames // sources)
        what = f"{sources} source{'s' if sources > 1 else ''}"
        turns = {each.name: partial(measure, each, files, sources, frames) for each in among}
        found[sources] = samples.take_turns(turns, arguments.repetitions, what)
        memory = {} if arguments.quick else memories(among, files[1], sources, _SHORT * sources + frames, what)
        result.tables.append(table(sources, found[sources], memory))
        result.data[what] = {"rounds": found[sources], "memory_mib": memory}
    result.tables.append(goals(found))
    result.charts = charts(found)
    result.about = machine.about(video=video.name, frames=arguments.frames)
    return result


def memories(among: Sequence[Contender], file: Path, sources: int, frames: int, what: str) -> dict[str, float]:
    """One run each."""
    found = {}
    for each in among:
        print(f"memory {what}: {each.name}", file=sys.stderr, flush=True)
        found[each.name] = each.run([file] * sources, frames, sampled=True).memory_mib
    return found


def main() -> None:
    """Measures and tells."""
    parser = report.parser(__doc__, 3)
    parser.add_argument("--sources", type=report.numbers, default=[1, 2, 4, 8], help="by commas (default: 1,2,4,8)")
    parser.add_argument("--frames", type=int, default=800, help="more frames in the long run, in all (default: 800)")
    parser.add_argument("--only", default="", metavar="WORDS", help="contenders whose names have one of these words")
    parser.add_argument("--quick", action="store_true", help="one repetition, 1 and 4 sources, no memory")
    parser.add_argument("--rival-python", type=Path, metavar="PATH", help="a Python that has streamvision installed")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repetitions, arguments.sources = 1, [1, 4]
    report.finish(measured(arguments), arguments)


if __name__ == "__main__":
    main()
