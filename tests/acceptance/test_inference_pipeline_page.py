"""docs/inference-pipeline.md: its programs, taken from its text, run."""

from __future__ import annotations

import shutil
import signal
import sys

import pytest
from support import media
from support.command import Command, Workplace
from support.fleet import CLIP
from support.model_hub import small_detector
from support.pages import adapted, block
from support.rtsp_server import RtspServer

PAGE = "docs/inference-pipeline.md"
FRAMES = 30  # of `media.video()`
OWN_MODEL = """
def model(picture):
    return {"predictions": [{"class": "thing", "confidence": float(picture.shape[1])}]}
"""


@pytest.fixture
def furnished(place: Workplace) -> Workplace:
    """With the model and the videos that the page names."""
    small_detector(place.folder / "detector.onnx", named=True)
    for name in ("shop", "gate"):
        shutil.copy(media.video(), place.folder / f"{name}.mp4")
    return place


def start(place: Workplace, text: str) -> Command:
    place.write("program.py", text)
    return place.start_program([sys.executable, "-u", "program.py"])


def test_a_model_over_a_camera_until_ctrl_c(furnished: Workplace) -> None:
    with RtspServer({"stream1": [media.video(CLIP)]}, udp=False) as server:
        program = start(furnished, adapted(block(PAGE, "program: model"), camera=server.port))
        program.wait_until(lambda: program.output.count(" box 0.8") > 5, "boxes")
        program.signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT


def test_a_model_of_ones_own_over_two_files(furnished: Workplace) -> None:
    before = block(PAGE, "program: model").partition("pipeline = ")[0]
    program = start(furnished, f"{before}{OWN_MODEL}\n{block(PAGE, 'program: logic')}\npipeline.start()\n")
    assert program.wait() == 0, program.log
    told = [f"{source} {n} thing 320.0" for source in (0, 1) for n in range(1, FRAMES + 1)]
    assert sorted(program.output.splitlines()) == sorted(told)
    assert "Traceback" not in program.log


def test_a_camera_of_ones_own(furnished: Workplace) -> None:
    program = start(furnished, block(PAGE, "program: camera"))
    assert program.wait() == 0, program.log
    assert program.output.splitlines() == [f"{n} ['box']" for n in range(1, 251)]
