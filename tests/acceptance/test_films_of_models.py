"""A film of two models: each frame once, in order, with what both have found in it, whatever is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from support import runs
from support.command import Command, Workplace

COUNTS = {"a": 120, "b": 60}
LINES = {"name": "lines", **runs.JSONL}
LOSSLESS = {"kind": "video", "crf": 0, "preset": "ultrafast", "labels": False}
VICTIMS = ("inference:people", "sink:both", "decoder:a", "inference:faces", "sink:both")

# One finds something that moves in the left half, the other in the right half, and takes its time.
SIDES = """
import time

class Left:
    names, x, pause_s = ("thing",), 12, 0.0

    def infer(self, frames):
        time.sleep(self.pause_s * len(frames))
        box = {"x": self.x, "width": 14, "height": 10, "confidence": 0.9, "class_id": 0}
        return [[{**box, "y": 8 + frame.meta.frame_id % 32}] for frame in frames]

class Right(Left):
    x, pause_s = 52, 0.004

class Slow(Right):
    pause_s = 0.2
"""


def films(*names: str) -> tuple[dict[str, Any], ...]:
    models: dict[str, dict[str, Any]] = {"both": {}, "left": {"models": ["people"]}, "right": {"models": ["faces"]}}
    return tuple({"name": name, **LOSSLESS, "path": f"{name}-{{source}}.mp4", **models[name]} for name in names)


def start(place: Workplace, sources: tuple[dict[str, Any], ...], *arguments: str, **more: Any) -> Command:
    place.write("sides.py", SIDES)
    targets = {"people": "sides:Left", "faces": "sides:Right", **more.pop("targets", {})}
    config = {**runs.several(*sources, **more), "models": {name: {"target": each} for name, each in targets.items()}}
    return place.run(config, *arguments)


def clips() -> tuple[dict[str, Any], ...]:
    return tuple(runs.clip(name, count) for name, count in COUNTS.items())


def pictures(path: Path) -> npt.NDArray[np.uint8]:
    """The luminance of each frame."""
    with av.open(str(path)) as container:
        return np.array([frame.to_ndarray(format="yuv420p")[:48] for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, npt.NDArray[np.uint8]]]:
    """The films of the job when nothing dies."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")) as place:
        run = start(place, clips(), sinks=(LINES, *films("both", "left", "right")))
        assert run.wait() == 0, run.log
        yield {path.stem: pictures(path) for path in place.folder.glob("*.mp4")}


@pytest.mark.parametrize("source", COUNTS)
def test_each_frame_has_what_both_have_found(undisturbed: dict[str, npt.NDArray[np.uint8]], source: str) -> None:
    both, left, right = (undisturbed[f"{name}-{source}"] for name in ("both", "left", "right"))
    assert len(both) == COUNTS[source]
    assert np.array_equal(both[:, :, :32], left[:, :, :32])
    assert np.array_equal(both[:, :, 32:], right[:, :, 32:])
    assert not np.array_equal(both, left)


def assert_like(undisturbed: dict[str, npt.NDArray[np.uint8]], place: Workplace) -> None:
    for source in COUNTS:
        assert np.array_equal(pictures(place.folder / f"both-{source}.mp4"), undisturbed[f"both-{source}"])


def test_whatever_is_killed_the_film_is_the_same(
    place: Workplace, undisturbed: dict[str, npt.NDArray[np.uint8]]
) -> None:
    run = start(place, clips(), sinks=(LINES, *films("both")))
    for lines, victim in zip(range(40, 340, 60), VICTIMS, strict=True):
        run.wait_until(lambda lines=lines: runs.count_lines(place.folder / "out.jsonl") >= lines, f"{lines} lines")
        for process in run.workers(victim):
            process.kill()
    assert run.wait() == 0, run.log
    assert_like(undisturbed, place)


def test_a_run_that_was_killed_is_resumed(place: Workplace, undisturbed: dict[str, npt.NDArray[np.uint8]]) -> None:
    run = start(place, clips(), sinks=(LINES, *films("both")))
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 150, "150 lines")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    resumed = start(place, clips(), "--resume", sinks=(LINES, *films("both")))
    assert resumed.wait() == 0, resumed.log
    assert_like(undisturbed, place)


def test_a_model_that_is_given_up_is_missing_in_the_film(place: Workplace) -> None:
    run = start(place, clips(), sinks=films("both"), targets={"faces": "support.detectors:Broken"})
    assert run.wait() == 1
    assert run.events("worker_fatal", worker="inference:faces")
    assert {name: len(pictures(place.folder / f"both-{name}.mp4")) for name in COUNTS} == COUNTS


def test_a_live_film_does_not_wait_for_a_slow_model(place: Workplace) -> None:
    sinks = (LINES, *films("both", "right"))
    run = start(place, (runs.camera("gate"),), sinks=sinks, targets={"faces": "sides:Slow"})
    path = place.folder / "out.jsonl"
    run.wait_until(lambda: path.exists() and path.read_text().count('"people"') > 60, "lines of people")
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.log
    counts = [len(pictures(place.folder / f"{name}-gate.mp4")) for name in ("both", "right")]
    assert counts[0] > 2 * counts[1] > 0
