"""Too little shared memory, and what dead hosts left in it: told with figures and remedy, swept, never a crash."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support import media, runs
from support.command import Command, Workplace
from support.namespaces import MountSpace, wait_for_no_segments
from support.rtsp_server import RtspServer

SMALL = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10)
HUGE = media.VideoSpec(width=1280, height=720, frames=30, rate=30, gop=10)  # 6 slots of 1.3 MiB


def start(place: Workplace, space: MountSpace, config: dict[str, Any], name: str = "run") -> Command:
    place.write(f"{name}.yaml", config)
    command = [sys.executable, "-m", "mpipeline", "run", f"{name}.yaml", "--json"]
    return place.start_program(space.command(place.folder, *command))


def lines_of(path: Path, source: str) -> int:
    """How many whole lines of a source a jsonl file has."""
    return path.read_text().count(f'{{"source":"{source}"') if path.exists() else 0


def wait_for_more(run: Command, path: Path, source: str) -> None:
    before = lines_of(path, source)
    run.wait_until(lambda: lines_of(path, source) >= before + 10, f"10 more frames of {source}")


def assert_remedy(text: str) -> None:
    """What is needed, what there is, and what to do."""
    for words in ("/dev/shm", "MiB needed", "MiB available", "--shm-size"):
        assert words in text


def test_too_little_for_the_rings_is_refused_before_anything_starts(place: Workplace) -> None:
    with MountSpace({"/dev/shm": "size=2m"}) as space:
        run = start(place, space, runs.config(runs.clip("big", 10, width=1920, height=1080)))
        assert run.wait() == 78
        assert_remedy(run.log)
        assert "Traceback" not in run.log
        assert not list(space.path("/dev/shm").iterdir())
        assert not (place.folder / "out.jsonl").exists()


@pytest.mark.parametrize("leave", [0, 100_000])
def test_memory_that_somebody_else_has_taken_is_refused_too(place: Workplace, leave: int) -> None:
    with MountSpace({"/dev/shm": "size=4m"}) as space:
        space.fill("/dev/shm/foreign", leave)
        run = start(place, space, runs.config(runs.clip("a", 10, width=320, height=240)))
        assert run.wait() == 78
        assert_remedy(run.log)
        assert [path.name for path in space.path("/dev/shm").iterdir()] == ["foreign"]


def test_too_little_for_a_later_size_costs_that_source_alone(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    cameras = {"gate": [media.video(SMALL)], "yard": [media.video(SMALL)]}
    with MountSpace({"/dev/shm": "size=2m"}) as space, RtspServer(cameras, udp=False) as server:
        sources = [{"name": name, "uri": server.url(name), "read_timeout": 2} for name in cameras]
        run = start(place, space, runs.config(*sources))
        for name in cameras:
            wait_for_more(run, path, name)
        server.call("switch", camera="gate", file=str(media.video(HUGE)))
        run.wait_until(lambda: "MiB needed" in run.log, "the word that there is no room")
        assert_remedy(run.log)
        assert run.wait_for("worker_failed", worker="decoder:gate")
        run.wait_for("worker_restart", worker="decoder:gate")
        wait_for_more(run, path, "yard")
        assert not run.events("worker_restart", worker="decoder:yard")
        space.remount("/dev/shm", "size=32m")
        wait_for_more(run, path, "gate")
        run.signal(2)
        assert run.wait() == 0
        wait_for_no_segments(space)
    ids = runs.frame_ids(path)["gate"]
    assert ids == sorted(set(ids))


def test_a_camera_whose_first_size_finds_no_room_costs_that_source_alone(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    with MountSpace({"/dev/shm": "size=2m"}) as space, RtspServer({"gate": [media.video(HUGE)]}, udp=False) as server:
        gate = {"name": "gate", "uri": server.url("gate"), "read_timeout": 2}
        run = start(place, space, runs.config(gate, runs.camera("yard")))
        run.wait_until(lambda: "MiB needed" in run.log, "the word that there is no room")
        wait_for_more(run, path, "yard")
        space.remount("/dev/shm", "size=32m")
        wait_for_more(run, path, "gate")
        run.signal(2)
        assert run.wait() == 0
        wait_for_no_segments(space)


def test_what_a_dead_host_left_is_swept_and_its_name_is_free(place: Workplace) -> None:
    """As after a power cut: a lock file that nobody holds, a folder of sockets, segments without an owner."""
    with MountSpace({"/dev/shm": "size=64m", place.run_root: "mode=700"}) as space:
        run = start(place, space, runs.config(runs.camera("cam")))
        run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 5, "lines")
        [segment] = space.path("/dev/shm").glob("mp-*")
        shutil.copy(segment, place.folder / "segment")
        run.signal(2)
        assert run.wait() == 0
        root, memory = space.path(place.run_root), space.path("/dev/shm")
        for name in ("run", "other"):
            (root / f"{name}.lock").touch(mode=0o600)
            (root / name).mkdir(mode=0o700)
            (root / name / "control.sock").write_text("dead")
            shutil.copy(place.folder / "segment", memory / f"mp-dead{name}-0")
        (memory / "mp-foreign-0").write_text("of another program")
        following = start(place, space, runs.config(runs.clip("a", 20)))
        assert following.wait() == 0
        [swept] = following.events("swept")
        for name in ("mp-deadrun-0", "mp-deadother-0", "run", "other"):
            assert name in swept["message"]
        assert "foreign" not in swept["message"]
        assert [path.name for path in memory.iterdir()] == ["mp-foreign-0"]
        assert not list(root.iterdir())
        assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=20)
