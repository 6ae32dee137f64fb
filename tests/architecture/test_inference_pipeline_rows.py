"""The promises of `InferencePipeline`: each has tests that exist, and the docs tell each that is kept otherwise."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest
from conformance.inference_pipeline_flow_rows import BATCHES, SINKS, STATES, STRATEGIES
from conformance.inference_pipeline_report_rows import EVENTS, PREDICTIONS, READY_MADE_SINKS, WATCHDOG
from conformance.inference_pipeline_rows import METHODS, PARAMETERS, Row

from mpipeline.inference_pipeline import events, sinks
from mpipeline.inference_pipeline.choices import BufferConsumptionStrategy, BufferFillingStrategy, SinkMode
from mpipeline.inference_pipeline.pipeline import InferencePipeline

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("inference-pipeline.md", "migration.md")
)
ROWS = (
    *PARAMETERS,
    *METHODS,
    *STATES,
    *STRATEGIES,
    *BATCHES,
    *SINKS,
    *READY_MADE_SINKS,
    *PREDICTIONS,
    *EVENTS,
    *WATCHDOG,
)


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def told(row: Row) -> str:
    return f"{row.of}: {row.promise}"


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("row", ROWS, ids=told)
def test_the_tests_of_every_promise_are_there(row: Row) -> None:
    assert row.tests
    for test in row.tests:
        file, _, function = test.partition("::")
        assert function in functions_of(file), test


def test_what_is_different_is_told_in_the_docs() -> None:
    pages = plain(PAGES)
    assert [told(row) for row in ROWS if plain(row.differs) not in pages] == []


def test_every_parameter_has_a_row() -> None:
    methods = (InferencePipeline.init, InferencePipeline.init_with_custom_logic)
    parameters = {name for method in methods for name in inspect.signature(method).parameters}
    assert {row.of for row in PARAMETERS} == parameters


def test_every_method_has_a_row() -> None:
    public = {name for name in vars(InferencePipeline) if not name.startswith("_")}
    assert public | {"environment"} == {row.of for row in METHODS}


def test_every_strategy_and_every_mode_of_sinks_has_a_row() -> None:
    strategies = {member.name for kind in (BufferFillingStrategy, BufferConsumptionStrategy) for member in kind}
    assert strategies <= {row.of for row in STRATEGIES}
    assert {member.name for member in SinkMode} <= {row.of for row in SINKS}


def test_every_event_and_every_ready_made_sink_has_a_row() -> None:
    assert {row.of for row in EVENTS} == set(events.EVENTS)
    assert set(sinks.__all__) <= {row.of for row in READY_MADE_SINKS}


def test_every_example_is_told_of() -> None:
    examples = sorted((ROOT / "docs" / "examples").glob("*.py"))
    assert examples
    assert [path.name for path in examples if f"](examples/{path.name})" not in PAGES] == []
