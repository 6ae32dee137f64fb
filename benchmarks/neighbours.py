"""What seven cameras notice while an eighth misbehaves: frame rate and latency, against calm phases of the same run.

    python -m benchmarks.neighbours --json neighbours.json

Calm phases and faults take turns; a calm phase begins when the faulty camera flows again. Latency is from
`captured_ns`, when the packet had arrived, to the sink's write, on the monotonic clock. `ratio` is a fault's figure
over the mean of the calm phases before and after it, `spread` the difference of these two over their mean, and `sigma`
the deviation in standard deviations of all calm phases: what lies within about 3 is noise. The fault `nothing` is none:
a control that shows what the comparison itself makes of calm (`--faults nothing,silent,nothing,junk`).

By default a phase is as long as the recording that every camera repeats, and every second frame of it is taken, so that
each phase sees the same pictures. With every third frame, key frames, which take longest, would be among them in
one repetition out of three only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import media
from support.rtsp_faults import DISTURBANCES, FAULTS, Fault
from support.rtsp_program import RtspProgram

from benchmarks import cameras, report
from benchmarks.arrivals import Arrival
from benchmarks.cameras import LiveRun

FAULTY = "faulty"
CONTROL = "nothing"
_BEGIN_AGAIN_S = 2.0  # a fault of a moment, such as a reset, is repeated so often
_RETURN_LIMIT_S = 120.0
_POLL_S = 0.25
_MS = 1e6  # ns
_LARGE = media.VideoSpec(width=1920, height=1080, frames=60, rate=15, gop=15)
_OTHER_CODEC = media.VideoSpec(codec="libx265", width=1280, height=720, frames=60, rate=15, gop=15)
_METRICS = ("rate", "p50_ms", "p99_ms")


@dataclass(frozen=True)
class Phase:
    """The healthy cameras in one stretch of the run. `rate` is frames a second of one camera, the mean of all."""

    name: str
    begin_s: float
    rate: float
    slowest_rate: float
    p50_ms: float
    p99_ms: float


def faults() -> dict[str, tuple[Callable[[RtspProgram], object], Callable[[RtspProgram], object], bool]]:
    """Name → what begins it, what ends it, and whether it has to be begun again and again."""

    def of(fault: Fault) -> tuple[Callable[[RtspProgram], object], Callable[[RtspProgram], object], bool]:
        return lambda server: fault.begin(server, FAULTY), lambda server: fault.end(server, FAULTY), not fault.off

    def playing(video: Callable[[], Path]) -> Callable[[RtspProgram], object]:
        def switch(server: RtspProgram) -> None:
            server.call("switch", camera=FAULTY, file=video())
            server.call("close", camera=FAULTY)

        return switch

    def leave_alone(server: RtspProgram) -> None:
        """The control."""

    return {
        CONTROL: (leave_alone, leave_alone, False),
        **{name: of(fault) for name, fault in {**FAULTS, **DISTURBANCES}.items()},
        "new_resolution": (playing(lambda: media.video(_LARGE)), playing(cameras.video), False),
        "new_codec": (playing(lambda: media.video(_OTHER_CODEC)), playing(cameras.video), False),
        "server_stopped": (RtspProgram.freeze, RtspProgram.thaw, False),
        "server_gone": (RtspProgram.kill, RtspProgram.start, False),
    }


class Watch:
    """Collects the arrivals of a run, and measures phases of it."""

    def __init__(self, run: LiveRun, healthy: list[str]) -> None:
        self._run = run
        self._healthy = healthy
        self._arrivals: list[Arrival] = []

    def measure(self, name: str, seconds: float, meanwhile: Callable[[], object] | None = None) -> Phase:
        """Watches for so long; `meanwhile` is called now and then."""
        self._collect()
        begin, again = time.monotonic(), time.monotonic() + _BEGIN_AGAIN_S
        while time.monotonic() < begin + seconds:
            time.sleep(_POLL_S)
            if meanwhile is not None and time.monotonic() >= again:
                again += _BEGIN_AGAIN_S
                meanwhile()
            if self._run.command.process.poll() is not None:
                raise SystemExit(f"the run has ended:\n{self._run.command.log[-4000:]}")
        end = time.monotonic()
        self._collect()
        mine = [a for a in self._arrivals if begin <= a.arrived_ns / 1e9 < end and a.source in self._healthy]
        latencies = sorted((a.arrived_ns - a.captured_ns) / _MS for a in mine)
        rates = [sum(a.source == source for a in mine) / (end - begin) for source in self._healthy]
        p50, p99 = (
            latencies[int(share * (len(latencies) - 1))] if latencies else float("nan") for share in (0.5, 0.99)
        )
        return Phase(name, begin, statistics.mean(rates), min(rates), p50, p99)

    def wait_for(self, sources: list[str], frames: int = 15) -> float | None:
        """Waits until each has so many new frames; the seconds to the first of the latest, None if it took too long."""
        begin = time.monotonic()
        while time.monotonic() < begin + _RETURN_LIMIT_S:
            self._collect()
            fresh = {
                source: [a for a in self._arrivals if a.source == source and a.arrived_ns / 1e9 >= begin]
                for source in sources
            }
            if all(len(arrivals) >= frames for arrivals in fresh.values()):
                return max(arrivals[0].arrived_ns for arrivals in fresh.values()) / 1e9 - begin
            time.sleep(_POLL_S)
        return None

    def _collect(self) -> None:
        self._arrivals += self._run.arrivals.fresh()


def compare(name: str, phase: Phase, before: Phase, after: Phase, calm: list[Phase]) -> dict[str, Any]:
    """A fault's phase against its calm neighbours and against the noise of all calm phases."""
    row: dict[str, Any] = {"fault": name}
    for metric in _METRICS:
        first, second, value = (getattr(each, metric) for each in (before, after, phase))
        reference = (first + second) / 2
        noise = statistics.stdev(getattr(each, metric) for each in calm) if len(calm) > 2 else float("nan")
        row[metric] = value
        row[f"{metric}_calm"] = reference
        row[f"{metric}_ratio"] = value / reference
        row[f"{metric}_spread"] = abs(first - second) / reference
        row[f"{metric}_sigma"] = (value - reference) / noise if noise else 0.0
    row["slowest_rate"] = phase.slowest_rate
    return row


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole run; returns its result."""
    known = faults()
    names = arguments.faults or list(known)
    healthy = [f"cam{number}" for number in range(1, arguments.sources)]
    video = [cameras.video()]
    for spec in (_LARGE, _OTHER_CODEC):
        media.video(spec)  # encoded now if ever, and not while something is measured
    calm: list[Phase] = []
    rows: list[tuple[str, Phase, dict[str, Any]]] = []
    with (
        RtspProgram(dict.fromkeys(healthy, video)) as calm_server,
        RtspProgram({FAULTY: video}, user="viewer", password="right") as server,
    ):
        addresses = {**{name: calm_server.url(name) for name in healthy}, FAULTY: server.url(FAULTY)}
        with cameras.live_run(addresses, arguments.max_fps) as run:
            watch = Watch(run, healthy)
            if watch.wait_for([*healthy, FAULTY]) is None:
                raise SystemExit(f"the cameras do not flow:\n{run.command.log[-4000:]}")
            time.sleep(arguments.settle)
            calm.append(watch.measure("calm", arguments.calm))
            for name in names:
                begin, end, again = known[name]
                logged = len(run.command.events("reconnects"))
                begin(server)
                phase = watch.measure(name, arguments.phase, (lambda begin=begin: begin(server)) if again else None)
                reasons = {event["reason"] for event in run.command.events("reconnects")[logged:]}
                end(server)
                back = watch.wait_for([FAULTY])
                time.sleep(arguments.settle)
                calm.append(watch.measure("calm", arguments.calm))
                facts = {"reasons": sorted(reasons), "back_s": back}
                rows.append((name, phase, facts))
                print(f"{name}: {phase.rate:.2f}/s, p99 {phase.p99_ms:.1f} ms, {facts}", flush=True)
            disturbed = [
                event for event in run.command.events("reconnects") if event["source"] in healthy
            ] + run.command.events("worker_restart")
            code = run.finish()
            cameras.keep_log(arguments.log, run)
    compared = [
        {**compare(name, phase, calm[index], calm[index + 1], calm), **facts}
        for index, (name, phase, facts) in enumerate(rows)
    ]
    return {
        "about": cameras.about(),
        "options": {key: value for key, value in vars(arguments).items() if key not in ("json", "log")},
        "calm": [vars(phase) for phase in calm],
        "faults": compared,
        "healthy_disturbed": disturbed,
        "exit_code": code,
    }


def spread(values: list[float]) -> str:
    """A few figures in words; the mean with its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{min(values):.2f} to {max(values):.2f}, mean {statistics.mean(values):.2f} ± {error:.2f}"


