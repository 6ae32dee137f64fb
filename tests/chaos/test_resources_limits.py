"""Too many open files and too many processes: told before the start, or visible and mended later; never a hang."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import psutil
import pytest
from support import media, runs
from support.command import Command, Workplace
from support.damaging import damage
from support.leftovers import wait_until
from support.limits import no_more_open_files, no_open_files_at_all, with_open_files, with_processes
from support.rtsp_server import RtspServer

CLIP = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10)
RUN = [sys.executable, "-m", "mpipeline", "run", "run.yaml", "--json"]
PER_WORKER, ALWAYS = 8, 48  # open files, as the refusal tells them


def wait_for_more(run: Command, path: Path, source: str = "") -> None:
    """Waits for ten more lines, of this source or at all."""

    def count() -> int:
        return path.read_text().count(f'{{"source":"{source}') if path.exists() else 0

    before = count()
    run.wait_until(lambda: count() >= before + 10, f"10 more frames of {source or 'any source'}")


@pytest.mark.parametrize("limit", [20, 40, ALWAYS + 2 * PER_WORKER])
def test_too_few_open_files_are_told_before_anything_starts(place: Workplace, limit: int) -> None:
    place.write("run.yaml", runs.config(runs.clip("a", 10)))
    run = place.start_program(with_open_files(limit, *RUN))
    code = run.wait()
    assert code == 78 if limit >= 40 else code != 0  # below, Python itself may not be able to start
    assert "open files" in run.log or "Too many open files" in run.log
    assert not (place.folder / "out.jsonl").exists()


def test_as_many_open_files_as_were_asked_for_are_enough(place: Workplace) -> None:
    film = media.video(CLIP)
    sinks = (runs.JSONL, {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"})
    names = ("a", "b", "c", "d")
    sources = [{"name": name, "uri": str(film)} for name in names]
    place.write("run.yaml", runs.config(*sources, sinks=sinks))
    run = place.start_program(with_open_files(ALWAYS + PER_WORKER * (len(sources) + len(sinks) + 1), *RUN))
    assert run.wait() == 0, run.log
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(**dict.fromkeys(names, CLIP.frames))


def test_a_supervisor_without_open_files_says_so_and_restarts_when_it_has_some(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    run = place.run(runs.config(runs.camera("north"), runs.camera("south")))
    wait_for_more(run, path, "south")
    with no_open_files_at_all(psutil.Process(run.pid), lowest=14):  # what the dead one leaves would do for the next
        dead = run.kill_worker("decoder:south")
        [first, *_] = run.wait_for("spawn_failed", times=2)
        assert "open files" in first["message"]
        wait_for_more(run, path, "north")
        tries = len(run.events("spawn_failed"))
        wait_for_more(run, path, "north")  # a third of a second, in which pauses of 0.2 s at most allow some tries
        assert len(run.events("spawn_failed")) < tries + 40, "tries without a pause"
    run.worker("decoder:south", other_than=dead)
    wait_for_more(run, path, "south")
    run.signal(2)
    assert run.wait() == 0


def test_a_decoder_without_open_files_says_so_and_reconnects_when_it_has_some(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    with RtspServer({"gate": [media.video(CLIP)]}, udp=False) as server:
        gate = {"name": "gate", "uri": server.url("gate"), "read_timeout": 1}
        run = place.run(runs.config(gate, runs.camera("yard")))
        wait_for_more(run, path, "gate")
        with no_more_open_files(run.worker("decoder:gate")):
            server.call("drop", camera="gate")
            run.wait_for("reconnects", times=2, source="gate")
            wait_for_more(run, path, "yard")
        wait_for_more(run, path, "gate")
        run.signal(2)
        assert run.wait() == 0


@pytest.mark.parametrize("name", ["inference", "sink:jsonl"])
def test_a_worker_without_open_files_costs_nothing_in_the_end(place: Workplace, name: str) -> None:
    """What it cannot do is said or not needed; a file job still ends complete once there are open files again."""
    films = [{"name": n, "uri": str(media.video(CLIP))} for n in ("a", "b")]
    run = place.run(runs.config(*films, detector="Held"))
    path = place.folder / "out.jsonl"
    run.wait_until(lambda: runs.count_lines(path) >= 5, "5 lines")
    with no_more_open_files(run.worker(name)):
        run.kill_worker("decoder:a")
        run.wait_for("worker_restart", worker="decoder:a")
        run.wait_until(lambda: runs.count_lines(path) >= 15, "15 lines")
    (place.folder / "go").touch()
    assert run.wait() == 0
    assert runs.frame_ids(path) == runs.complete(a=CLIP.frames, b=CLIP.frames)


def test_a_ring_to_which_a_sink_cannot_attach_for_want_of_open_files_is_waited_for(place: Workplace) -> None:
    clips = runs.clip("a", 120, width=96, height=64), runs.clip("b", 60)
    video = {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}
    run = place.run(runs.config(*clips, sinks=(runs.JSONL, video), detector="Held"))
    path = place.folder / "out.jsonl"
    run.wait_until(lambda: runs.count_lines(path) >= 10, "10 lines")
    # Libraries for drawing and encoding are loaded with the first picture: that needs open files too.
    films = [place.folder / "a.mp4", place.folder / "b.mp4"]
    run.wait_until(lambda: all(film.exists() for film in films), "both films")
    ring = max(run.segments(), key=lambda segment: (Path("/dev/shm") / segment).stat().st_size)
    with no_open_files_at_all(run.worker("sink:video")):
        damage(ring, "header")
        run.wait_for("ring_postponed", source="a")
    (place.folder / "go").touch()
    assert run.wait() == 0
    assert runs.frame_ids(path) == runs.complete(a=120, b=60)
    for film, count in (("a", 120), ("b", 60)):
        with av.open(str(place.folder / f"{film}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == count
    assert len(run.events("ring_damaged")) == 1
    assert {event["worker"] for event in run.events("worker_restart")} == {"decoder:a"}


@pytest.mark.parametrize("limit", [3, 12])
def test_a_run_without_processes_says_so_and_can_be_ended(place: Workplace, limit: int) -> None:
    """Wherever the limit hits: the reason in words, an end in order, and a next start that works."""
    place.run_root.chmod(0o755)
    place.folder.chmod(0o755)
    place.write("run.yaml", runs.config(runs.clip("a", 2000), runs.clip("b", 2000), limits={"stop_timeout": 2}))
    run = place.start_program(with_processes(limit, *RUN))

    def is_told() -> bool:
        words = ("Resource temporarily unavailable", "start new thread", "no more threads or processes")
        return any(one in run.log for one in words)

    wait_until(is_told, "the word that there are no processes", lambda: run.log[-4000:])
    if run.process.poll() is None:  # it may go on trying
        run.signal(2)
        run.wait()
    else:
        assert run.process.returncode != 0
    wait_until(lambda: not run.workers(), "the end of its workers")
    assert not run.segments()
    following = place.run(runs.config(runs.clip("a", 5)))
    assert following.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=5)
