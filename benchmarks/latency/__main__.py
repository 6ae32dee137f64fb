"""How old predictions of live cameras are when they come to a sink, and which stage makes them so.

    python -m benchmarks.latency --json latency.json --charts .

Cameras send 720p at 15 frames/s in real time over RTSP, from one server process. The eight are evenly out of step with
each other over a second, and so are their key frames, which come once a second and take longest. Every picture bears
its number, and the server notes when it had sent the last packet of it; so the age at the sink is measured by one clock
for everybody, decoding and what is hidden in decoders included. The model only reads that number. `mpipeline run` notes
the time at its model and at its sink; `captured_ns` and `decode_us` of each frame tell the rest; "added" is what is
neither network, nor decoder, nor model. What is added with nothing but PyAV in a process for each camera and ZeroMQ
between three processes (benchmarks/latency/bare_program.py) is the limit of that. `InferencePipeline` and its rival
run the same program, but for one line of imports.

In one and the same run of eight cameras one is then stalled by its server (the connection stays open): the others are
compared with the calm stretches before and behind. Under overload the model sleeps 1/30 s for each frame, so that 30 of
120 frames/s can be inferred.

All contenders take turns; figures are medians over the repetitions, with what they lie between.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.rtsp_program import RtspProgram

from benchmarks import cameras, machine, recordings, report
from benchmarks.latency import tables
from benchmarks.latency.contenders import Start, bare, command, let_flow, program, watch
from benchmarks.latency.frames import LIMIT, Sent, ages, largest_share_error, stages
from benchmarks.samples import Figures, Rounds, take_turns
from benchmarks.side_by_side import sides

RATE = 15
_CAMERA = recordings.Camera(rate=RATE, gop=RATE, numbered=True)
_SETTLE_S = 2.0
_STALLED = "camera1"


class Measurement:
    """One contender over some cameras: what is found in it, by name."""

    def __init__(self, start: Start, count: int, seconds: float) -> None:
        self._start = start
        self._names = [f"camera{number}" for number in range(1, count + 1)]
        self._seconds = seconds

    def calm(self) -> dict[str, float]:
        """Ages and stages when nothing is wrong; of several cameras also while one of them is stalled."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "sent.txt"
            with self._cameras(log) as server, self._start(self._addresses(server), 0.0) as working:
                let_flow(working, self._names, _SETTLE_S)
                windows = {"calm": watch(self._seconds)}
                if len(self._names) > 1:
                    server.call("stall", camera=_STALLED, seconds=600)
                    windows["stalled"] = watch(self._seconds)
                    server.call("stall", camera=_STALLED, seconds=0)
                    time.sleep(_SETTLE_S)
                    windows["calm again"] = watch(self._seconds)
                frames = working.frames(Sent(log))
        others = [name for name in self._names if name != _STALLED or len(self._names) == 1]
        calm = windows["calm"]
        found = ages(calm.of(frames), calm.seconds, self._names) | stages(calm.of(frames))
        for name, window in windows.items():
            found |= {f"{name}: {key}": value for key, value in ages(window.of(frames), window.seconds, others).items()}
        return found

    def overload(self, seconds_a_frame: float) -> dict[str, float]:
        """Ages, shares and batches when the model cannot follow."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "sent.txt"
            with self._cameras(log) as server, self._start(self._addresses(server), seconds_a_frame) as working:
                let_flow(working, self._names, _SETTLE_S)
                window = watch(2 * self._seconds)
                frames = window.of(working.frames(Sent(log)))
        return {
            **ages(frames, window.seconds, self._names),
            "share error": largest_share_error(frames, self._names),
            "longest batch": max((frame.took_ms("model") for frame in frames), default=0.0),
        }

    def _cameras(self, log: Path) -> RtspProgram:
        video = recordings.camera_video(cameras.video(), _CAMERA)
        return RtspProgram({name: [video] for name in self._names}, log=log)

    def _addresses(self, server: RtspProgram) -> Mapping[str, str]:
        for number, name in enumerate(self._names):  # out of step, key frames too, as cameras are
            server.call("set", camera=name, delay=number / len(self._names))
        return {name: server.url(name) for name in self._names}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All parts, in turns."""
    contenders: dict[str, Start] = {
        "mpipeline run": command(),
        "mpipeline run, max_wait_ms: 5": command(max_wait_ms=5),
        LIMIT: bare,
        "InferencePipeline": program(sides.ours()),
    }
    if (rival := sides.rival(arguments)) is not None:
        contenders["streamvision"] = program(rival)
    found: dict[str, Any] = {}
    end_s = time.monotonic() + 60 * arguments.minutes
    for count in arguments.cameras:
        runs = {
            name: Measurement(start, count, arguments.seconds).calm
            for name, start in contenders.items()
            if count > 1 or "max_wait" not in name  # one camera's frame never waits for another
        }
        found[f"{count} cameras"] = _turns(runs, arguments, f"{count} cameras", end_s)
    if arguments.overload:
        most = max(arguments.cameras)
        loaded = {
            name: (lambda start=start: Measurement(start, most, arguments.seconds).overload(1 / arguments.overload))
            for name, start in contenders.items()
            if "max_wait" not in name and name != LIMIT
        }
        found["overload"] = _turns(loaded, arguments, "overload", end_s)
    return found


def _turns(runs: Mapping[str, Callable[[], Figures]], given: argparse.Namespace, what: str, end_s: float) -> Rounds:
    return take_turns(runs, given.repetitions, what, minutes=(end_s - time.monotonic()) / 60)


def main() -> None:
    """Measures, prints, saves."""
    parser = report.parser(__doc__, repetitions=2)
    parser.add_argument("--cameras", type=report.numbers, default=[1, 8], help="how many, for each part (default: 1,8)")
    parser.add_argument("--seconds", type=float, default=6, help="of each stretch; overload: twice (default: 6)")
    parser.add_argument("--overload", type=float, default=30, help="frames/s of the slow model; 0: not (default: 30)")
    parser.add_argument("--without-rival", action="store_true", help="only mpipeline")
    parser.add_argument("--rival-python", type=report.executable, metavar="PATH", help="a Python with streamvision")
    arguments = parser.parse_args()
    about = machine.about(video=f"{cameras.video().name}, encoded as {_CAMERA.rate} frames/s with their numbers")
    made = report.Report("latency", "Latency of live cameras", report.command("latency"), about)
    tables.fill(made, measure(arguments), arguments)
    report.finish(made, arguments)


if __name__ == "__main__":
    main()
