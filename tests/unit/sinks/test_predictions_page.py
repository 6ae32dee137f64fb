"""docs/predictions.md: what it shows is what its sink writes of such findings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.pages import block
from support.predictions import found, meta

from mpipeline import registry
from mpipeline.config.schema import SinkSpec
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Classification, Failure, Prediction

PAGE = "docs/predictions.md"


def frame(frame_id: int) -> FrameMeta:
    return meta("gate", frame_id, size=(1920, 1080))


def classes(*scores: tuple[str, int, float], multi_label: bool = False) -> Classification:
    names, ids, numbers = zip(*scores, strict=True)
    return Classification(np.array(numbers, np.float32), np.array(ids, np.int32), names, multi_label, 0.5)


LINES = {
    "lines": [
        Prediction(frame(3), found((10, 20, 30, 60))),
        Prediction(frame(4), None, Failure("inference_failed", "ValueError: the engine fell over")),
    ],
    "class": [Prediction.of(frame(3), classes(("cat", 2, 0.8124), ("dog", 5, 0.125)))],
    "classes": [Prediction.of(frame(3), classes(("dark", 0, 0.625), ("wet", 1, 0.25), multi_label=True))],
}


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, one after the other, each perhaps over several lines."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:].strip()


@pytest.mark.parametrize("shown", LINES)
def test_it_is_what_the_sink_of_the_page_writes(shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [given] = yaml.safe_load(block(PAGE, "example: jsonl"))["sinks"]
    spec = SinkSpec.from_mapping({"name": "jsonl", **given})
    sink = registry.load("sinks", spec.kind)("jsonl", spec.options)
    sink.open(resume=False)
    for prediction in LINES[shown]:
        sink.write(prediction, None)
    sink.close()
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    told = list(objects(block(PAGE, f"output: {shown}").replace(" …,", "")))
    assert len(told) == len(written)
    for one, whole in zip(told, written, strict=True):
        assert one == {key: whole[key] for key in one}
        assert list(one) == [key for key in whole if key in one]
    if shown == "lines":
        assert told == written
