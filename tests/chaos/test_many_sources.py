"""64 sources at once: all of them start, all deliver, the run ends in order and nothing stays.

`MPIPELINE_CHAOS_SOURCES` changes the number. The time until all of them stream is printed, not asserted.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise

from support import media, runs
from support.command import Workplace

SOURCES = int(os.environ.get("MPIPELINE_CHAOS_SOURCES", "64"))
STEPS = [SOURCES * part // 8 for part in range(1, 9)]  # each has a watchdog of its own


def test_live_sources_all_stream(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    names = [f"cam{number}" for number in range(SOURCES)]
    started = time.monotonic()
    run = place.run(runs.config(*(runs.camera(name, rate=2) for name in names)))

    def delivering(least: int = 1) -> int:
        text = path.read_text() if path.exists() else ""
        return sum(text.count(f'{{"source":"{name}",') >= least for name in names)

    for step in STEPS:
        run.wait_until(lambda step=step: delivering() >= step, f"{step} sources")
    print(f"{SOURCES} live sources: all stream after {time.monotonic() - started:.1f} s")
    assert len(run.workers("decoder")) == SOURCES
    for step in STEPS:
        run.wait_until(lambda step=step: delivering(least=4) >= step, f"4 frames of each of {step} sources")
    run.signal(2)
    assert run.wait() == 0
    assert not run.events("worker_restart")
    for source, ids in runs.frame_ids(path).items():
        assert all(first < second for first, second in pairwise(ids)), source


def test_files_are_all_read_to_their_end(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    names = [f"file{number}" for number in range(SOURCES)]
    film = str(media.video(media.VideoSpec(width=64, height=48, frames=25)))
    started = time.monotonic()
    run = place.run(runs.config(*({"name": name, "uri": film} for name in names)))
    for step in STEPS:
        run.wait_until(lambda step=step: runs.count_lines(path) >= 25 * step, f"{25 * step} lines")
    assert run.wait() == 0
    print(f"{SOURCES} files: all read after {time.monotonic() - started:.1f} s")
    assert not run.events("worker_restart")
    assert runs.frame_ids(path) == runs.complete(**dict.fromkeys(names, 25))
