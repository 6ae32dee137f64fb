"""Somebody damages the segment of one source in the middle of a run: no other source notices, no file loses a frame."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import pytest
from support import runs
from support.command import Command, Workplace
from support.damaging import DAMAGES, damage

from mpipeline.errors import EXIT_SOURCE_FAILED

COUNTS = {"victim": 150, "b": 200, "c": 120}
LARGE = {"width": 96, "height": 64}  # by its size the victim's segment is told from the others
VIDEO = {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}


def victims_segment(run: Command) -> str:
    """The largest segment of a run that has one for each of its sources."""
    run.wait_until(lambda: len(run.segments()) >= len(COUNTS), "a segment for each source")
    return max(run.segments(), key=lambda name: (Path("/dev/shm") / name).stat().st_size)


def file_job(count: int = COUNTS["victim"]) -> dict[str, Any]:
    others = [runs.clip(name, COUNTS[name]) for name in ("b", "c")]
    return runs.config(runs.clip("victim", count, **LARGE), *others, sinks=(runs.JSONL, VIDEO), detector="Held")


def pictures(path: Path) -> list[float]:
    """The times of all pictures of a film."""
    with av.open(str(path)) as container:
        return [round(float(frame.time), 4) for frame in container.decode(video=0)]


def assert_complete(folder: Path, counts: dict[str, int]) -> None:
    """Every frame has a line and a picture, once, in order."""
    assert runs.frame_ids(folder / "out.jsonl") == runs.complete(**counts)
    for source, count in counts.items():
        times = pictures(folder / f"{source}.mp4")
        assert len(times) == count, source
        assert times == sorted(set(times)), source


def restarted(run: Command) -> set[str]:
    return {event["worker"] for event in run.events("worker_restart")}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_file_job_loses_nothing_and_the_others_notice_nothing(place: Workplace, how: str) -> None:
    run = place.run(file_job())
    segment = victims_segment(run)
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 20, "20 lines")
    damage(segment, how)
    (event,) = run.wait_for("ring_damaged", source="victim")
    assert event["reason"] == "ring_damaged"
    place.write("go", "")
    assert run.wait() == 0
    assert_complete(place.folder, COUNTS)
    assert len(run.events("ring_damaged")) == 1
    # Who was just looking at the pixels that were cut off is killed by the kernel, once.
    allowed = {"decoder:victim", "inference", "sink:video"} if how in ("cut", "emptied") else {"decoder:victim"}
    assert restarted(run) <= allowed
    assert len(run.events("worker_restart", worker="inference")) <= 1


def test_what_a_file_that_was_read_to_its_end_loses_is_told_and_read_again_by_resume(place: Workplace) -> None:
    run = place.run(file_job(count=4))
    segment = victims_segment(run)
    run.wait_until(lambda: not run.workers("decoder:victim"), "the end of the victim's decoder")
    damage(segment, "emptied")
    run.wait_for("ring_damaged", source="victim")
    place.write("go", "")
    assert run.wait() == EXIT_SOURCE_FAILED
    (lost,) = run.events("frames_lost")
    assert (lost["source"], lost["reason"]) == ("victim", "ring_damaged")
    assert "--resume" in lost["message"]
    (summary,) = run.events("source_finished", source="victim")
    assert summary["state"] == "FAILED"
    ids = runs.frame_ids(place.folder / "out.jsonl")
    assert {source: ids[source] for source in ("b", "c")} == runs.complete(b=COUNTS["b"], c=COUNTS["c"])
    assert place.run(file_job(count=4), "--resume").wait() == 0
    assert_complete(place.folder, {**COUNTS, "victim": 4})


@pytest.mark.parametrize("how", ["emptied", "header"])
def test_live_streams_flow_on_and_the_victims_flows_again(place: Workplace, how: str) -> None:
    run = place.run(runs.config(runs.camera("victim", **LARGE), runs.camera("b"), runs.camera("c")))
    path = place.folder / "out.jsonl"
    flows(run, path)
    for times in (1, 2):
        damage(victims_segment(run), how)
        run.wait_for("ring_damaged", times, source="victim")
        flows(run, path)
    end(run, path)
    assert restarted(run) <= {"decoder:victim", *(["inference"] if how == "emptied" else [])}


def test_an_attached_program_sees_the_victim_again(place: Workplace) -> None:
    """It would die of a cut in the moment in which it looks at the pixels; of garbage it dies never."""
    run = place.run(runs.config(runs.camera("victim", **LARGE), runs.camera("b"), runs.camera("c")))
    path, seen = place.folder / "out.jsonl", place.folder / "guest.txt"
    flows(run, path)
    guest = place.start_program([sys.executable, "-m", "support.attaching", "run", "guest", "guest.txt"])

    def pictures_of_the_victim() -> list[int]:
        lines = [line.split() for line in seen.read_text().splitlines()] if seen.exists() else []
        return [int(line[1]) for line in lines if line[0] == "victim" and line[-1] == "right"]

    guest.wait_until(lambda: len(pictures_of_the_victim()) >= 5, "5 pictures")
    damage(victims_segment(run), "header")
    run.wait_for("ring_damaged", source="victim")
    before = len(pictures_of_the_victim())
    guest.wait_until(lambda: len(pictures_of_the_victim()) >= before + 5, "5 more pictures")
    end(run, path)
    assert guest.wait() == 0, guest.log
    assert "wrong" not in seen.read_text()
    assert pictures_of_the_victim() == sorted(set(pictures_of_the_victim()))
    assert restarted(run) == {"decoder:victim"}


def end(run: Command, path: Path) -> None:
    """Ctrl-C; each source was in order, and the cameras that nobody has struck have noticed nothing."""
    run.signal(2)
    assert run.wait() == 0
    for source, ids in runs.frame_ids(path).items():
        assert ids == sorted(set(ids)), source
    for camera in ("b", "c"):
        assert len(run.events("stream_opened", source=camera)) == 1
        assert not run.events("reconnects", source=camera)


def flows(run: Command, path: Path) -> None:
    """Waits until each source has ten lines more."""

    def counts() -> dict[str, int]:
        text = path.read_text() if path.exists() else ""
        return {source: text.count(f'"source":"{source}"') for source in COUNTS}

    before = counts()
    run.wait_until(lambda: all(counts()[name] >= before[name] + 10 for name in COUNTS), "ten frames more of each")
