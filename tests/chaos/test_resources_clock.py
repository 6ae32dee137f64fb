"""The wall clock is set an hour back and a day forth: nothing stops, nothing is out of order, records follow it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from support import media, runs
from support.clock_shift import WallClock
from support.command import Command, Workplace
from support.rtsp_server import RtspServer

HOUR, DAY = 3600, 86_400
TOLERANCE_S = 300  # a shared machine may be slow; the jumps are larger


def wall_times(path: Path) -> dict[str, list[float]]:
    """The wall times of capture of each source in a jsonl file."""
    times: dict[str, list[float]] = {}
    for text in path.read_text().splitlines():
        line = runs.parsed(text)
        moment = datetime.fromisoformat(line["captured_at"].replace("Z", "+00:00"))
        times.setdefault(line["source"], []).append(moment.timestamp())
    return times


def wait_for_more(run: Command, path: Path, sources: tuple[str, ...]) -> None:
    """Waits until each of these sources has 15 lines more."""

    def counts() -> list[int]:
        text = path.read_text() if path.exists() else ""
        return [text.count(f'{{"source":"{source}"') for source in sources]

    before = counts()
    run.wait_until(lambda: all(now >= then + 15 for now, then in zip(counts(), before, strict=True)), "more frames")


def test_a_live_run_does_not_care_and_its_records_follow(place: Workplace) -> None:
    clock = WallClock(place.folder)
    path = place.folder / "out.jsonl"
    clip = media.video(media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10))
    timeouts = {"decoder_timeout": 20, "inference_timeout": 20, "sink_timeout": 20}
    with RtspServer({"gate": [clip]}, udp=False) as server:
        gate = {"name": "gate", "uri": server.url("gate"), "read_timeout": 5}
        config = runs.config(gate, runs.camera("yard"), supervision={**runs.QUICK_RESTARTS, **timeouts})
        place.write("run.yaml", config)
        run = place.start("run", "run.yaml", "--json", environment=clock.environment)
        wait_for_more(run, path, ("gate", "yard"))
        for seconds in (-HOUR, DAY):
            clock.shift(seconds)
            wait_for_more(run, path, ("gate", "yard"))
        run.signal(2)
        assert run.wait() == 0
    for event in ("worker_restart", "worker_stalled", "worker_hung", "reconnects", "stop_late"):
        assert not run.events(event), event
    for source, ids in runs.frame_ids(path).items():
        assert ids == sorted(set(ids)), source
    for source, lines in runs.by_source(path).items():
        times = [line["pts"] for line in lines if line["pts"] is not None]  # FFmpeg has none for the first of RTSP
        assert all(0 < later - earlier < HOUR / 2 for earlier, later in pairwise(times)), source
    for source, moments in wall_times(path).items():
        jumps = [later - earlier for earlier, later in pairwise(moments) if abs(later - earlier) > TOLERANCE_S]
        assert jumps == [pytest.approx(-HOUR, abs=TOLERANCE_S), pytest.approx(HOUR + DAY, abs=TOLERANCE_S)], source


def test_a_file_job_does_not_care(place: Workplace) -> None:
    clock = WallClock(place.folder)
    path = place.folder / "out.jsonl"
    place.write("run.yaml", runs.config(runs.clip("a", 120), runs.clip("b", 60), detector="Held"))
    run = place.start("run", "run.yaml", "--json", environment=clock.environment)
    for lines, seconds in ((5, -HOUR), (15, DAY)):
        run.wait_until(lambda least=lines: runs.count_lines(path) >= least, f"{lines} lines")
        clock.shift(seconds)
    run.kill_worker("sink:jsonl")  # also what comes after a restart
    (place.folder / "go").touch()
    assert run.wait() == 0
    assert runs.frame_ids(path) == runs.complete(a=120, b=60)
