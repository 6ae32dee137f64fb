"""`terminate` at moments that nobody chose, again and again: each time all is over and nothing is left."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.pipelines import Notebook, descriptors, film, make, nothing_left, own_workers
from support.producers import Clip

from mpipeline.inference_pipeline.entities import VideoFrame


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    with nothing_left():
        yield


def references(rng: random.Random) -> Any:
    """One to three sources of several kinds."""
    kinds: list[Callable[[], Any]] = [
        lambda: film(60),
        lambda: film(200),
        lambda: "TestPatternStreamProducer",
        lambda: lambda: Clip(100),
        lambda: lambda: Clip(100, is_file=False),
        lambda: "rtsp://127.0.0.1:9/nobody",
    ]
    return [rng.choice(kinds)() for _ in range(rng.randint(1, 3))]


def end_at_some_moment(rng: random.Random) -> None:
    """One run: started in one way or the other, ended by one or two threads after a random time, joined."""
    notebook = Notebook()
    waits = threading.Event()
    slow = rng.random() < 0.3

    def logic(frames: list[VideoFrame]) -> list[int]:
        if slow:
            waits.wait(0.02)
        return [int(frame.image[0, 0, 0]) if rng.random() < 0.5 else 0 for frame in frames]

    pipeline = make(notebook, logic, video_reference=references(rng), batch_collection_timeout=rng.choice([None, 0.05]))
    moment_s = rng.random() ** 2 * 1.2

    over = threading.Event()

    def end() -> None:
        """Again and again: the first word may come before the start, where it means nothing."""
        waits.wait(moment_s)
        while not over.is_set():
            pipeline.terminate()
            over.wait(0.2)

    enders = [threading.Thread(target=end) for _ in range(rng.randint(1, 2))]
    for ender in enders:
        ender.start()
    try:
        pipeline.start(use_main_thread=rng.random() < 0.5)
        pipeline.join()
    finally:
        over.set()
        for ender in enders:
            ender.join()
    for source in notebook.by_source:
        assert notebook.ids(source) == sorted(set(notebook.ids(source)))
    assert not own_workers()


def end_often(times: int, seed: int) -> None:
    rng = random.Random(seed)
    before = len(descriptors())
    for count in range(times):
        end_at_some_moment(rng)
        assert len(descriptors()) <= before + 2, f"run {count} of seed {seed}: {descriptors()}"


@pytest.mark.timeout(280)
def test_twenty_ends() -> None:
    end_often(20, seed=1)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_thousand_ends(seed: int) -> None:
    end_often(100, seed)
