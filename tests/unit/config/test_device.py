"""`device` of a model: one, or a list of them."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config.device import only
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ConfigError


def spec(device: Any) -> ModelSpec:
    return ModelSpec.from_mapping({"target": "m:Model", "device": device})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "cuda:15", "mps", "npu"])
def test_one(device: str) -> None:
    made = spec(device)
    assert only(made.device) == device
    assert ModelSpec.from_mapping(made.to_mapping()) == made


def test_several() -> None:
    made = spec(["cuda:0", "cuda:1", "cpu"])
    assert made.device == ("cuda:0", "cuda:1", "cpu")
    assert ModelSpec.from_mapping(made.to_mapping()) == made
    with pytest.raises(ConfigError, match="one device, not on cuda:0 and cuda:1"):
        only(made.device)
    assert only(spec(["cuda:1"]).device) == "cuda:1"


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu", "expected cuda, or cuda:1 for the second GPU and so on, got 'gpu'"),
        ("cuda1", "got 'cuda1'"),
        ("CUDA:0", "got 'CUDA:0'"),
        ("cuda:-1", "got 'cuda:-1'"),
        (["cuda:0", "gpu:1"], "got 'gpu:1'"),
        (["cuda:0", "cuda:0"], "named twice"),
        (["auto", "cuda:0"], "'auto' is none of them"),
        ([], "expected auto, cpu, cuda or cuda:1, or a list of them"),
        ("", "expected auto, cpu, cuda or cuda:1, or a list of them"),
        (1, "device"),
    ],
)
def test_what_it_cannot_be(device: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        spec(device)
