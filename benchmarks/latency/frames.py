"""One frame's way from the camera to the sink in moments, in our own run and in a program on `InferencePipeline`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arrivals import Arrival
from benchmarks.samples import percentile
from benchmarks.side_by_side.runs import Arrival as ProgramArrival
from benchmarks.stand_ins import Call

_MS = 1e6  # ns
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "largest": 1.0}
LIMIT = "PyAV and ZeroMQ alone"
STAGES = {
    "network and demuxer": ("sent", "captured"),
    "decoder": ("captured", "decoded"),
    "ring, message, batch": ("decoded", "begun"),
    "model": ("begun", "ended"),
    "result to the sink": ("ended", "arrived"),
}


@dataclass(frozen=True)
class Frame:
    """Moments of the monotonic clock, in ns; 0 where they are not known.

    `sent`: the camera had written its last packet. `captured`: its data had arrived. `decoded`: it had come out of the
    decoder. `begun`, `ended`: the call of the model. `arrived`: its prediction was at the sink.
    """

    camera: str
    sent: int
    arrived: int
    captured: int = 0
    decoded: int = 0
    begun: int = 0
    ended: int = 0

    def took_ms(self, stage: str) -> float:
        """How long one of the `STAGES` has taken."""
        first, last = STAGES[stage]
        return float(getattr(self, last) - getattr(self, first)) / _MS

    @property
    def age_ms(self) -> float:
        """From the camera to the sink."""
        return (self.arrived - self.sent) / _MS

    @property
    def added_ms(self) -> float:
        """What is neither network, nor decoder, nor model."""
        return self.took_ms("ring, message, batch") + self.took_ms("result to the sink")


class Sent:
    """When cameras have sent their pictures, by the server's log."""

    def __init__(self, log: Path) -> None:
        self._moments: dict[tuple[str, int], list[int]] = defaultdict(list)
        whole = log.read_bytes()
        for line in whole[: whole.rfind(b"\n") + 1].decode().splitlines():
            camera, number, moment = line.split()
            self._moments[camera, int(number)].append(int(moment))

    def before(self, camera: str, number: int, moment: int) -> int | None:
        """When the camera had sent the picture of this number that was seen at a moment; None if never."""
        moments = self._moments.get((camera, number), [])
        index = bisect_right(moments, moment)
        return moments[index - 1] if index else None


def of_our_run(sent: Sent, arrivals: Iterable[Arrival], calls: Iterable[Call]) -> list[Frame]:
    """The frames that were seen by both the model and the sink."""
    found = []
    by_frame = {(call.source, call.frame_id): call for call in calls}
    for arrival in arrivals:
        call = by_frame.get((arrival.source, arrival.frame_id))
        moment = sent.before(call.source, call.number, call.begun_ns) if call is not None else None
        if call is not None and moment is not None:
            decoded = arrival.captured_ns + 1000 * arrival.decode_us
            moments = (arrival.captured_ns, decoded, call.begun_ns, call.ended_ns)
            found.append(Frame(arrival.source, moment, arrival.arrived_ns, *moments))
    return found


def of_program(sent: Sent, arrivals: Iterable[ProgramArrival], cameras: Sequence[str]) -> list[Frame]:
    """The frames that came to the program's sink."""
    found = []
    for arrival in arrivals:
        camera, arrived = cameras[arrival.source], int(arrival.at_s * 1e9)
        moment = sent.before(camera, arrival.value, arrived)
        if moment is not None:
            found.append(Frame(camera, moment, arrived))
    return found


def percentiles(values: Sequence[float], name: str) -> dict[str, float]:
    """As `NAME p50` and so on."""
    return {f"{name} {share}": percentile(values, part) for share, part in SHARES.items()}


def ages(frames: Sequence[Frame], seconds: float, cameras: Sequence[str]) -> dict[str, float]:
    """How old the frames of these cameras were, and how many there were a second."""
    mine = [frame for frame in frames if frame.camera in cameras]
    return {"frames/s": len(mine) / seconds, **percentiles([frame.age_ms for frame in mine], "age")}


def stages(frames: Sequence[Frame]) -> dict[str, float]:
    """Of each stage and of what the pipeline adds, by percentiles, in ms."""
    found = {}
    for stage in STAGES:
        found |= percentiles([frame.took_ms(stage) for frame in frames], stage)
    return found | percentiles([frame.added_ms for frame in frames], "added")


def largest_share_error(frames: Sequence[Frame], cameras: Sequence[str]) -> float:
    """How far the count of one camera's frames is from the mean of all, at most, as a part of the mean."""
    counts = [sum(frame.camera == camera for frame in frames) for camera in cameras]
    mean = sum(counts) / len(counts)
    return max(abs(count - mean) for count in counts) / mean if mean else math.nan
