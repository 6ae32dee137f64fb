"""`mpipeline run` over files: every frame of every source exactly once and in order, in every sink."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import pytest
from support import media, runs
from support.command import Workplace


def frames_of(path: Path) -> list[float]:
    """The presentation times of a video's frames, all of them decoded."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_every_frame_of_every_source_is_written_once_and_in_order(place: Workplace) -> None:
    run = place.run(runs.config(runs.clip("a", 150), runs.clip("b", 40), runs.clip("c", 90, width=97, height=33)))
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=150, b=40, c=90)


def test_the_same_run_gives_the_same_lines(place: Workplace) -> None:
    config = runs.config(runs.clip("a", 60), runs.clip("b", 60))
    first, second = ({**config, "sinks": [{"kind": "jsonl", "path": f"{n}.jsonl"}]} for n in (1, 2))
    for each in (first, second):
        assert place.run(each).wait() == 0
    assert runs.by_source(place.folder / "1.jsonl") == runs.by_source(place.folder / "2.jsonl")


def test_the_annotated_video_of_a_file_has_its_frames_at_their_times(place: Workplace) -> None:
    film = media.video(media.VideoSpec(frames=45, rate=15))
    config = runs.config(
        {"name": "film", "uri": str(film)},
        runs.clip("clip", 30, rate=10),
        sinks=(runs.JSONL, {"kind": "video", "path": "{source}.mp4"}),
    )
    assert place.run(config).wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(film=45, clip=30)
    assert frames_of(place.folder / "film.mp4") == pytest.approx([n / 15 for n in range(45)])
    assert frames_of(place.folder / "clip.mp4") == pytest.approx([n / 10 for n in range(30)])


def test_videos_on_the_command_line_need_no_config(place: Workplace) -> None:
    film = media.video(media.VideoSpec(frames=20))
    run = place.start("run", str(film), "--model", "support.detectors:Fingerprint", "--save", "out", "--json")
    assert run.wait() == 0, run.log
    [(_, ids)] = runs.frame_ids(place.folder / "out" / "predictions.jsonl").items()
    assert ids == list(range(1, 21))
    assert len(list((place.folder / "out").glob("*.mp4"))) == 1


def test_max_fps_thins_a_file_evenly(place: Workplace) -> None:
    assert place.run(runs.config(runs.clip("a", 60, rate=30, max_fps=10))).wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == {"a": list(range(1, 61, 3))}


def test_a_live_stream_may_be_asked_for_every_frame(place: Workplace) -> None:
    camera = runs.camera("cam", rate=100, count=50, delivery="every_frame")
    run = place.run(runs.config(camera, detector="Leisurely"))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 50, "50 lines")
    run.signal(2)
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl")["cam"][:50] == list(range(1, 51))


def test_plain_output_is_for_people_and_quiet_is_quiet(place: Workplace) -> None:
    place.write("run.yaml", runs.config(runs.clip("a", 10)))
    loud = place.start("run", "run.yaml")
    assert loud.wait() == 0
    assert "10 frames" in loud.log
    quiet = place.start("run", "run.yaml", "--quiet")
    assert quiet.wait() == 0
    assert quiet.log == quiet.output == ""


def test_a_live_stream_with_an_end_ends(place: Workplace) -> None:
    run = place.run(runs.config(runs.camera("a", count=5)))
    assert run.wait() == 0, run.log


def test_a_run_whose_standard_error_is_closed_works(place: Workplace) -> None:
    place.write("run.yaml", runs.config(runs.clip("a", 5)))
    command = place.start_program(["sh", "-c", f"exec {sys.executable} -m mpipeline run run.yaml 2>&-"])
    assert command.wait() == 0
    assert runs.count_lines(place.folder / "out.jsonl") == 5