def show(result: dict[str, Any]) -> None:
    """Prints the tables."""
    for metric, unit in (("rate", "frames/s"), ("p50_ms", "p50, ms"), ("p99_ms", "p99, ms")):
        heads = (f"healthy cameras: {unit}", "calm", "fault", "ratio", "spread", "sigma")
        fields = (f"{metric}_calm", metric, f"{metric}_ratio", f"{metric}_spread", f"{metric}_sigma")
        rows = [[row["fault"], *(row[field] for field in fields)] for row in result["faults"]]
        print("\n" + cameras.table(heads, rows))
        print(f"calm phases: {spread([phase[metric] for phase in result['calm']])}")
        for name, mine in (("faults", False), ("control", True)):
            if values := [row[metric] for row in result["faults"] if (row["fault"] == CONTROL) is mine]:
                print(f"{name}: {spread(values)}")
    heads = ("faulty camera", "flowed again after s", "reasons")
    rows = [
        [row["fault"], "never" if row["back_s"] is None else row["back_s"], " ".join(row["reasons"])]
        for row in result["faults"]
    ]
    print("\n" + cameras.table(heads, rows))
    print(f"\ndisturbances of healthy cameras: {len(result['healthy_disturbed'])}; exit code {result['exit_code']}")


def main() -> None:
    """Measures, prints, saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=report.count, default=8, help="cameras, one of them faulty (default: 8)")
    parser.add_argument("--phase", type=float, default=20, help="seconds of each fault (default: 20)")
    parser.add_argument("--calm", type=float, default=20, help="seconds of each calm phase (default: 20)")
    parser.add_argument("--settle", type=float, default=3, help="seconds between fault and calm (default: 3)")
    parser.add_argument(
        "--max-fps", type=float, default=7.5, help="frames a second and camera; 0: all 15 (default: 7.5)"
    )
    parser.add_argument("--faults", type=report.words(*faults()), help=f"some of {','.join(faults())} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the run's log there")
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    cameras.save(arguments.json, result)


if __name__ == "__main__":
    main()
