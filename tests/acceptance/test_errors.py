"""What can go wrong with a run, and what its user is told: the exit code, the reason, and that nothing stays."""

from __future__ import annotations

import os
import sys

import pytest
from support import media, runs
from support.command import Workplace


def test_a_broken_file_among_good_ones(place: Workplace) -> None:
    place.write("broken.mp4", "this is no video")
    film = media.video(media.VideoSpec(frames=30))
    run = place.run(runs.config({"name": "bad", "uri": "broken.mp4"}, {"name": "film", "uri": str(film)}))
    assert run.wait() == 65
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(film=30)
    [failed] = run.events("source_failed")
    assert (failed["source"], failed["reason"]) == ("bad", "not_a_video")


def test_a_missing_file_is_a_wrong_config(place: Workplace) -> None:
    run = place.run(runs.config({"name": "gone", "uri": "gone.mp4"}, runs.clip("a", 10)))
    assert run.wait() == 78
    assert "gone.mp4" in run.log
    assert not (place.folder / "out.jsonl").exists()


def test_a_truncated_file_gives_what_it_has_and_says_so(place: Workplace) -> None:
    whole = media.video(media.VideoSpec(suffix=".mkv", frames=60))
    run = place.run(runs.config({"name": "cut", "uri": str(media.cut(whole, 0.5))}, runs.clip("a", 10)))
    code = run.wait()
    ids = runs.frame_ids(place.folder / "out.jsonl")
    assert ids["a"] == list(range(1, 11))
    assert ids["cut"] == list(range(1, len(ids["cut"]) + 1))
    assert 10 < len(ids["cut"]) < 60
    assert code == (65 if run.events("source_failed", source="cut") else 0)


def test_a_second_run_of_the_same_name_is_refused(place: Workplace) -> None:
    first = place.run(runs.config(runs.camera("cam")))
    first.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 5, "lines")
    second = place.start("run", "run.yaml", "--json")
    assert second.wait() == 78
    assert "is alive" in second.log
    lines = runs.count_lines(place.folder / "out.jsonl")
    first.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > lines + 5, "more lines")
    first.signal(2)
    assert first.wait() == 0


def test_frames_that_cannot_be_inferred_are_errors_not_empty_results(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 40), detector="Poisoned"))
    assert run.wait() == 0
    lines = runs.by_source(place.folder / "out.jsonl")["a"]
    assert [line["frame_id"] for line in lines] == list(range(1, 41))
    for line in lines:
        poisoned = line["frame_id"] % 7 == 0
        assert ("error" in line) == poisoned
        assert ("predictions" in line) != poisoned
    assert run.events("failed_frames")


def test_a_model_that_cannot_be_opened_is_given_up(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 10), detector="Broken", supervision={"max_restarts": 0}))
    assert run.wait() == 1
    assert run.events("worker_fatal", worker="inference")
    [failed] = run.events("worker_failed", worker="inference")
    assert "the accelerator is missing" in failed["message"]


def test_a_crash_loop_is_given_up_with_its_cause(place: Workplace) -> None:
    quick = {"first_delay": 0.05, "max_delay": 0.1, "max_restarts": 2}
    run = place.run(runs.config(runs.clip("a", 10), detector="Dying", supervision=quick))
    assert run.wait() == 1
    assert len(run.events("worker_restart", worker="inference")) == 2
    [fatal] = run.events("worker_fatal")
    assert "SIGABRT" in fatal["message"]


@pytest.mark.parametrize("target", ["nowhere:Detector", "support.detectors:Nobody"])
def test_a_detector_that_is_not_there_is_a_wrong_config(place: Workplace, target: str) -> None:
    run = place.run({**runs.config(runs.clip("a", 10)), "model": {"target": target}})
    assert run.wait() == 78
    assert target.partition(":")[2] in run.log or "nowhere" in run.log


def test_a_sink_that_cannot_write_is_given_up_and_the_others_go_on(place: Workplace) -> None:
    (place.folder / "blocked").mkdir()
    bad = {"kind": "jsonl", "name": "bad", "path": "blocked"}
    run = place.run(runs.config(runs.clip("a", 50), sinks=(runs.JSONL, bad), supervision={"max_restarts": 1}))
    assert run.wait() == 1
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=50)
    assert run.events("worker_fatal", worker="sink:bad")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small /dev/shm")
def test_too_little_shared_memory_is_told_before_anything_starts(place: Workplace) -> None:
    place.write("run.yaml", runs.config(runs.clip("big", 10, width=1920, height=1080)))
    mount = "mount -t tmpfs -o size=2m tmpfs /dev/shm"
    script = f'{mount} && "$0" -m mpipeline run run.yaml --json; code=$?; ls /dev/shm; exit $code'
    run = place.start_program(["unshare", "--mount", "sh", "-c", script, sys.executable])
    code = run.wait()
    if "unshare" in run.log or "mount:" in run.log:
        pytest.skip("mounting is not allowed here")
    assert code == 78
    assert "--shm-size" in run.log
    assert "2.0 MiB available" in run.log
    assert run.output == ""


def test_a_model_that_fails_at_every_frame_is_not_a_success(place: Workplace) -> None:
    place.write("broken.py", "class Model:\n    def infer(self, frames):\n        raise ValueError('no')\n")
    run = place.run({**runs.config(runs.clip("a", 10)), "model": {"target": "broken:Model"}})
    assert run.wait() == 1, run.log
    assert run.events("frames_failed", count=10)


def test_a_sink_that_refuses_everything_is_not_a_success(place: Workplace) -> None:
    place.write("refusing.py", "class Sink:\n    def write(self, prediction, frame):\n        raise ValueError('no')\n")
    sink = {"kind": "python", "target": "refusing:Sink"}
    run = place.run(runs.config(runs.clip("a", 10), sinks=(runs.JSONL, sink)))
    assert run.wait() == 1, run.log
    assert run.events("sink_errors", count=10)
    assert runs.count_lines(place.folder / "out.jsonl") == 10


def test_a_sink_that_cannot_be_opened_is_given_up_at_once(place: Workplace) -> None:
    place.write(
        "shut.py", "class Sink:\n    def open(self):\n        raise OSError('shut')\n\n    def write(self, p, f): ...\n"
    )
    sink = {"kind": "python", "target": "shut:Sink"}
    run = place.run(runs.config(runs.clip("a", 10), sinks=(runs.JSONL, sink)))
    assert run.wait() == 1, run.log
    assert not run.events("worker_restart")
    assert "it cannot be opened" in run.log
    assert runs.count_lines(place.folder / "out.jsonl") == 10


def test_a_place_where_no_folder_can_be_made_is_told_at_once(place: Workplace) -> None:
    kinds = {"jsonl": "a.jsonl", "csv": "{source}.csv", "video": "{source}.mp4", "images": "people"}
    sinks = [{"kind": kind, "name": kind, "path": f"/proc/nowhere/{path}"} for kind, path in kinds.items()]
    run = place.run(runs.config(runs.clip("a", 10), sinks=(*sinks, {**runs.JSONL, "name": "good"})))
    assert run.wait() == 1
    for kind in kinds:
        [failed] = run.events("worker_failed", worker=f"sink:{kind}")
        assert "cannot make the folder /proc/nowhere: nothing can be made there; choose another path" in (
            failed["message"].replace("/people", "")
        )
    assert not run.events("sink_retrying")
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=10)
