"""`mpipeline run --resume`: an interrupted job goes on, and its output is that of a job that nobody has interrupted."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support import media, runs
from support.command import Command, Workplace

COUNTS = {"a": 160, "b": 70, "film": 60}
TOTAL = sum(COUNTS.values())


def job(detector: str = "Leisurely") -> dict[str, Any]:
    film = media.video(media.VideoSpec(width=64, height=48, frames=COUNTS["film"], gop=25, b_frames=2))
    return runs.config(
        runs.clip("a", COUNTS["a"]),
        runs.clip("b", COUNTS["b"], slots=3),
        {"name": "film", "uri": str(film)},
        sinks=(
            {"name": "lines", **runs.JSONL},
            {"name": "each", "kind": "jsonl", "path": "each/{source}.jsonl"},
            {"name": "video", "kind": "video", "path": "{source}.mp4", "preset": "ultrafast"},
        ),
        detector=detector,
    )


def output(folder: Path) -> dict[str, Any]:
    """All that the job has written, in a form that can be compared."""
    films = {}
    for source in COUNTS:
        with av.open(str(folder / f"{source}.mp4")) as container:
            films[source] = [round(float(frame.time), 4) for frame in container.decode(video=0)]
    each = {source: runs.by_source(folder / "each" / f"{source}.jsonl")[source] for source in COUNTS}
    return {"lines": runs.by_source(folder / "out.jsonl"), "each": each, "films": films}


def lines(folder: Path) -> int:
    return runs.count_lines(folder / "out.jsonl")


def cut(place: Workplace, at: int, *arguments: str) -> Command:
    """Starts the job and kills its supervisor when that many lines more are written: a power cut, as far as it can."""
    before = lines(place.folder) if arguments else 0
    run = place.run(job(), *arguments)
    if at:
        run.wait_until(lambda: before + at <= lines(place.folder), f"{at} more lines than {before}")
    else:
        run.worker("decoder:a")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The output of the job when nothing happens to it."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        assert place.run(job("Fingerprint")).wait() == 0
        yield output(place.folder)


@pytest.mark.parametrize("at", [0, 1, 90, 250])
def test_a_job_whose_supervisor_was_killed_goes_on(place: Workplace, undisturbed: dict[str, Any], at: int) -> None:
    cut(place, at)
    resumed = place.run(job(), "--resume")
    assert resumed.wait() == 0, resumed.log
    assert output(place.folder) == undisturbed


def test_a_job_may_be_killed_more_than_once(place: Workplace, undisturbed: dict[str, Any]) -> None:
    cut(place, 60)
    cut(place, 60, "--resume")
    cut(place, 0, "--resume")
    assert place.run(job(), "--resume").wait() == 0
    assert output(place.folder) == undisturbed


def test_what_is_half_written_is_written_anew(place: Workplace, undisturbed: dict[str, Any]) -> None:
    cut(place, 80)
    for path in (place.folder / "out.jsonl", place.folder / "each" / "a.jsonl"):
        with path.open("ab") as file:
            file.write(b'{"source":"a","frame_id":81,"pt')
    with (place.folder / "a.mp4").open("ab") as file:
        file.write(b"\0\0\1\0moof\0\0\0\x10mfhd")
    assert place.run(job(), "--resume").wait() == 0
    assert output(place.folder) == undisturbed


def test_a_sink_that_has_more_than_another_has_nothing_twice(place: Workplace, undisturbed: dict[str, Any]) -> None:
    """The one that has less decides where a file begins; one that has lost all of it gets all of it."""
    cut(place, 120)
    (place.folder / "each" / "a.jsonl").unlink(missing_ok=True)
    assert place.run(job(), "--resume").wait() == 0
    assert output(place.folder) == undisturbed


def test_a_finished_job_has_nothing_left_to_do(place: Workplace, undisturbed: dict[str, Any]) -> None:
    assert place.run(job("Fingerprint")).wait() == 0
    before = (place.folder / "out.jsonl").read_bytes()
    again = place.run(job("Fingerprint"), "--resume")
    assert again.wait() == 0, again.log
    assert (place.folder / "out.jsonl").read_bytes() == before
    assert output(place.folder) == undisturbed
    assert again.events("finished")[0]["frames"] == 0


def test_after_an_orderly_stop_it_goes_on_as_well(place: Workplace, undisturbed: dict[str, Any]) -> None:
    run = place.run(job())
    run.wait_until(lambda: lines(place.folder) >= 70, "70 lines")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    place.assert_nothing_left()
    assert place.run(job(), "--resume").wait() == 0
    assert output(place.folder) == undisturbed


def test_with_nothing_there_it_is_a_run_as_any_other(place: Workplace, undisturbed: dict[str, Any]) -> None:
    assert place.run(job(), "--resume").wait() == 0
    assert output(place.folder) == undisturbed


def test_without_resume_older_output_is_replaced(place: Workplace, undisturbed: dict[str, Any]) -> None:
    cut(place, 100)
    assert place.run(job("Fingerprint")).wait() == 0
    assert output(place.folder) == undisturbed


def test_a_worker_that_dies_in_a_resumed_job_costs_nothing(place: Workplace, undisturbed: dict[str, Any]) -> None:
    cut(place, 60)
    run = place.run(job(), "--resume")
    before = lines(place.folder)
    for number, victim in enumerate(("decoder:a", "sink:lines", "inference"), start=1):
        run.wait_until(lambda n=number: lines(place.folder) >= before + 20 * n, "more lines")
        run.kill_worker(victim)
    assert run.wait() == 0, run.log
    assert output(place.folder) == undisturbed


def test_a_live_source_goes_on_with_higher_numbers(place: Workplace) -> None:
    config = runs.config(runs.camera("cam", rate=60))
    run = place.run(config)
    run.wait_until(lambda: lines(place.folder) >= 20, "20 lines")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    before = lines(place.folder)
    resumed = place.run(config, "--resume")
    resumed.wait_until(lambda: lines(place.folder) >= before + 20, "20 more lines")
    resumed.signal(signal.SIGINT)
    assert resumed.wait() == 0, resumed.log
    ids = runs.frame_ids(place.folder / "out.jsonl")["cam"]
    assert ids == sorted(set(ids))
    assert len(ids) >= before + 20


def test_videos_on_the_command_line_are_resumed_too(place: Workplace) -> None:
    films = [media.video(media.VideoSpec(frames=n, width=64, height=48)) for n in (70, 50)]
    arguments = ("run", *map(str, films), "--model", "support.detectors:Leisurely", "--save", "out", "--json")
    written = place.folder / "out" / "predictions.jsonl"
    run = place.start(*arguments)
    run.wait_until(lambda: runs.count_lines(written) >= 40, "40 lines")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    resumed = place.start(*arguments, "--resume")
    assert resumed.wait() == 0, resumed.log
    assert sorted(map(len, runs.frame_ids(written).values())) == [50, 70]
    for ids in runs.frame_ids(written).values():
        assert ids == list(range(1, len(ids) + 1))
    for path in (place.folder / "out").glob("*.mp4"):
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) in (50, 70)


def test_the_help_says_what_it_does(place: Workplace) -> None:
    asked = place.start("run", "--help")
    assert asked.wait() == 0
    assert "older output is replaced" in " ".join(asked.output.split())


def test_every_line_of_a_resumed_file_is_whole(place: Workplace) -> None:
    cut(place, 150)
    assert place.run(job(), "--resume").wait() == 0
    for line in (place.folder / "out.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)
    assert lines(place.folder) == TOTAL
