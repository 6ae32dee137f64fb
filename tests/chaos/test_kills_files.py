"""SIGKILL of workers while files are processed: the output is that of a run which nobody disturbed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support import media, runs
from support.command import Command, Workplace
from support.leftovers import wait_until

COUNTS = {"a": 260, "b": 140, "film": 90}
TOTAL = sum(COUNTS.values())
VICTIMS = ("decoder:a", "decoder:b", "decoder:film", "inference", "sink:lines", "sink:each", "sink:video")
FIRST_VICTIMS = [
    pytest.param(victim, marks=pytest.mark.long if victim in ("decoder:b", "sink:each") else ()) for victim in VICTIMS
]
LONG_SEEDS = [pytest.param(seed, marks=pytest.mark.long) for seed in range(100, 125)]


def job(detector: str) -> dict[str, Any]:
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The output of the job when nothing dies."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        assert place.run(job("Leisurely")).wait() == 0
        yield output(place.folder)


def strike(run: Command, lines: Path, at: int, victims: list[str]) -> list[int]:
    """Kills these workers, as far as they are alive, when the file has that many lines; returns whom."""
    wait_until(lambda: run.process.poll() is not None or runs.count_lines(lines) >= at, f"{at} lines")
    killed = []
    for victim in victims:
        for process in run.workers(victim):
            process.kill()
            killed.append(process.pid)
    return killed


def test_the_undisturbed_run_is_complete(undisturbed: dict[str, Any]) -> None:
    assert {source: len(lines) for source, lines in undisturbed["lines"].items()} == COUNTS
    assert undisturbed["each"] == undisturbed["lines"]
    assert {source: len(times) for source, times in undisturbed["films"].items()} == COUNTS


@pytest.mark.parametrize("victim", FIRST_VICTIMS)
def test_one_killed_worker_costs_nothing(place: Workplace, undisturbed: dict[str, Any], victim: str) -> None:
    run = place.run(job("Held"))
    assert strike(run, place.folder / "out.jsonl", random.Random(victim).randint(1, 60), [victim])
    place.write("go", "")
    assert run.wait() == 0
    assert run.events("worker_restart", worker=victim)
    assert output(place.folder) == undisturbed


@pytest.mark.parametrize("seed", [1, 2, *LONG_SEEDS])
def test_kills_at_random_moments_cost_nothing(place: Workplace, undisturbed: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    run = place.run(job("Leisurely"))
    for at in sorted(chance.sample(range(TOTAL), 4)):
        strike(run, place.folder / "out.jsonl", at, chance.sample(VICTIMS, chance.choice([1, 1, 2, 3])))
    assert run.wait() == 0
    assert output(place.folder) == undisturbed


@pytest.mark.parametrize("at", [1, 60, pytest.param(TOTAL - 5, marks=pytest.mark.long)])
def test_all_workers_killed_at_once_cost_nothing(place: Workplace, undisturbed: dict[str, Any], at: int) -> None:
    run = place.run(job("Held" if at < TOTAL // 4 else "Leisurely"))
    strike(run, place.folder / "out.jsonl", at, [""])
    place.write("go", "")
    assert run.wait() == 0
    assert output(place.folder) == undisturbed


def test_workers_killed_before_they_are_ready_cost_nothing(place: Workplace, undisturbed: dict[str, Any]) -> None:
    run = place.run(job("Leisurely"))
    for victim in ("sink:video", "inference", "decoder:a"):
        run.kill_worker(victim)
    assert run.wait() == 0
    assert output(place.folder) == undisturbed
