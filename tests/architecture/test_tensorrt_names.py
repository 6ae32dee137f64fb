"""The table of TensorRT's names is true of the real bindings, and the code uses no other name."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from architecture.source_tree import ROOT, relative, tree_of
from support.tensorrt_bindings import PACKAGES, bindings, names_of

from mpipeline.backends.engines.names import TENSORRT, TENSORRT_RTX, names

BACKENDS = ROOT / "mpipeline" / "backends"
USERS = sorted([*(BACKENDS / "engines").glob("*.py"), *BACKENDS.glob("tensorrt*.py")])

# In these files, variables of these names are objects of these classes.
VARIABLES = {
    "builder.py": {
        "builder": "Builder",
        "cache": "ITimingCache",
        "config": "IBuilderConfig",
        "each": "ITensor",
        "error": "ParserError",
        "learnt": "ITimingCache",
        "network": "INetworkDefinition",
        "parser": "OnnxParser",
        "profile": "IOptimizationProfile",
        "tensor": "ITensor",
    },
    "tensorrt_engine.py": {"_native": "ICudaEngine", "_runtime": "Runtime", "config": "IRuntimeConfig"},
    "tensorrt_kernels.py": {"_cache": "IRuntimeCache", "config": "IRuntimeConfig"},
    "tensorrt_lane.py": {"_context": "IExecutionContext"},
    "library.py": {},
    "stages.py": {},
}
OURS = {
    "DEBUG",
    "free",
    "kind",
    "metadata",
    "precision",
    "read",
    "write",
}  # of what these files have besides, which the API calls so too
Found = tuple[str, dict[str, set[str]]]


@functools.cache
def table() -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for owner, attribute, _ in names():
        known.setdefault(owner, set()).add(attribute)
    return known


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stand-in")


@functools.cache
def found_in(version: str, build: Path) -> Found:
    """What the library of that version has; skips the test if it is absent."""
    if version == TENSORRT_RTX:
        if importlib.util.find_spec("tensorrt_rtx") is None:
            pytest.skip("TensorRT-RTX is not installed: pip install 'mpipeline[tensorrt-rtx]'")
        return names_of("tensorrt_rtx")
    found = bindings(version, build)
    if found is None:
        pytest.skip("the bindings are absent: python tests/support/tensorrt_bindings.py fetches them")
    return found


@pytest.mark.parametrize("version", [*PACKAGES, TENSORRT_RTX])
def test_who_has_what_is_as_the_table_says(version: str, build: Path) -> None:
    text, has = found_in(version, build)
    flavour = version if version == TENSORRT_RTX else TENSORRT
    major, minor = (int(part) for part in text.split(".")[:2])
    wrong = [
        f"{owner}.{name}: expected {expected}"
        for owner, name, span in names()
        if (name in has.get(owner, ())) != (expected := span.holds(flavour, (major, minor)))
    ]
    assert not wrong, f"{flavour} {text}"


def test_the_code_names_nothing_else() -> None:
    """Whatever hangs from the library itself, from `trt` or `module`, or from a variable that holds such an object."""
    wrong = [
        f"{relative(path)}:{line} {owner}.{name}"
        for path in USERS
        for owner, name, line in uses(path)
        if name not in table().get(owner, ()) and f"{owner}.{name}".lstrip(".") not in table()
    ]
    assert not wrong


@pytest.mark.parametrize("version", [*PACKAGES, TENSORRT_RTX])
def test_no_name_of_the_api_is_missing_in_the_table(version: str, build: Path) -> None:
    """Whatever the objects are called in the code: what only the API calls so is the API's."""
    _, has = found_in(version, build)
    api = {name for owner, found in has.items() if owner for name in found if not name.startswith("_")}
    known = {name for found in table().values() for name in found}
    wrong = [
        f"{relative(path)}:{node.lineno} {node.attr}"
        for path in USERS
        if path.name in VARIABLES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in api - known - OURS and not is_of_python(node.attr)
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert not wrong


def is_of_python(name: str) -> bool:
    kinds = (str, bytes, dict, list, set, tuple, Path, property, np.ndarray)
    return any(hasattr(kind, name) for kind in kinds)


def test_no_flag_is_a_number() -> None:
    """A bit means different things in different versions; shifts by more make sizes."""
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in USERS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift)
        if isinstance(node.right, ast.Constant) and node.right.value < 10
    ]
    assert not wrong


def uses(path: Path) -> Iterator[tuple[str, str, int]]:
    """Class, attribute and line of every use of the API in a file, also by getattr and hasattr with a literal."""
    variables = VARIABLES.get(path.name, {})
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            owner, name = owner_of(node.value, variables), node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            if not isinstance(node.args[1], ast.Constant):
                continue
            owner, name = owner_of(node.args[0], variables), str(node.args[1].value)
        else:
            continue
        if owner is not None:
            yield owner, name, node.lineno


def owner_of(node: ast.expr, variables: dict[str, str]) -> str | None:
    """The class of an expression: "" for the library, dotted for what hangs from it, None for all else."""
    if isinstance(node, ast.Name):
        return "" if node.id == "trt" else variables.get(node.id)
    if isinstance(node, ast.Attribute):
        if node.attr in ("module", "_trt"):
            return ""
        if node.attr in variables:  # of an object of ours
            return variables[node.attr]
        inner = owner_of(node.value, {})
        return None if inner is None else f"{inner}.{node.attr}".lstrip(".")
    return None
