"""docs/several-models.md: its config, from the text itself, runs and does what the page says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from support import media, onnx_models, runs
from support.command import Workplace
from support.pages import block, form

PAGE = "docs/several-models.md"
FRAMES = 24


def seeing(path: Path, scores: tuple[float, float]) -> None:
    """A model that finds one box of the likelier of two classes, whatever it is shown."""
    answer = np.zeros((4 + 2, 20), np.float32)
    answer[:, 0] = (32, 32, 20, 20, *scores)
    onnx_models.detector(path, answer, metadata={"names": "{0: 'one', 1: 'two'}"})


@pytest.fixture
def furnished(place: Workplace) -> Workplace:
    """The page's config with the files that it names."""
    text = block(PAGE, "example: watch.yaml")
    place.write("watch.yaml", text)
    (place.folder / "videos").mkdir()
    film = media.video(media.VideoSpec(width=64, height=48, frames=FRAMES))
    for source in yaml.safe_load(text)["sources"]:
        shutil.copy(film, place.folder / source["uri"])
    seeing(place.folder / "people.onnx", (0.9, 0.0))
    seeing(place.folder / "faces.onnx", (0.0, 0.8))
    return place


def test_two_models_on_four_sources_to_three_sinks(furnished: Workplace) -> None:
    run = furnished.start("run", "watch.yaml", "--json")
    assert run.wait() == 0, run.log
    out = furnished.folder / "out"
    found = runs.by_origin(out / "everything.jsonl")
    wanted = {"gate": ("people", "faces"), "yard": ("people", "faces"), "hall": ("faces",), "lane": ("people",)}
    assert {origin: [line["frame_id"] for line in lines] for origin, lines in found.items()} == {
        f"{source}:{model}": list(range(1, FRAMES + 1)) for source, models in wanted.items() for model in models
    }
    classes = {line["model"]: line["predictions"][0]["class"] for lines in found.values() for line in lines}
    assert classes == {"people": "one", "faces": "two"}
    assert sorted(path.name for path in out.glob("*-faces.jsonl")) == [
        f"{s}-faces.jsonl" for s in ("gate", "hall", "yard")
    ]
    for source in ("gate", "yard", "hall", "lane"):
        with av.open(str(out / f"{source}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == FRAMES
    (told,) = run.events("source_finished", source="gate")
    shown = form(block(PAGE, "output: summary"))[0]  # of a live stream that has dropped some
    assert form(told["message"])[0].replace("none", "# faces superseded") == shown


def test_its_line_is_one_that_is_written(furnished: Workplace) -> None:
    assert furnished.start("run", "watch.yaml").wait() == 0
    shown = block(PAGE, "output: line").partition(", …")[0]
    written = [json.loads(line) for line in (furnished.folder / "out" / "everything.jsonl").read_text().splitlines()]
    keys = list(json.loads(shown + "}"))
    assert all(list(line)[: len(keys)] == keys for line in written)


FINDER = """
class Finder:
    def __init__(self, device):
        self.device = device

    def infer(self, frames):
        box = {"x": 5, "y": 5, "width": 4, "height": 4, "confidence": 0.9, "class": self.device}
        return [[box] for _ in frames]
"""


def test_one_model_on_two_gpus(furnished: Workplace) -> None:
    furnished.write("gpus.yaml", block(PAGE, "example: gpus.yaml"))
    furnished.write("finder.py", FINDER)
    assert furnished.start("run", "gpus.yaml").wait() == 0
    found = runs.by_source(furnished.folder / "out" / "predictions.jsonl")
    devices = {source: {line["predictions"][0]["class"] for line in lines} for source, lines in found.items()}
    assert devices == {"gate": {"cuda:0"}, "yard": {"cuda:0"}, "hall": {"cuda:1"}}
    assert {source: len(lines) for source, lines in found.items()} == dict.fromkeys(devices, FRAMES)
