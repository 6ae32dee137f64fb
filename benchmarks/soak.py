"""What a long run over cameras holds on to while their server is killed and started again and again.

    python -m benchmarks.soak --minutes 30 --restart-every 20 --json soak.json

Memory, descriptors and threads of every process, and the run's segments in /dev/shm, are sampled every ten seconds.
"After the first minute" and "at the end" are means over a minute each (less in a short run), `deviation` is the largest
one from the former, `slope` a straight line's through all samples after the first minute.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.rtsp_program import RtspProgram

from benchmarks import cameras
from benchmarks.cameras import LiveRun

_SAMPLE_S = 10.0
_WARM_S = 60.0
_POLL_S = 0.25
_SHARED = "/dev/shm"  # shown as if it were a process
_MIB = 1 << 20
_FIGURES = ("rss", "rss_anon", "descriptors", "threads", "shared")


@dataclass
class Stream:
    """What came of one camera. `missing`: frame ids that never came, for which the run's counters tell of as many
    drops; `disorder`: ids that did not grow."""

    frames: int = 0
    missing: int = 0
    disorder: int = 0
    last: int = 0
    longest_silence_s: float = 0.0
    seen_ns: int = field(default_factory=time.monotonic_ns)

    def end(self, now_ns: int) -> None:
        """A silence that lasts to the end is one, too."""
        self.longest_silence_s = max(self.longest_silence_s, (now_ns - self.seen_ns) / 1e9)

    def see(self, frame_id: int, arrived_ns: int) -> None:
        """Takes the next arrival."""
        self.frames += 1
        self.disorder += frame_id <= self.last
        self.missing += max(0, frame_id - self.last - 1) if self.last else 0
        self.longest_silence_s = max(self.longest_silence_s, (arrived_ns - self.seen_ns) / 1e9)
        self.last, self.seen_ns = max(self.last, frame_id), arrived_ns


@dataclass
class Record:
    """Everything that was seen. `samples`: process → figure → (seconds, value)."""

    streams: dict[str, Stream]
    samples: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    process_ids: dict[str, set[int]] = field(default_factory=dict)
    server_restarts: int = 0

    def sample(self, run: LiveRun, now: float) -> None:
        """Takes the figures of this moment."""
        for name, process in run.processes().items():
            self.process_ids.setdefault(name, set()).add(process.pid)
            usage = cameras.usage(process)
            if usage is not None:
                for figure, value in cameras.as_fields(usage).items():
                    self._note(name, figure, now, value)
        self._note(_SHARED, "shared", now, run.shared_bytes() / _MIB)

    def _note(self, name: str, figure: str, now: float, value: float) -> None:
        self.samples.setdefault(name, {}).setdefault(figure, []).append((now, value))


def watch(run: LiveRun, server: RtspProgram, record: Record, arguments: argparse.Namespace) -> None:
    """Kills and starts the server, samples, and counts, until the time is over."""
    begin = time.monotonic()
    end = begin + arguments.minutes * 60
    restart, sample = begin + arguments.restart_every, begin
    while (now := time.monotonic()) < end:
        if now >= restart:
            restart += arguments.restart_every
            record.server_restarts += 1
            server.kill()
            server.start()
        if now >= sample:
            sample += _SAMPLE_S
            record.sample(run, now - begin)
            if record.server_restarts % 15 == 0:
                print(
                    f"{(now - begin) / 60:.1f} min, {sum(s.frames for s in record.streams.values())} frames", flush=True
                )
        count(run, record)
        if run.command.process.poll() is not None:
            raise SystemExit(f"the run has ended:\n{run.command.log[-4000:]}")
        time.sleep(_POLL_S)


def count(run: LiveRun, record: Record) -> None:
    """Takes what has arrived."""
    for arrival in run.arrivals.fresh():
        record.streams[arrival.source].see(arrival.frame_id, arrival.arrived_ns)


def evaluate(samples: list[tuple[float, float]], seconds: float) -> dict[str, float] | None:
    """One figure of one process, after the first minute and at the end; None without samples that late."""
    warm = min(_WARM_S, seconds / 3)
    window = min(60.0, (seconds - warm) / 2)
    late = [(moment, value) for moment, value in samples if moment >= warm]
    first = [value for moment, value in late if moment < warm + window]
    last = [value for moment, value in late if moment >= seconds - window]
    if not first or not last:
        return None
    reference = statistics.mean(first)
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope if len(late) > 1 else 0.0
    return {
        "first": reference,
        "end": statistics.mean(last),
        "deviation": max((value - reference for _, value in late), key=abs),
        "slope_per_hour": slope * 3600,
    }


def failures(event: dict[str, Any]) -> int:
    """How many failures a record of the log stands for: what repeats within a second is told in one."""
    found = re.match(r"(\d+) reconnects, last was", event["message"])
    return int(found[1]) if found else 1


def dropped(event: dict[str, Any]) -> int:
    """How many frames a line of the summary tells to be dropped, for whatever reason; `max_fps` is one."""
    told = event["message"].partition("dropped: ")[2].partition(", decode errors")[0]
    return sum(int(number) for number in re.findall(r"(\d+) \w+", told))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole run; returns its result."""
    names = [f"cam{number}" for number in range(1, arguments.sources + 1)]
    record = Record({name: Stream() for name in names})
    with RtspProgram({name: [cameras.video()] for name in names}) as server:
        addresses = {name: server.url(name) for name in names}
        with cameras.live_run(addresses, arguments.max_fps) as run:
            run.command.wait_for("stream_opened")
            watch(run, server, record, arguments)
            count(run, record)
            for stream in record.streams.values():
                stream.end(time.monotonic_ns())
            code = run.finish()
            cameras.keep_log(arguments.log, run)
            count(run, record)
            lost = run.command.events("reconnects")
            opened = run.command.events("stream_opened")
            ended = run.command.events("source_finished")
            restarted = run.command.events("worker_restart")
    seconds = arguments.minutes * 60
    processes = {
        name: {figure: evaluate(samples, seconds) for figure, samples in figures.items()}
        for name, figures in record.samples.items()
    }
    streams = {
        name: {
            **{key: value for key, value in vars(stream).items() if key not in ("last", "seen_ns")},
            "connected": sum(event["source"] == name for event in opened),
            "failures": sum(failures(event) for event in lost if event["source"] == name),
            "dropped": sum(dropped(event) for event in ended if event["source"] == name),
        }
        for name, stream in record.streams.items()
    }
    return {
        "about": cameras.about(),
        "options": {key: value for key, value in vars(arguments).items() if key not in ("json", "log")},
        "server_restarts": record.server_restarts,
        "worker_restarts": len(restarted),
        "process_ids": {name: sorted(ids) for name, ids in record.process_ids.items()},
        "exit_code": code,
        "processes": processes,
        "streams": streams,
        "samples": record.samples,
    }


