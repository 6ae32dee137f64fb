"""The shipped fakes go through the checks of the real sources and sinks, as if they were kinds of the registry."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpipeline import registry


def suite(name: str) -> Any:
    """The module of that name in this folder."""
    spec = importlib.util.spec_from_file_location(f"{name}_for_fakes", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sink_suite, source_suite = suite("test_sinks"), suite("test_sources")
FAKES = {"sources": "mpipeline.testing.fakes:FakeSource", "sinks": "mpipeline.testing.fakes:FakeSink"}


def checks(holder: Any, *parameters: str) -> list[Any]:
    """The tests of a suite that need nothing but these parameters."""
    found = [value for name, value in vars(holder).items() if name.startswith("test_")]
    return [one for one in found if tuple(inspect.signature(one).parameters) == parameters]


def about_files(check: Callable[..., Any]) -> bool:
    kinds = (sink_suite.BUILTIN, sink_suite.ON_DISK)
    return any(mark.args[1] is one for mark in getattr(check, "pytestmark", []) for one in kinds)


SINK_CHECKS = [one for one in checks(sink_suite, "kind", "tmp_path") if not about_files(one)]
# One looks into another process, where the fake is no kind of the registry.
ELSEWHERE = "test_nothing_heavy_is_imported_before_open"
SOURCE_CHECKS = [one for one in checks(source_suite.TestEveryKind, "self", "kind") if one.__name__ != ELSEWHERE]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry._builtin
    monkeypatch.setattr(registry, "_builtin", lambda group: {**real(group), "fake": FAKES.get(group, "")})
    monkeypatch.setitem(source_suite.FINITE, "fake", lambda count: {"frames": count, "rate": 15.0})


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
def test_the_source(check: Callable[..., None]) -> None:
    check(source_suite.TestEveryKind(), "fake")


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
def test_the_sink(check: Callable[..., None], tmp_path: Path) -> None:
    check("fake", tmp_path)


def test_the_suites_were_found() -> None:
    assert len(SOURCE_CHECKS) > 5
    assert len(SINK_CHECKS) > 3
