"""docs/reliability.md: a fault without a test is not in its tables."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"([\w/]+\.py)::(\w+)", PAGE)))


def test_there_are_tables() -> None:
    assert len(NAMED) > 60


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_it_names_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_every_row_names_a_test() -> None:
    behind = PAGE.split("## Workers that die or hang")[1]
    rows = [line for line in behind.splitlines() if line.startswith("|") and not line.startswith(("|---", "| fault"))]
    assert rows
    assert [row for row in rows if ".py::" not in row and "the same test" not in row] == []
