"""Code blocks of the project's pages, which tests run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def block(page: str, mark: str) -> str:
    """The code block that follows `<!-- mark -->` in a page, given by its path from the project's folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no block {mark!r}"
    return found[1]


def marks(page: str) -> list[str]:
    """The marks of all its code blocks, in order."""
    return re.findall(r"<!-- (.*?) -->\n```", (ROOT / page).read_text(encoding="utf-8"))


def unmarked(page: str) -> int:
    """How many code blocks have none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return len(re.findall(r"^```\w", text, re.MULTILINE)) - len(marks(page))
