"""The key `tracker`: a kind, or a mapping with its options; what is wrong with either is told with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpipeline.config.load import load_config
from mpipeline.config.schema import RunConfig
from mpipeline.errors import ConfigError

GOOD = "sources: [{uri: shop.mp4}]\nmodel: {path: model.onnx}\nsinks: [{kind: box, path: out}]\n"


def config(tracker: Any) -> RunConfig:
    return RunConfig.from_mapping({"sources": [{"uri": "a"}], "model": {"path": "m"}, "tracker": tracker})


def test_a_kind_means_its_defaults() -> None:
    short, long = config("bytetrack"), config({"kind": "bytetrack"})
    assert short == long
    assert short.tracker is not None
    assert short.tracker.options.lost_after == 1.0
    assert config(None).tracker is None


def test_it_travels_as_a_mapping() -> None:
    given = config({"kind": "sort", "lost_after": 3})
    mapping = json.loads(json.dumps(given.to_mapping()))
    assert mapping["tracker"] == {"kind": "sort", "lost_after": 3.0}
    assert RunConfig.from_mapping(mapping) == given


@pytest.mark.parametrize("override", ["tracker=ocsort", "tracker.kind=ocsort"])
def test_an_override_adds_it(folder: Path, override: str) -> None:
    (folder / "cams.yaml").write_text(GOOD)
    found = load_config(Path("cams.yaml"), [override])
    assert found.tracker is not None
    assert found.tracker.kind == "ocsort"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tracker: bytetrak", "4:1: tracker.kind: unknown tracker kind 'bytetrak'; did you mean 'bytetrack'?"),
        ("tracker: 5", "4:1: tracker: expected a kind such as 'bytetrack', or a mapping with 'kind', got 5"),
        ("tracker: [sort]", "4:1: tracker: expected a kind such as 'bytetrack', or a mapping with 'kind', got a list"),
        ("tracker: {}", "4:1: tracker.kind: missing; expected one of bytetrack, ocsort, sort"),
        ("tracker: {lost_after: 3}", "4:1: tracker.kind: missing; expected one of bytetrack, ocsort, sort"),
        ("tracker: {kind: sort, delta_t: 3}", "4:23: tracker.delta_t: unknown key"),
        ("tracker: {kind: sort, name: mine}", "4:23: tracker.name: unknown key"),
        (
            "tracker: {kind: sort, lost_after: soon}",
            "4:23: tracker.lost_after: expected a number between 0 and 3600, got 'soon'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(folder: Path, line: str, said: str) -> None:
    (folder / "cams.yaml").write_text(GOOD + line + "\n")
    with pytest.raises(ConfigError) as caught:
        load_config(Path("cams.yaml"))
    assert str(caught.value).startswith(f"cams.yaml:{said}")
