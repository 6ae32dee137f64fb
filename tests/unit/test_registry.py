"""Finding kinds by name, in tables and entry points."""

from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

import mpipeline.sinks
from mpipeline import registry
from mpipeline.errors import ConfigError, MissingDependency, UnknownKind


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module `other_people` with a class `Thing` that has a class `Inner`."""
    made = types.ModuleType("other_people")
    made.__dict__["Thing"] = type("Thing", (), {"Inner": type("Inner", (), {})})
    monkeypatch.setitem(sys.modules, "other_people", made)
    return made


def entry(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, "mpipeline.sinks")


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [entry("thing", "other_people:Thing [extra]"), entry("jsonl", "other_people:Thing")]
    monkeypatch.setattr(registry, "_entry_points", lambda group: found)


@pytest.mark.parametrize("group", ["sources", "models", "backends", "sinks"])
def test_every_package_has_a_table(group: registry.Group) -> None:
    table = registry.kinds(group)
    assert table
    assert all(path.startswith(f"mpipeline.{group}.") and ":" in path for path in table.values())


def test_entry_points_add_kinds_but_replace_none(module: types.ModuleType, entries: None) -> None:
    assert registry.load("sinks", "thing") is module.__dict__["Thing"]
    assert registry.kinds("sinks")["jsonl"] == mpipeline.sinks.KINDS["jsonl"]


def test_an_unknown_kind_is_answered_with_the_nearest(entries: None) -> None:
    with pytest.raises(UnknownKind, match=r"unknown sink kind 'jsnol'; did you mean 'jsonl'\?"):
        registry.load("sinks", "jsnol")
    with pytest.raises(
        UnknownKind,
        match=r"unknown sink kind 'xyz'; valid: console, .*, python, redis, thing, udp, video, webhook, zmq",
    ):
        registry.load("sinks", "xyz")


def test_resolve_finds_dotted_attributes(module: types.ModuleType) -> None:
    assert registry.resolve("other_people:Thing.Inner") is module.__dict__["Thing"].Inner


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other_people", "expected 'module:attribute'"),
        (":Thing", "expected 'module:attribute'"),
        ("other_people:", "expected 'module:attribute'"),
        ("no_such_people:Thing", "cannot import 'no_such_people': ModuleNotFoundError"),
        ("other_people:Thnig", "module 'other_people' has no 'Thnig'; did you mean 'Thing'"),
        ("other_people:Thing.Outer", r"module 'other_people' has no 'Thing\.Outer'"),
    ],
)
def test_resolve_says_what_is_wrong(path: str, message: str, module: types.ModuleType) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        registry.resolve(path)
    assert "expected" in message or caught.value.__cause__ is not None


def test_an_error_of_our_own_passes_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> types.ModuleType:
        raise MissingDependency("tensorrt", "cuda", "backend 'tensorrt'")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingDependency, match=r"pip install 'mpipeline\[cuda\]'"):
        registry.resolve("a:b")


@pytest.mark.parametrize(
    ("name", "text"),
    [("vidoe", "; did you mean 'video'?"), ("vid", "; did you mean 'video'?"), ("q", "; valid: synthetic, video")],
)
def test_suggestion(name: str, text: str) -> None:
    assert registry.suggestion(name, ["video", "synthetic"]) == text


def test_suggestion_may_be_silent() -> None:
    assert registry.suggestion("q", ["video"], list_all=False) == ""
