"""docs/troubleshoot.md quotes only what the code says, and knows every reason of a source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mpipeline.errors import Reason

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshoot.md").read_text(encoding="utf-8")
OTHERS = ("pip:", "`ImportError", "exit code", "boxes are", "it is slow")  # what others say, and what is seen
OF_WORKERS = {
    "ring_damaged",
    "write_failed",
    "crashed",
    "memory_limit",
    "cpu_limit",
    "gpu_lost",
    "failed",
}  # told in other places


def said() -> list[str]:
    """Every text constant of the package; of texts with placeholders the parts between them."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "mpipeline").rglob("*.py"))
    return [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def first_cells() -> list[str]:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    return [cell for cell in rows if cell not in ("message", "reason") and not cell.startswith(OTHERS)]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return said()


@pytest.mark.parametrize("cell", first_cells())
def test_what_it_quotes_is_said(cell: str, texts: list[str]) -> None:
    quoted = re.findall(r"`([^`]+)`", cell)
    assert quoted, cell
    for part in (part.strip() for text in quoted for part in re.split("[…]|sinks\\[", text)):
        assert any(part in text for text in texts), part


def test_every_reason_of_a_source_has_its_row() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert {reason.value for reason in Reason} - OF_WORKERS <= told
