"""Numbers of objects in whole runs: the page's example, kills of every kind, cameras that come and go."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
import yaml
from support import media, runs
from support.command import Command, Workplace
from support.fleet import CLIP, Fleet, stream
from support.pages import ROOT, block
from support.rtsp_server import RtspServer
from support.tracks import of_lines

from mpipeline import registry
from mpipeline.config import RunConfig
from mpipeline.demo import MODEL_PATH

pytest.importorskip("trackers", reason="needs the library: pip install --no-deps 'trackers>=2.6,<3'")

PAGE = "docs/tracking.md"
SHAPES = 6  # of a synthetic source
COUNT = 240


def job(model: str = "Truth", **more: Any) -> dict[str, Any]:
    """A file of six moving shapes with a model that knows them, tracked."""
    source = runs.clip("yard", COUNT, width=320, height=240)
    return runs.config(source, **{"tracker": "bytetrack", **more}) | {"model": {"target": f"support.tracks:{model}"}}


def lines(place: Workplace) -> list[dict[str, Any]]:
    return runs.by_source(place.folder / "out.jsonl")["yard"]


def without_ids(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "predictions": [{**row, "tracker_id": None} for row in one["predictions"]]} for one in found]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """The lines of the job when nothing dies."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        assert place.run(job()).wait() == 0
        yield lines(place)


def kinds_of(text: str) -> list[str]:
    """The lines without the numbers, which go by confidence: another engine may give them in another order."""
    return sorted(line.partition(" ")[2] for line in text.splitlines())


def strike(place: Workplace, run: Command, at: int = 60) -> None:
    """Waits until so many lines are written."""
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= at, f"{at} lines")


def test_the_example_of_the_page(place: Workplace) -> None:
    """Six shapes, found by the demo's detector: six numbers, and they are told."""
    (place.folder / "mpipeline" / "demo").mkdir(parents=True)
    shutil.copy(MODEL_PATH, place.folder / "mpipeline" / "demo")
    place.write("tracking.yaml", block(PAGE, "example: tracking.yaml"))
    place.write("counting.py", block(PAGE, "example: counting.py"))
    run = place.start("run", "tracking.yaml", "--json")
    assert run.wait() == 0, run.log
    program = place.start_program([sys.executable, "counting.py"])
    assert program.wait() == 0, program.log
    assert kinds_of(program.output) == kinds_of(block(PAGE, "output: counting.py"))
    assert (place.folder / "out" / "yard.mp4").stat().st_size > 10_000


def test_the_options_of_the_page() -> None:
    given = yaml.safe_load(block(PAGE, "example: options"))
    spec = RunConfig.from_mapping(job(**given)).tracker
    assert spec is not None
    registry.load("trackers", spec.kind)(spec.options, 30.0)


def test_what_uv_is_told_is_what_the_library_asks_for() -> None:
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    [override] = tomllib.loads(block(PAGE, "file: pyproject.toml"))["tool"]["uv"]["override-dependencies"]
    name = override.partition(";")[0].strip()
    assert any(one.startswith(name) for one in metadata.requires("trackers") or ())


def test_nobody_changes_his_number(undisturbed: list[dict[str, Any]]) -> None:
    found = of_lines(undisturbed)
    assert (found.objects, found.ids, found.switches) == (SHAPES, SHAPES, 0)
    assert found.unnamed == SHAPES  # the first frame: a track is confirmed by the second one
    assert {row["tracker_id"] for row in undisturbed[-1]["predictions"]} == set(range(1, SHAPES + 1))


@pytest.mark.parametrize("kind", ["ocsort", pytest.param("sort", marks=pytest.mark.long)])
def test_the_other_kinds_with_a_detector_that_misses_one_in_ten(place: Workplace, kind: str) -> None:
    assert place.run(job("Patchy", tracker={"kind": kind, "lost_after": 0.5})).wait() == 0
    found = of_lines(lines(place))
    assert (found.objects, found.ids, found.switches) == (SHAPES, SHAPES, 0)


def test_a_killed_decoder_changes_nothing(place: Workplace, undisturbed: list[dict[str, Any]]) -> None:
    run = place.run(job("Held"))
    strike(place, run)
    run.kill_worker("decoder:yard")
    place.write("go", "")
    assert run.wait() == 0
    assert run.events("worker_restart", worker="decoder:yard")
    assert lines(place) == undisturbed


def test_after_a_kill_of_inference_no_number_comes_again(place: Workplace, undisturbed: list[dict[str, Any]]) -> None:
    run = place.run(job("Held"))
    for at in (40, 90):
        strike(place, run, at)
        run.kill_worker("inference")
    place.write("go", "")
    assert run.wait() == 0
    found = lines(place)
    assert without_ids(found) == without_ids(undisturbed)
    stable = of_lines(found)
    assert (stable.objects, stable.ids, stable.switches) == (SHAPES, 3 * SHAPES, 2 * SHAPES)
    assert stable.unnamed <= 3 * SHAPES


def test_a_run_that_is_resumed_gives_no_number_again(place: Workplace, undisturbed: list[dict[str, Any]]) -> None:
    run = place.run(job("Held"))
    strike(place, run)
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    assert place.run(job(), "--resume").wait() == 0
    found = lines(place)
    assert without_ids(found) == without_ids(undisturbed)
    stable = of_lines(found)
    assert (stable.ids, stable.switches) == (2 * SHAPES, SHAPES)


@pytest.mark.parametrize(("lost_after", "kept"), [(120, True), pytest.param(0.1, False, marks=pytest.mark.long)])
def test_a_camera_that_comes_back(place: Workplace, lost_after: float, kept: bool) -> None:
    """Within `lost_after` things have the numbers that they had."""
    with RtspServer({"gate": [media.video(CLIP)]}, udp=False) as server:
        tracker = {"kind": "bytetrack", "lost_after": lost_after}
        source = stream("gate", server.url("gate"))
        fleet = Fleet(place, source, tracker=tracker, model={"target": "support.tracks:Still"})
        fleet.wait_for_flow()
        before = len(fleet.lines("gate"))
        server.call("drop")
        fleet.run.wait_for("stream_opened", 2, source="gate")
        fleet.wait_for_flow()
        fleet.finish()
        rows = [line["predictions"][0]["tracker_id"] for line in fleet.lines("gate")]
    assert rows[before - 1] == 1
    assert (rows[-1] == 1) is kept


def test_a_library_that_is_missing_is_told_before_anything_starts(place: Workplace) -> None:
    place.write("trackers.py", "raise ModuleNotFoundError('gone', name='trackers')\n")
    place.environment["PYTHONPATH"] = os.pathsep.join([str(place.folder), str(ROOT / "tests")])
    run = place.run(job())
    assert run.wait() == 78
    check = place.start("check", "run.yaml")
    assert check.wait() == 78
    for log in (run.log, check.log):
        assert "pip install --no-deps 'trackers>=2.6,<3'" in log.replace("\\u0027", "'")
