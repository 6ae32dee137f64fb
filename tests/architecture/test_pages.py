"""No code block of README.md and docs/ is untried: a test runs it from the text, or it is told here why not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.pages import PAGES, ROOT, Block, benchmark_commands, blocks, text_of

BLOCKS = [one for page in PAGES for one in blocks(page)]
INSTALLS = "changes what is installed; the names in it are looked at below"
NOT_RUN = {
    ("docs/migration.md", "command: install"): INSTALLS,
    ("docs/tracking.md", "command: install"): INSTALLS,
    ("docs/tracking.md", "command: repair"): INSTALLS,
    ("docs/one-frame.md", "drawing: processes"): "a drawing",
    ("docs/gpu.md", "command: kernels"): "needs the CUDA toolkit",
    ("docs/sources.md", "command: gstreamer"): "installs packages of Debian",
}
# Pages of commands for systemd and engines of containers: all are linted; those that no test names are not run here.
LINTED = ("docs/deploy.md", "docs/jetson.md")


def constants_of(path: Path) -> set[str]:
    """Every text constant of a file, of texts with placeholders their parts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


TESTS = [constants_of(path) for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]


def is_run(block: Block) -> bool:
    """Whether a test speaks of this page, and of this mark: as a whole, or as kind and name."""
    kind, colon, name = block.mark.partition(": ")
    of_page = [texts for texts in TESTS if block.page in texts]
    return any(block.mark in texts or (colon and {kind + colon, name} <= texts) for texts in of_page)


def is_benchmark(block: Block) -> bool:
    """Whether it is the command of a benchmark, which takes minutes: only its options are tested, of all of them."""
    return block.text.startswith("python -m benchmarks.") and block.text.count("\n") == 1


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_found(page: str) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", text_of(page), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page))


def test_every_block_has_a_mark_of_its_own() -> None:
    unmarked = [f"{one.page}, block {one.number}" for one in BLOCKS if not one.mark and not is_benchmark(one)]
    assert not unmarked
    marks = [(one.page, one.mark) for one in BLOCKS if one.mark]
    assert len(set(marks)) == len(marks)


def test_every_block_is_run_or_told_why_not() -> None:
    escaped = [
        f"{one.page}, <!-- {one.mark} -->"
        for one in BLOCKS
        if not is_benchmark(one) and not is_run(one)
        if one.page not in LINTED and (one.page, one.mark) not in NOT_RUN
    ]
    assert not escaped


def test_what_is_named_here_is_there_and_not_run() -> None:
    known = {(one.page, one.mark): one for one in BLOCKS}
    assert set(NOT_RUN) <= set(known)
    assert not [place for place in NOT_RUN if is_run(known[place])]


def test_benchmarks_are_among_those_whose_options_are_tested() -> None:
    shown = {one.text.removeprefix("python -m benchmarks.").strip() for one in BLOCKS if is_benchmark(one)}
    assert shown
    assert shown <= set(benchmark_commands())


@pytest.mark.parametrize("page", PAGES)
def test_every_extra_that_is_installed_exists(page: str) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^(\w+) = ", section, re.MULTILINE))
    asked = {one for group in re.findall(r"'(?:mpipeline|\.)\[([\w,]+)\]'", text_of(page)) for one in group.split(",")}
    assert asked <= extras
