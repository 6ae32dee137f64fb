"""docs/migration.md: the import lines that it promises work."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "migration.md").read_text(encoding="utf-8")
LINES = re.findall(r"\| `from (mpipeline[\w.]*) import ([\w, ]+)` \|", PAGE)
NAMES = [(module, name) for module, names in LINES for name in names.split(", ")]


def test_0_the_page_has_the_lines() -> None:
    assert len(LINES) > 8
    assert len(NAMES) > 20


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_0_every_name_can_be_imported_from_where_the_page_says(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_0_what_is_not_offered_cannot_be_imported() -> None:
    paragraph = PAGE.partition("Not offered are")[2].partition("In their place")[0]
    names = re.findall(r"`(\w+)`", paragraph)
    assert len(names) == 5
    homes = [importlib.import_module(home) for home in ("mpipeline", *(module for module, _ in LINES))]
    assert not [name for name in names for home in homes if hasattr(home, name)]