def show(result: dict[str, Any]) -> None:
    """Prints the tables."""
    units = {"rss": "MiB in RAM", "rss_anon": "MiB of its own", "shared": "MiB of segments"}
    for figure in _FIGURES:
        heads = (units.get(figure, figure), "after first minute", "at the end", "deviation", "slope per hour")
        rows = [
            [name, found["first"], found["end"], found["deviation"], found["slope_per_hour"]]
            for name, figures in result["processes"].items()
            if (found := figures.get(figure)) is not None
        ]
        print("\n" + cameras.table(heads, rows))
    fields = ("frames", "missing", "dropped", "disorder", "connected", "failures", "longest_silence_s")
    rows = [[name, *(stream[field] for field in fields)] for name, stream in result["streams"].items()]
    print("\n" + cameras.table(("stream", *(field.replace("_", " ") for field in fields)), rows))
    print(
        f"\nserver restarts: {result['server_restarts']}; worker restarts: {result['worker_restarts']}; "
        f"exit code {result['exit_code']}"
    )


def main() -> None:
    """Measures, prints, saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=8, help="cameras (default: 8)")
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    parser.add_argument("--restart-every", type=float, default=20, help="seconds from kill to kill (default: 20)")
    parser.add_argument("--max-fps", type=float, default=5, help="frames a second and camera; 0: all 15 (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result, with all samples, there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the run's log there")
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    cameras.save(arguments.json, result)


if __name__ == "__main__":
    main()
