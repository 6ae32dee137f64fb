"""SIGKILL of workers of a run with two models: files lose nothing, and the other model's live streams flow on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import runs
from support.command import Workplace
from support.damaging import damage
from support.leftovers import wait_until

COUNTS = {"a": 200, "b": 90}
VICTIMS = ("inference:people", "inference:faces", "sink:lines", "sink:pixels", "decoder:a")
SINKS = (
    {"name": "lines", **runs.JSONL},
    {"name": "faces", "kind": "jsonl", "path": "faces/{source}.jsonl", "models": ["faces"]},
    {"name": "pixels", "kind": "python", "target": "support.sinks:Matching", "options": {"path": "matched.txt"}},
)
LONG_SEEDS = [pytest.param(seed, marks=pytest.mark.long) for seed in range(20, 30)]


def job(people: str = "Leisurely", faces: str = "Unhurried", **more: Any) -> dict[str, Any]:
    sources = [runs.clip(name, count) for name, count in COUNTS.items()]
    return runs.several(*sources, people=people, faces=faces, sinks=SINKS, **more)


def output(folder: Path) -> dict[str, Any]:
    """What is written exactly once."""
    lines = runs.by_origin(folder / "out.jsonl")
    faces = {source: runs.by_source(folder / "faces" / f"{source}.jsonl")[source] for source in COUNTS}
    return {"lines": lines, "faces": faces}


def assert_pixels_were_right(folder: Path) -> None:
    """What is written at least once: of each model every frame, with its pixels. What comes again may come without."""
    rows = [line.split() for line in (folder / "matched.txt").read_text().splitlines()]
    assert {words[3] for words in rows} <= {"right", "none", "end"}
    for source, count in COUNTS.items():
        for model in ("people", "faces"):
            found = {int(words[2]) for words in rows if words[:2] == [source, model] and words[3] == "right"}
            assert found == set(range(1, count + 1))
        assert [source, "-", "0", "end"] in rows


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The output of the job when nothing dies."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        assert place.run(job()).wait() == 0
        yield output(place.folder)


def test_the_undisturbed_run_is_complete(undisturbed: dict[str, Any]) -> None:
    wanted = {f"{source}:{model}": count for source, count in COUNTS.items() for model in ("people", "faces")}
    assert {origin: len(lines) for origin, lines in undisturbed["lines"].items()} == wanted


@pytest.mark.parametrize("victim", VICTIMS)
def test_one_killed_worker_costs_nothing(place: Workplace, undisturbed: dict[str, Any], victim: str) -> None:
    run = place.run(job(people="Held"))
    at = random.Random(victim).randint(5, 60)
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= at, f"{at} lines")
    run.kill_worker(victim)
    place.write("go", "")
    assert run.wait() == 0, run.log
    assert run.events("worker_restart", worker=victim)
    assert output(place.folder) == undisturbed
    assert_pixels_were_right(place.folder)


@pytest.mark.parametrize("seed", [1, *LONG_SEEDS])
def test_kills_at_random_moments_cost_nothing(place: Workplace, undisturbed: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    run = place.run(job())
    path = place.folder / "out.jsonl"
    for at in sorted(chance.sample(range(2 * sum(COUNTS.values())), 4)):
        wait_until(lambda at=at: run.process.poll() is not None or runs.count_lines(path) >= at, f"{at} lines")
        for victim in chance.sample(VICTIMS, chance.choice([1, 2, 3])):
            for process in run.workers(victim):
                process.kill()
    assert run.wait() == 0, run.log
    assert output(place.folder) == undisturbed
    assert_pixels_were_right(place.folder)


def test_a_damaged_ring_costs_no_model_a_frame(place: Workplace, undisturbed: dict[str, Any]) -> None:
    run = place.run(job(people="Held"))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 20, "20 lines")
    damage(run.segments()[0], "header")
    run.wait_for("ring_damaged")
    place.write("go", "")
    assert run.wait() == 0, run.log
    assert output(place.folder) == undisturbed
    assert_pixels_were_right(place.folder)


def count_of(path: Path, model: str) -> int:
    return path.read_text().count(f'"model":"{model}"') if path.exists() else 0


def test_while_one_models_process_is_away_the_others_live_streams_flow_on(place: Workplace) -> None:
    run = place.run(runs.several(runs.camera("north"), runs.camera("south"), faces="Reluctant", sinks=SINKS))
    path = place.folder / "out.jsonl"
    for model in ("people", "faces"):
        run.wait_until(lambda model=model: count_of(path, model) > 10, f"lines of {model}")
    place.write("closed", "")
    dead = run.kill_worker("inference:faces")
    run.worker("inference:faces", other_than=dead)
    people, faces = count_of(path, "people"), count_of(path, "faces")
    run.wait_until(lambda: count_of(path, "people") > people + 60, "more lines of people")
    assert count_of(path, "faces") <= faces + 8  # what was on its way
    (place.folder / "closed").unlink()
    run.wait_until(lambda: count_of(path, "faces") > faces + 30, "faces again")
    run.signal(2)
    assert run.wait() == 0, run.log
    for lines in runs.by_origin(path).values():
        found = [line["frame_id"] for line in lines]
        assert found == sorted(set(found))


def test_a_model_that_is_given_up_does_not_stop_the_other(place: Workplace) -> None:
    """Nobody waits for it any longer: the files are read to their ends. The exit code tells."""
    run = place.run(job(faces="Broken"))
    assert run.wait() == 1
    assert run.events("worker_fatal", worker="inference:faces")
    lines = runs.by_origin(place.folder / "out.jsonl")
    assert {origin: len(found) for origin, found in lines.items()} == {"a:people": 200, "b:people": 90}
