"""Files and functions: how long, what they are called, and that each tells its job."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from architecture.source_tree import ROOT, python_files, relative, tree_of

FORBIDDEN = ("utils", "util", "helpers", "helper", "common", "manager", "handler", "misc")
LONGEST_FILE = 300
LONGEST_FUNCTION = 60
CODE = ("mpipeline", "tests", "benchmarks", "docs")


def native_files() -> list[Path]:
    return sorted(
        path for ending in ("cpp", "hpp", "cu", "cuh", "h") for path in (ROOT / "native").rglob(f"*.{ending}")
    )


def test_no_file_has_more_than_one_job() -> None:
    lengths = {relative(path): len(path.read_bytes().splitlines()) for path in [*python_files(*CODE), *native_files()]}
    assert not {file: length for file, length in lengths.items() if length > LONGEST_FILE}


def test_no_function_is_two_functions() -> None:
    wrong = {}
    for path in python_files("mpipeline"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    wrong[f"{relative(path)}:{node.lineno} {node.name}"] = length
    assert not wrong


def test_no_module_has_a_name_that_says_nothing() -> None:
    files = [*python_files(*CODE), *native_files()]
    parts = {relative(path): {*path.relative_to(ROOT).with_suffix("").parts} for path in files}
    wrong = [
        file
        for file, names in parts.items()
        if any(word in FORBIDDEN for name in names for word in name.lower().split("_"))
    ]
    assert not wrong


@pytest.mark.parametrize("folder", ["mpipeline", "tests", "docs"])
def test_every_file_tells_its_job_in_its_first_sentence(folder: str) -> None:
    silent = [
        relative(path)
        for path in python_files(folder)
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree_of(path))
    ]
    assert not silent


def test_nothing_happens_when_a_module_is_loaded() -> None:
    """At module level stand definitions; a call that is no value of a name would be an action."""
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files("mpipeline")
        if path.name != "__main__.py"
        for node in tree_of(path).body
        if isinstance(node, (ast.For, ast.While, ast.With))
        or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    ]
    assert not wrong
