"""The project's Python files as syntax trees, for the tests of the house rules."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Import:
    """One import: the module that is named, where, and whether at module level (and not only for the type checker)."""

    module: str
    file: str
    line: int
    on_load: bool


def python_files(*folders: str) -> list[Path]:
    """All Python files under the folders of the project."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> list[Import]:
    """Every import in a file, `from a import b` as both a and a.b."""
    return list(_imports(tree_of(path), relative(path), True))


def _imports(node: ast.AST, file: str, on_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, file, child.lineno, on_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = child.module or ""
            yield Import(module, file, child.lineno, on_load)
            yield from (Import(f"{module}.{alias.name}", file, child.lineno, on_load) for alias in child.names)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_type_checking(child):
            yield from _imports(child, file, False)
        else:
            yield from _imports(child, file, on_load)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def names_used(path: Path, module: str) -> set[tuple[str, int]]:
    """The attributes of `module` that a file uses as `module.x` or imports from it, with their lines."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module:
            found.add((node.attr, node.lineno))
        elif isinstance(node, ast.ImportFrom) and node.module == module:
            found |= {(alias.name, node.lineno) for alias in node.names}
    return found
