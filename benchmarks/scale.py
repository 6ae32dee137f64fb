"""What one more camera costs, from 1 to 64: processor time, memory, time to start, and whether every frame comes.

    python -m benchmarks.scale --json scale.json --charts .

Each camera sends 640x360 in H.264 at 5 frames/s in real time over RTSP, all from one server process, whose processor
time is not counted. They really send so few frames, since thinning by `max_fps` would still decode all of them. The
model does nothing, the sink writes a line for each prediction: what is left are decoding and the pipeline's own work.

Processor time is that of all processes of the run, by the scheduler's clock, over a stretch in which all cameras flow.
Memory is the sum of proportional set sizes: what processes share counts once, rings included; "decoder" is the mean of
the decoders without their rings. "Up" is from the start of the command until every camera has brought a frame.
"Delivered" is the part of the frames sent in the stretch that came to the sink.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import av
import psutil
from support.rtsp_program import RtspProgram

from benchmarks import cameras, machine, processes, recordings, report
from benchmarks.cameras import LiveRun
from benchmarks.report import Chart, Report, Table
from benchmarks.samples import Rounds, percentile, spread, take_turns, values

_RATE = 5
_CAMERA = recordings.Camera(rate=_RATE, gop=_RATE, every=3, frames=100)
_START_S = 180.0
_SETTLE_S = 4.0
_POLL_S = 0.05
_CAMERAS = [1, 2, 4, 8, 16, 32, 64]
_ROLES = ("decoder", "inference", "sink", "supervisor", "fork server")


def video() -> Path:
    """What every camera shows."""
    found = machine.recorded("derived/retail_360p15_h264.mp4") or cameras.video()
    return recordings.camera_video(found, _CAMERA)


def measure(count: int, seconds: float) -> dict[str, float]:
    """One run with so many cameras."""
    names = [f"camera{number}" for number in range(1, count + 1)]
    with RtspProgram({name: [video()] for name in names}) as server:
        for number, name in enumerate(names):  # out of step with each other, as cameras are
            server.call("set", camera=name, delay=number / count)
        begun = time.monotonic()
        addresses = {name: server.url(name) for name in names}
        config = {"model": {"target": "stand_ins:Nothing"}}
        with cameras.live_run(addresses, 0, **config) as run:
            first = _await_all(run, names)
            up_cpu_s = processes.cpu_s(psutil.Process(run.command.pid))
            time.sleep(_SETTLE_S)
            found = _steady(run, server, seconds)
            found |= _memory(run)
            troubles = len(run.command.events("reconnects")) + len(run.command.events("worker_restart"))
            run.finish()
    moments = [moment - begun for moment in first.values()]
    return {
        **found,
        "troubles": float(troubles),
        "up, s": max(moments),
        "half up, s": percentile(moments, 0.5),
        "processor time until up, s": up_cpu_s,
    }


def _await_all(run: LiveRun, names: list[str]) -> dict[str, float]:
    """When each camera's first frame has come."""
    deadline = time.monotonic() + _START_S
    first: dict[str, float] = {}
    while len(first) < len(names):
        for arrival in run.arrivals.fresh():
            first.setdefault(arrival.source, arrival.arrived_ns / 1e9)
        if run.command.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{len(first)} of {len(names)} cameras flow:\n{run.command.log[-4000:]}")
        time.sleep(_POLL_S)
    return first


def _steady(run: LiveRun, server: RtspProgram, seconds: float) -> dict[str, float]:
    """Processor time by role, in milliseconds a second, and frames."""
    workers = run.processes()
    run.arrivals.fresh()
    sent, begun = _sent(server), time.monotonic()
    before = {name: processes.cpu_s_of(process.pid) for name, process in workers.items()}
    time.sleep(seconds)
    after = {name: processes.cpu_s_of(process.pid) for name, process in workers.items()}
    lasted, sent = time.monotonic() - begun, _sent(server) - sent
    found = dict.fromkeys(_ROLES, 0.0)
    for name in workers:
        found[name.partition(":")[0]] += 1000 * (after[name] - before[name]) / lasted
    arrived = len(run.arrivals.fresh())
    every = sum(found.values())
    return {
        **found,
        "all": every,
        "cores": every / 1000,
        "frames/s": arrived / lasted,
        "delivered": arrived / max(1, sent),
    }


def _sent(server: RtspProgram) -> int:
    return sum(each["frames"] for each in server.call("stats").values())


def _memory(run: LiveRun) -> dict[str, float]:
    """In MiB."""
    found = {f"{role}, MiB": 0.0 for role in _ROLES}
    decoders, rings = [], 0.0
    for name, process in run.processes().items():
        mapped = _pss_by_mapping(process.pid)
        rings += mapped["ring"]
        found[f"{name.partition(':')[0]}, MiB"] += mapped["own"]
        if name.startswith("decoder"):
            decoders.append(mapped["own"])
    everything = processes.memory_mib(psutil.Process(run.command.pid))
    return {**found, "decoder, MiB": statistics.mean(decoders), "rings, MiB": rings, "everything, MiB": everything}


