"""Processes of an `InferencePipeline` that are killed: the caller sees every frame of a file once, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.damaging import damage
from support.leftovers import segments_of
from support.onnx_models import detector
from support.pipelines import Notebook, film, make, nothing, nothing_left

from mpipeline import InferencePipeline
from mpipeline.inference_pipeline.entities import VideoFrame

FRAMES = 300


@pytest.fixture(autouse=True)
def _clean(model: str) -> Iterator[None]:
    InferencePipeline.init(film(5), model)  # the library that runs models keeps a descriptor once it is loaded
    with nothing_left():
        yield


@pytest.fixture
def model(tmp_path: Path) -> str:
    answer = np.array([[10, 26, 50, 66, 0.9, 0]], np.float32)
    metadata = {"task": "detect", "end2end": "True", "imgsz": "[192, 320]", "names": "{0: 'cat'}"}
    return str(detector(tmp_path / "m.onnx", answer, size=(192, 320), batch="N", metadata=metadata))


def kill(role: str) -> None:
    """The processes of that role."""
    for child in psutil.Process().children():
        if role in child.cmdline():
            child.kill()


class Killer(Notebook):
    """A sink in whose frames 40, 80 and 120 a worker is killed."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def __call__(self, predictions: Any, frames: Any) -> None:
        super().__call__(predictions, frames)
        if isinstance(frames, VideoFrame) and frames.frame_id in (40, 80, 120):
            kill(self.role)


@pytest.mark.parametrize("role", ["inference", "decoder"])
def test_with_a_model(model: str, role: str) -> None:
    killer = Killer(role)
    InferencePipeline.init(film(FRAMES), model, killer).start()
    assert killer.ids() == list(range(1, FRAMES + 1))
    assert all(len(prediction["predictions"]) == 1 for _, prediction in killer.by_source[0])


def test_with_logic_of_ones_own() -> None:
    killer = Killer("decoder")
    make(killer, nothing, video_reference=film(FRAMES)).start()
    assert killer.ids() == list(range(1, FRAMES + 1))


@pytest.mark.parametrize("how", ["header", "slots", "removed"])
@pytest.mark.parametrize("with_model", [True, False])
def test_a_damaged_segment_loses_no_frame_of_a_file(model: str, how: str, with_model: bool) -> None:
    """Frames that wait here when it is found out are not given twice, and those that come again are not left out."""

    class Damager(Notebook):
        def __call__(self, predictions: Any, frames: Any) -> None:
            super().__call__(predictions, frames)
            if len(self.calls) == 40:
                for segment in segments_of(os.getpid()):
                    damage(segment, how)

    damager = Damager()
    if with_model:
        InferencePipeline.init(film(FRAMES), model, damager).start()
    else:
        make(damager, nothing, video_reference=film(FRAMES)).start()
    assert damager.ids() == list(range(1, FRAMES + 1))
