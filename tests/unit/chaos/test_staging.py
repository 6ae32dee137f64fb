"""Staging: everything that a struck run writes lies in its own folder, and its name is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpipeline.chaos.staging import LEDGER, SUPERVISION, Stage, chaos_name, moved, staged
from mpipeline.config import RunConfig

PYTHON = {"kind": "python", "name": "mine", "target": "counting:Counting"}


def stage(*sinks: dict[str, Any], keep: bool = False, **more: Any) -> Stage:
    mapping = {
        "name": "shop",
        "sources": [{"kind": "synthetic", "name": "a", "count": 3}],
        "model": {"target": "some:Detector"},
        "sinks": list(sinks),
        **more,
    }
    return staged(RunConfig.from_mapping(mapping), Path("/tmp/there"), keep_sinks=keep)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("out.jsonl", "/w/out.jsonl"),
        ("/srv/data/out.jsonl", "/w/out.jsonl"),
        ("out/{source}.mp4", "/w/{source}.mp4"),
        ("/srv/{source}/day/lines.jsonl", "/w/{source}/day/lines.jsonl"),
        ("../../up.jsonl", "/w/up.jsonl"),
    ],
)
def test_a_path_is_moved_with_what_tells_sources_apart(path: str, expected: str) -> None:
    assert moved(path, Path("/w")) == expected


def test_files_lie_below_the_folder_and_a_ledger_is_added() -> None:
    made = stage({"kind": "jsonl", "path": "/srv/out.jsonl"}, {"kind": "video", "path": "{source}.mp4", "crf": 30})
    paths = [sink.options.path for sink in made.config.sinks]
    assert paths == ["/tmp/there/jsonl/out.jsonl", "/tmp/there/video/{source}.mp4", str(made.ledger)]
    assert made.config.sinks[1].options.crf == 30
    assert [sink.name for sink in made.sinks] == ["jsonl", "video", LEDGER]
    assert all(sink.exact for sink in made.sinks)
    assert made.left_out == ()


def test_code_of_the_users_own_is_left_out() -> None:
    made = stage(PYTHON)
    assert made.left_out == ("mine",)
    assert [sink.name for sink in made.config.sinks] == [LEDGER]


def test_code_that_is_kept_writes_its_path_into_the_folder() -> None:
    made = stage({**PYTHON, "options": {"path": "/srv/mine.csv", "limit": 3}}, keep=True)
    assert made.left_out == ()
    assert made.config.sinks[0].options.options == {"path": "/tmp/there/mine/mine.csv", "limit": 3}
    assert not made.sinks[0].exact, "it is promised every frame at least once"


def test_restarts_are_quick_and_the_rest_of_the_config_stays() -> None:
    made = stage(supervision={"healthy_after": 7.0}, batching={"max_size": 3})
    given = made.config.supervision.model_dump()
    assert given.items() >= {**SUPERVISION, "healthy_after": 7.0}.items()
    assert made.config.batching.max_size == 3


def test_the_name_is_not_that_of_the_users_run_and_short_enough() -> None:
    assert stage().config.name == "shop-chaos"
    assert len(chaos_name("x" * 40)) == 40


def test_a_filter_stays_but_passes_more_than_changes() -> None:
    made = stage({"kind": "jsonl", "path": "x.jsonl", "filter": {"classes": ["cat"], "on_change": True}})
    [sink, _] = made.config.sinks
    assert sink.filter is not None
    assert (sink.filter.classes, sink.filter.on_change) == (("cat",), False)
