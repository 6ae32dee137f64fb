"""`models`: each sees every frame of its sources, sinks get what they ask for, and nothing mixes them up."""

from __future__ import annotations

import re
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from support import media, runs
from support.command import Command, Workplace

COUNTS = {"a:people": 150, "a:faces": 150, "b:people": 60}
LINES = {"name": "lines", **runs.JSONL}
FACES = {"name": "faces", "kind": "jsonl", "path": "faces.jsonl", "models": ["faces"]}
EACH = {"name": "each", "kind": "jsonl", "path": "each/{source}.jsonl"}
MATCHING = {"kind": "python", "target": "support.sinks:Matching", "options": {"path": "matched.txt"}}


def job(*sinks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return runs.several(runs.clip("a", 150), runs.clip("b", 60, models=["people"]), sinks=sinks or (LINES,), **more)


def ids(path: Path) -> dict[str, list[int]]:
    return {origin: [line["frame_id"] for line in lines] for origin, lines in runs.by_origin(path).items()}


def complete() -> dict[str, list[int]]:
    return {origin: list(range(1, count + 1)) for origin, count in COUNTS.items()}


def matched(place: Workplace) -> list[list[str]]:
    return [line.split() for line in (place.folder / "matched.txt").read_text().splitlines()]


def test_each_model_sees_every_frame_of_its_sources_and_each_sink_gets_its_share(place: Workplace) -> None:
    run = place.run(job(LINES, FACES, EACH, faces="Unhurried"))
    assert run.wait() == 0, run.log
    lines, faces = runs.by_origin(place.folder / "out.jsonl"), runs.by_origin(place.folder / "faces.jsonl")
    assert ids(place.folder / "out.jsonl") == complete()
    assert faces == {"a:faces": lines["a:faces"]}
    assert ids(place.folder / "each" / "a.jsonl") == {key: complete()[key] for key in ("a:people", "a:faces")}
    for one, other in zip(lines["a:people"], lines["a:faces"], strict=True):
        first, second = one["predictions"][0], other["predictions"][0]
        assert (first["class"], second["class"]) == ("frame", "other")
        assert (first["x"], first["y"]) == (second["x"], second["y"])
        assert first["detection_id"] != second["detection_id"]
    text = (place.folder / "out.jsonl").read_text()
    assert text.startswith(('{"source":"a","frame_id":1,"model":"', '{"source":"b","frame_id":1,"model":"'))
    (told,) = run.events("source_finished", source="a")
    assert "faces 150, people 150 inferred" in told["message"]


def test_a_sink_sees_the_pixels_of_each_models_frames_and_the_end_of_a_source_once(place: Workplace) -> None:
    run = place.run(job(MATCHING))
    assert run.wait() == 0, run.log
    found = matched(place)
    assert [words[3] for words in found if words[3] != "right"] == ["end", "end"]
    for source, total in (("a", 300), ("b", 60)):
        of_source = [words for words in found if words[0] == source]
        assert len(of_source) == total + 1
        assert of_source[-1][3] == "end"


def test_a_film_of_one_model(place: Workplace) -> None:
    film = media.video(media.VideoSpec(width=64, height=48, frames=30))
    sinks = (LINES, {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast", "models": ["faces"]})
    run = place.run(runs.several({"name": "film", "uri": str(film)}, sinks=sinks))
    assert run.wait() == 0, run.log
    with av.open(str(place.folder / "film.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30


def flowing(place: Workplace, run: Command, origin: str, more: int) -> None:
    """Waits until there are so many lines more of an origin."""

    def count() -> int:
        path = place.folder / "out.jsonl"
        return len(ids(path).get(origin, [])) if path.exists() else 0

    before = count()
    run.wait_until(lambda: count() >= before + more, f"{more} more lines of {origin}")


def test_a_slow_model_does_not_slow_a_quick_one_down_over_live_streams(place: Workplace) -> None:
    run = place.run(runs.several(runs.camera("a"), faces="Sluggish", sinks=(LINES, MATCHING)))
    flowing(place, run, "a:faces", 2)
    assert len(run.segments()) == 1  # whoever looks, a frame lies in memory once
    flowing(place, run, "a:people", 30)
    flowing(place, run, "a:faces", 2)
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.log
    found = ids(place.folder / "out.jsonl")
    assert len(found["a:people"]) > 2 * len(found["a:faces"])
    for each in found.values():
        assert all(first < second for first, second in pairwise(each))
    assert "wrong" not in {words[3] for words in matched(place)}
    (told,) = run.events("source_finished", source="a")
    assert re.search(r"\d+ faces superseded", told["message"])


def test_a_program_attaches_to_all_models_or_to_one(place: Workplace) -> None:
    run = place.run(runs.several(runs.camera("a")))
    flowing(place, run, "a:people", 5)
    both, one = (
        place.start_program([sys.executable, "-m", "support.attaching", "run", name, f"{name}.txt", *more])
        for name, more in (("both", []), ("one", ["--model", "faces"]))
    )
    for name, models in (("both", {"people", "faces"}), ("one", {"faces"})):
        path = place.folder / f"{name}.txt"

        def seen(path: Path = path, models: set[str] = models) -> bool:
            lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
            return len(lines) > 10 and {words[3] for words in lines if len(words) > 3} == models

        run.wait_until(seen, f"predictions of {models} for {name}")
    refused = place.start_program([sys.executable, "-m", "support.attaching", "run", "x", "x.txt", "--model", "dogs"])
    assert refused.wait() == 1
    assert "no model 'dogs'; valid: faces, people" in refused.log
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert (both.wait(), one.wait()) == (0, 0)
    assert {line.split()[2] for line in (place.folder / "both.txt").read_text().splitlines()[:-1]} <= {"right", "none"}


def test_an_interrupted_job_goes_on_for_every_model(place: Workplace) -> None:
    sinks = (LINES, FACES, MATCHING)
    run = place.run(job(*sinks, people="Leisurely", faces="Held"))
    path = place.folder / "out.jsonl"
    run.wait_until(lambda: len(ids(path).get("a:faces", [])) >= 10 if path.exists() else False, "lines of faces")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    place.write("go", "")
    resumed = place.run(job(*sinks, people="Leisurely", faces="Held"), "--resume")
    assert resumed.wait() == 0, resumed.log
    assert ids(path) == complete()
    assert ids(place.folder / "faces.jsonl") == {"a:faces": complete()["a:faces"]}
    again = place.run(job(*sinks, people="Leisurely", faces="Held"), "--resume")
    assert again.wait() == 0, again.log
    assert ids(path) == complete()


def test_an_orderly_stop_loses_nothing_that_was_read(place: Workplace) -> None:
    """What each model has written of a source ends with the same frame."""
    run = place.run(job(LINES, people="Fingerprint", faces="Held"))
    flowing(place, run, "a:faces", 3)
    run.signal(signal.SIGINT)
    place.write("go", "")
    assert run.wait() == 0, run.log
    found = ids(place.folder / "out.jsonl")
    assert found["a:people"] == found["a:faces"] == list(range(1, len(found["a:faces"]) + 1))


def test_check_tells_the_models_and_who_takes_them(place: Workplace) -> None:
    place.write("run.yaml", job(LINES, FACES))
    check = place.start("check", "run.yaml")
    assert check.wait() == 0, check.log
    assert "6 processes" in check.output
    assert "model people: support.detectors:Fingerprint  backend python" in check.output
    assert "model faces: support.detectors:Other  backend python" in check.output
    rows = {line.split()[0]: line.split()[-1] for line in check.output.splitlines() if line.split()}
    assert (rows["b"], rows["faces"]) == ("people", "faces")
