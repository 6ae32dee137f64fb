"""Programs that join a running pipeline: they see its pixels, come and go, are killed, and never hold it up."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from support import runs
from support.command import Command, Workplace

from mpipeline import attach
from mpipeline.errors import MpipelineError


def join(place: Workplace, name: str, *arguments: str, run: str = "run") -> Command:
    """Starts a program that attaches; it writes to NAME.txt."""
    (place.folder / f"{name}.txt").unlink(missing_ok=True)
    return place.start_program([sys.executable, "-m", "support.attaching", run, name, f"{name}.txt", *arguments])


def written(place: Workplace, name: str) -> list[list[str]]:
    """What that program has written in whole lines."""
    path = place.folder / f"{name}.txt"
    text = path.read_text() if path.exists() else ""
    return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]


def wait_for_lines(place: Workplace, program: Command, name: str, count: int) -> None:
    program.wait_until(lambda: len(written(place, name)) >= count, f"{count} lines of {name}")


def wait_for_flow(run: Command, path: Path) -> None:
    """Waits until the run has written 20 lines more."""
    before = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= before + 20, "20 more lines")


def cameras(place: Workplace, detector: str = "Fingerprint") -> Command:
    run = place.run(runs.config(runs.camera("north"), runs.camera("south"), detector=detector))
    wait_for_flow(run, place.folder / "out.jsonl")
    return run


def end(run: Command, *programs: Command) -> None:
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    for program in programs:
        assert program.wait() == 0, program.log


def test_several_see_the_true_pixels_in_order_until_the_run_ends(place: Workplace) -> None:
    run = cameras(place)
    programs = {name: join(place, name) for name in ("one", "two")}
    for name, program in programs.items():
        wait_for_lines(place, program, name, 20)
    end(run, *programs.values())
    for name in programs:
        *lines, last = written(place, name)
        assert last == ["over"]
        assert {line[2] for line in lines} <= {"right", "none"}
        assert [line[2] for line in lines].count("right") >= 10
        for source in ("north", "south"):
            ids = [int(line[1]) for line in lines if line[0] == source]
            assert ids
            assert ids == sorted(set(ids))


def test_one_without_pixels_gets_predictions(place: Workplace) -> None:
    run = cameras(place)
    program = join(place, "blind", "--no-frames")
    wait_for_lines(place, program, "blind", 10)
    end(run, program)
    assert {line[2] for line in written(place, "blind")[:-1]} == {"none"}


def test_one_may_come_and_go_and_come_again(place: Workplace) -> None:
    run = cameras(place)
    for _ in range(2):
        program = join(place, "guest", "--leave-after", "5")
        assert program.wait() == 0, program.log
    run.wait_for("detached", times=2)
    wait_for_flow(run, place.folder / "out.jsonl")
    end(run)


def test_one_that_is_killed_while_it_holds_a_frame_is_reaped(place: Workplace) -> None:
    run = cameras(place)
    for _ in range(2):
        program = join(place, "victim", "--wait")
        wait_for_lines(place, program, "victim", 1)
        wait_for_flow(run, place.folder / "out.jsonl")
        program.signal(signal.SIGKILL)
        program.wait()
    run.wait_for("detached", times=2)
    wait_for_flow(run, place.folder / "out.jsonl")
    end(run)


@pytest.mark.parametrize("arguments", [(), ("--no-frames",)])
def test_one_that_stands_still_does_not_hold_up_a_file_job(place: Workplace, arguments: tuple[str, ...]) -> None:
    run = place.run(runs.config(runs.clip("a", 400), detector="Held"))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 0, "the first line")
    program = join(place, "sleepy", "--wait", *arguments)
    run.wait_for("attached")
    place.write("go", "")
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=400)
    assert len(written(place, "sleepy")) == 1
    program.signal(signal.SIGKILL)
    program.wait()


def test_one_goes_on_when_workers_are_killed(place: Workplace) -> None:
    run = cameras(place)
    program = join(place, "watcher")
    wait_for_lines(place, program, "watcher", 10)
    for victim in ("inference", "decoder:north"):
        dead = run.kill_worker(victim)
        run.worker(victim, other_than=dead)
        wait_for_lines(place, program, "watcher", len(written(place, "watcher")) + 40)
    end(run, program)
    assert "wrong" not in {line[2] for line in written(place, "watcher")[:-1]}


def test_a_name_that_is_taken_is_refused(place: Workplace) -> None:
    run = cameras(place)
    first = join(place, "same")
    wait_for_lines(place, first, "same", 1)
    second = place.start_program([sys.executable, "-m", "support.attaching", "run", "same", "other.txt"])
    assert second.wait() == 1
    assert "attached already" in second.log
    wait_for_lines(place, first, "same", len(written(place, "same")) + 10)
    end(run, first)


def test_one_process_may_attach_twice_under_two_names(place: Workplace) -> None:
    run = cameras(place)
    with attach("run", name="twin", root=place.run_root) as first:
        with pytest.raises(MpipelineError, match="attached already"):
            attach("run", name="twin", root=place.run_root)
        with attach("run", name="other", root=place.run_root) as second:
            assert next(iter(first))[0].frame.frame_id
            assert next(iter(second))[0].frame.frame_id
    run.wait_for("detached", times=2)
    end(run)


def test_an_unknown_run_is_told_with_those_that_live(place: Workplace) -> None:
    run = cameras(place)
    place.write("nowhere.yaml", runs.config(runs.clip("a", 1)))
    program = join(place, "lost", run="nowhere")
    assert program.wait() == 1
    assert "RunNotFound" in program.log
    assert "alive: run" in program.log
    end(run)


def test_one_ends_when_the_supervisor_is_killed(place: Workplace) -> None:
    run = cameras(place)
    program = join(place, "widow")
    wait_for_lines(place, program, "widow", 5)
    run.signal(signal.SIGKILL)
    run.wait()
    assert program.wait() == 0, program.log
    place.wait_until_nothing_left()
