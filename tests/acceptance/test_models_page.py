"""docs/models.md: its commands and its program, taken from the text, work."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import cv2
import pytest
from support import media, runs
from support.command import Workplace
from support.model_hub import KEY, ModelHub, small_detector
from support.onnx_models import behind_convolutions
from support.pages import adapted, block, paste

PAGE = "docs/models.md"


@pytest.fixture
def furnished(place: Workplace) -> Workplace:
    """With the videos and pictures that the page names."""
    for name in ("lobby", "yard"):
        shutil.copy(media.video(), place.folder / f"{name}.mp4")
        assert cv2.imwrite(str(place.folder / f"{name}.jpg"), media.picture(1, 160, 120))
    return place


@pytest.fixture
def hub(place: Workplace) -> Iterator[ModelHub]:
    (place.folder / "hub").mkdir()
    with ModelHub(place.folder / "hub") as server:
        server.add("coco/3")
        yield server


def test_a_model_by_its_id(furnished: Workplace, hub: ModelHub) -> None:
    shell = paste(furnished, adapted(block(PAGE, "command: models"), key=KEY), hub.environment(ROBOFLOW_API_KEY=""))
    assert shell.wait() == 0, shell.log
    assert "fetched" in shell.output
    assert "The family is yolo" in " ".join(shell.output.split())
    assert runs.frame_ids(furnished.folder / "out" / "predictions.jsonl") == runs.complete(lobby=30)
    assert KEY not in shell.output + shell.log


def test_the_program(furnished: Workplace, hub: ModelHub) -> None:
    furnished.write("looking.py", block(PAGE, "example: looking.py"))
    program = furnished.start_program([sys.executable, "looking.py"], hub.environment())
    assert program.wait() == 0, program.log
    assert program.output.splitlines() == ["{'width': 160, 'height': 120} [('box', 0.9)]"] * 2
    assert KEY not in program.log


def test_precisions_are_compared_and_an_8_bit_model_is_made(furnished: Workplace) -> None:
    pytest.importorskip("openvino")
    behind_convolutions(small_detector(furnished.folder / "people.onnx"))
    shell = paste(furnished, block(PAGE, "command: compare"))
    assert shell.wait() == 0, shell.log
    assert "bfloat16" in shell.output
    shell = paste(furnished, block(PAGE, "command: quantize"))
    assert shell.wait() == 0, shell.log + shell.output
    assert shell.output.startswith("pip install mpipeline[quantize]\n1 convolution is 8 bit\n")
    assert (furnished.folder / "people.int8.onnx").is_file()
