"""Full and read-only disks: sinks wait and lose nothing, logs and run directories fail in words, neighbours go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support import runs
from support.command import Command, Workplace
from support.namespaces import MountSpace

ON_DISK = {"kind": "jsonl", "name": "disk", "path": "disk/out.jsonl"}
FILM = {"kind": "video", "name": "disk", "path": "disk/{source}.mp4", "preset": "ultrafast"}
RUN = [sys.executable, "-m", "mpipeline", "run", "run.yaml", "--json"]


@pytest.fixture
def space(place: Workplace) -> Iterator[MountSpace]:
    """A disk of 2 MB in the folder `disk`."""
    with MountSpace({place.folder / "disk": "size=2m"}) as mounted:
        yield mounted


def start(place: Workplace, space: MountSpace, config: dict[str, Any]) -> Command:
    place.write("run.yaml", config)
    return place.start_program(space.command(place.folder, *RUN))


def wait_for_no_space(run: Command) -> None:
    """Waits until the sink has said why it waits."""
    run.wait_until(lambda: run.events(reason="no_space"), "the word that there is no space")


def times_of(path: Path) -> list[float]:
    """The times of the pictures in a video file, in seconds."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize("leave", [0, 4096])
def test_a_file_job_waits_for_space_and_ends_complete(place: Workplace, space: MountSpace, leave: int) -> None:
    ballast = space.fill(place.folder / "disk" / "ballast", leave)
    counts = {"a": 150, "b": 80}
    clips = [runs.clip(name, count) for name, count in counts.items()]
    run = start(place, space, runs.config(*clips, sinks=(ON_DISK, runs.JSONL)))
    wait_for_no_space(run)
    assert run.process.poll() is None
    ballast.unlink()
    assert run.wait() == 0
    assert runs.frame_ids(space.path(place.folder / "disk" / "out.jsonl")) == runs.complete(**counts)
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(**counts)


def test_a_video_waits_for_space_and_has_every_frame_once(place: Workplace, space: MountSpace) -> None:
    ballast = space.fill(place.folder / "disk" / "ballast", 16_384)
    run = start(place, space, runs.config(runs.clip("a", 120, rate=30), sinks=(FILM, runs.JSONL)))
    wait_for_no_space(run)
    ballast.unlink()
    assert run.wait() == 0
    assert times_of(space.path(place.folder / "disk" / "a.mp4")) == pytest.approx(
        [n / 30 for n in range(120)], abs=1e-3
    )
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=120)


@pytest.mark.parametrize("sink", [ON_DISK, FILM], ids=["jsonl", "video"])
def test_in_a_live_run_only_the_sink_on_the_full_disk_waits(
    place: Workplace, space: MountSpace, sink: dict[str, Any]
) -> None:
    path = place.folder / "out.jsonl"
    disk = place.folder / "disk"
    ballast = space.fill(disk / "ballast", 4096)
    run = start(place, space, runs.config(runs.camera("cam"), sinks=(sink, runs.JSONL)))
    wait_for_no_space(run)
    lines = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= lines + 30, "30 lines on the other disk")
    grown = space.path(disk / ("out.jsonl" if sink is ON_DISK else "cam.mp4"))
    ballast.unlink()
    size = grown.stat().st_size
    run.wait_until(lambda: grown.stat().st_size > size + 2000, "more on the disk that has space again")
    run.signal(2)
    assert run.wait() == 0
    if sink is ON_DISK:
        ids = runs.frame_ids(grown)["cam"]
        assert ids == sorted(set(ids))
    else:
        times = times_of(grown)
        assert times == sorted(set(times))
    ids = runs.frame_ids(path)["cam"]
    assert ids == sorted(set(ids))


def test_a_stop_while_a_sink_waits_for_space_ends_the_run(place: Workplace, space: MountSpace) -> None:
    space.fill(place.folder / "disk" / "ballast", 4096)
    config = runs.config(runs.clip("a", 100), sinks=(ON_DISK,), limits={"stop_timeout": 1})
    run = start(place, space, config)
    wait_for_no_space(run)
    run.signal(2)
    assert run.wait() == 1  # work was cut short


def test_a_log_on_a_full_disk_costs_only_the_log(place: Workplace) -> None:
    place.write("run.yaml", runs.config(runs.clip("a", 40)))
    script = 'exec "$0" -m mpipeline run run.yaml --json --log-level debug 2>/dev/full'
    run = place.start_program(["sh", "-c", script, sys.executable])
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=40)


@pytest.mark.parametrize("inodes", [1, 2, 3])
def test_a_run_directory_on_a_full_disk_is_told(place: Workplace, inodes: int) -> None:
    """Full at the lock file, at the folder, at the first socket."""
    with MountSpace({place.run_root: f"size=1m,mode=700,nr_inodes={inodes}"}) as space:
        run = start(place, space, runs.config(runs.clip("a", 10)))
        assert run.wait() in (1, 78)
        for words in ("No space left on device", "MPIPELINE_RUN_ROOT"):
            assert words in run.log
        assert "Traceback" not in run.log
        assert not run.segments()
        space.remount(place.run_root, "nr_inodes=100")
        following = start(place, space, runs.config(runs.clip("a", 10)))
        assert following.wait() == 0
        assert not list(space.path(place.run_root).iterdir())


def test_a_read_only_run_directory_is_told(place: Workplace) -> None:
    with MountSpace({place.run_root: "mode=700,ro"}) as space:
        run = start(place, space, runs.config(runs.clip("a", 10)))
        assert run.wait() == 78
        assert "Read-only file system" in run.log
        assert str(place.run_root) in run.log
        assert "Traceback" not in run.log


def test_a_sink_on_a_read_only_disk_is_given_up_at_the_start(place: Workplace) -> None:
    with MountSpace({place.folder / "disk": "ro"}) as space:
        run = start(place, space, runs.config(runs.clip("a", 10), sinks=(ON_DISK, runs.JSONL)))
        assert run.wait() == 1
        assert "the file system is read-only: choose another path" in run.log
        assert [event["worker"] for event in run.events("worker_fatal")] == ["sink:disk"]
        assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=10)