def _pss_by_mapping(pid: int) -> Mapping[str, float]:
    """Proportional set size, of rings and of all else, in MiB."""
    found = {"ring": 0.0, "own": 0.0}
    kind = "own"
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            found[kind] += int(line.split()[1]) / 1024
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            kind = "ring" if "/dev/shm/mp-" in line else "own"
    return found


def bare_ms() -> float:
    """Processor time of decoding one of the camera's frames with PyAV and nothing else."""
    with av.open(str(video())) as container:
        container.streams.video[0].thread_count = 1
        begun = time.process_time()
        count = sum(1 for _ in container.decode(video=0))
        return 1000 * (time.process_time() - begun) / count


def fill(made: Report, rounds: Rounds, bare: float) -> None:
    """Puts tables and charts into the report."""
    counts = [int(name) for name in rounds[0]]
    made.data |= {"rounds": rounds, "bare_ms": bare}
    made.tables += [_processor(rounds, bare), _memory_table(rounds), _start(rounds)]
    each = [[value / count for value in values(rounds, str(count), "all")] for count in counts]
    shares = {
        role: [spread(values(rounds, str(count), role)).median / count for count in counts]
        for role in ("decoder", "inference", "supervisor", "sink")
    }
    cost = {"all": [spread(value).median for value in each], **shares, "bare decoding": [bare * _RATE for _ in counts]}
    made.charts += [
        Chart("scale_cpu", "Processor time of each camera", "ms a second", counts, cost, "lines", "cameras"),
        Chart(
            "scale_start",
            "From the start until every camera has brought a frame",
            "s",
            counts,
            {"all up": [spread(values(rounds, str(count), "up, s")).median for count in counts]},
            "lines",
            "cameras",
            ("goal for 64", 20.0),
        ),
        Chart(
            "scale_memory",
            "Memory of one decoder without its ring",
            "MB",
            counts,
            {"decoder": [1.048576 * spread(values(rounds, str(count), "decoder, MiB")).median for count in counts]},
            "lines",
            "cameras",
            ("goal", 25.0),
        ),
    ]


def _processor(rounds: Rounds, bare: float) -> Table:
    first = next(iter(rounds[0]))
    rows = []
    for name in rounds[0]:
        count = int(name)
        ratio = [(taken[name]["all"] / count) / (taken[first]["all"] / int(first)) for taken in rounds]
        parts = [spread([value / count for value in values(rounds, name, role)]) for role in ("all", *_ROLES)]
        arrived = [
            _of(rounds, name, "frames/s", "{:.0f}"),
            _of(rounds, name, "delivered", "{:.1%}"),
            f"{spread(values(rounds, name, 'cores')).median:.2f}",
            f"{max(values(rounds, name, 'troubles')):.0f}",
        ]
        rows.append([name, parts[0], spread(ratio), *(f"{part.median:.2f}" for part in parts[1:]), *arrived])
    heads = ("cameras", "ms of processor a second and camera", f"against {first}", *_ROLES, "frames/s", "delivered")
    text = (
        f"Decoding a frame with PyAV and nothing else takes {bare:.2f} ms, {bare * _RATE:.1f} ms a second and camera: "
        "the limit. The more cameras, the less each pays for heartbeats and waking up; up to 64 there is no bend."
    )
    heads = (*heads, "cores busy", "lost streams and workers")
    return Table("Processor time of each camera at 5 frames/s", heads, rows, text)


def _memory_table(rounds: Rounds) -> Table:
    rows = []
    first = next(iter(rounds[0]))
    for name in rounds[0]:
        parts = (f"{role}, MiB" for role in ("everything", "decoder", "rings", *_ROLES[1:]))
        more = "-"
        if name != first:
            gap = int(name) - int(first)
            grown = [(taken[name]["everything, MiB"] - taken[first]["everything, MiB"]) / gap for taken in rounds]
            more = spread(grown).text("{:.1f}")
        rows.append([name, *(f"{spread(values(rounds, name, part)).median:.1f}" for part in parts), more])
    heads = ("cameras", "everything", "one decoder without its ring", "all rings", *_ROLES[1:])
    return Table("Memory, MiB", (*heads, f"each camera more than {first}"), rows)


def _start(rounds: Rounds) -> Table:
    figures = ("half up, s", "up, s", "processor time until up, s")
    rows = [[name, *(_of(rounds, name, figure, "{:.1f}") for figure in figures)] for name in rounds[0]]
    return Table("Time to start", ("cameras", *figures), rows)


def _of(rounds: Rounds, name: str, figure: str, form: str) -> str:
    return spread(values(rounds, name, figure)).text(form)


def main() -> None:
    """Measures, prints, saves."""
    parser = report.parser(__doc__, repetitions=2)
    parser.add_argument("--cameras", type=report.numbers, default=_CAMERAS, help="how many (default: 1,2,4,8,16,32,64)")
    parser.add_argument("--seconds", type=float, default=10, help="of each stretch (default: 10)")
    arguments = parser.parse_args()
    made = Report("scale", "Cameras by the dozen", report.command("scale"), machine.about(video=video().name))
    runs = {str(count): partial(measure, count, arguments.seconds) for count in arguments.cameras}
    rounds = take_turns(runs, arguments.repetitions, "cameras", minutes=arguments.minutes)
    fill(made, rounds, bare_ms())
    report.finish(made, arguments)


if __name__ == "__main__":
    main()
