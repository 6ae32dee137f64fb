"""What is installed: Python, the package with its native module, its libraries, its extras, and its kinds."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from typing import get_args

from mpipeline import registry
from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import MpipelineError
from mpipeline.registry import Group
from mpipeline.trackers.library import INSTALL

_PACKAGE = "mpipeline"
_LEAST_PYTHON = (3, 10)
_NOT_SHOWN = (
    "test",
    "benchmarks",
    "train",
    "gstreamer",
)  # for those who work on the package; told of in a section of its own
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_BESIDES = {"tracking": {"trackers": INSTALL}}  # extra → what it cannot bring, and how that is installed
_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
_IN_PLACE = {"onnxruntime": ("onnxruntime-gpu",)}  # packages that bring the same module, for which one may be changed


def installation(subject: str) -> Findings:
    """Python, the package and what it cannot do without."""
    version = platform.python_version()
    level = Level.OK if sys.version_info >= _LEAST_PYTHON else Level.BROKEN
    yield Finding(subject, "python", level, f"{version}, {sys.executable}", "" if level is Level.OK else "Python 3.10")
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    is_linux = platform.system() == "Linux"
    yield Finding(subject, "system", Level.OK if is_linux else Level.BROKEN, system, "" if is_linux else "use Linux")
    yield _package(subject)
    lacking = [name for name in _needed() if not any(_version(one) for one in (name, *_IN_PLACE.get(name, ())))]
    text = f"not installed: {', '.join(lacking)}" if lacking else f"{len(_needed())} needed ones are installed"
    level, remedy = (Level.BROKEN, f"pip install {' '.join(lacking)}") if lacking else (Level.OK, "")
    yield Finding(subject, "libraries", level, text, remedy)
    if others := [name for name in _OPENCV if _version(name) is not None]:
        both = f"pip uninstall -y {' '.join(others)} && pip install --force-reinstall --no-deps opencv-python-headless"
        text = f"{', '.join(others)} and opencv-python-headless overwrite each other's files"
        yield Finding(subject, "opencv", Level.WARNING, text, both)
    for name, others_of_it in _IN_PLACE.items():
        pair = [one for one in (name, *others_of_it) if _version(one) is not None]
        if len(pair) > 1:
            text = f"{' and '.join(pair)} overwrite each other's files"
            remedy = f"pip uninstall -y {' '.join(pair)} && pip install {pair[-1]}"
            yield Finding(subject, name, Level.WARNING, text, remedy)


def extras(subject: str) -> Findings:
    """What can be installed besides, and with which command."""
    for extra, libraries in _extras().items():
        besides = _BESIDES.get(extra, {})
        found = {name: _version(name) for name in (*libraries, *besides)}
        lacking = [name for name, version in found.items() if version is None]
        if lacking:
            own = [f"pip install 'mpipeline[{extra}]'"] if any(name in libraries for name in lacking) else []
            command = " && ".join([*own, *(install for name, install in besides.items() if name in lacking)])
            yield Finding(subject, extra, Level.MISSING, f"not installed: {', '.join(lacking)}", command)
        else:
            yield Finding(subject, extra, Level.OK, ", ".join(f"{name} {found[name]}" for name in found))


def kinds(subject: str) -> Findings:
    """Whether the kinds load that can be named in a config, those of other packages included."""
    for group in get_args(Group):
        found = sorted(registry.kinds(group))
        wrong: dict[str, str] = {}
        for kind in found:
            try:
                registry.load(group, kind)
            except MpipelineError as error:
                wrong[kind] = str(error)
        for kind, text in wrong.items():
            level = Level.BROKEN if registry.is_builtin(group, kind) else Level.WARNING
            yield Finding(subject, f"{group}: {kind}", level, text, "install its package again, or remove it")
        yield Finding(subject, group, Level.OK, ", ".join(kind for kind in found if kind not in wrong))


def _package(subject: str) -> Finding:
    version = _version(_PACKAGE) or "unknown"
    try:
        native = registry.resolve("mpipeline.ring.inspection:slot_use").__module__
        where = os.path.dirname(os.path.dirname(sys.modules[native].__file__ or ""))
    except MpipelineError as error:
        remedy = "pip install --force-reinstall --no-deps . in a clone, with a C++20 compiler"
        return Finding(subject, _PACKAGE, Level.BROKEN, f"{version}, its native module does not load: {error}", remedy)
    return Finding(subject, _PACKAGE, Level.OK, f"{version} with its native module, {where}")


def _needed() -> list[str]:
    return [_name_of(line) for line in _requirements() if not _EXTRA.search(line)]


def _extras() -> dict[str, list[str]]:
    """Extra → the libraries that it brings."""
    found: dict[str, list[str]] = {}
    for line in _requirements():
        extra = _EXTRA.search(line)
        if extra is not None and extra[1] not in _NOT_SHOWN:
            found.setdefault(extra[1], []).append(_name_of(line))
    return dict(sorted(found.items()))


def _requirements() -> list[str]:
    try:
        return metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:  # run from a source tree
        return []


def _name_of(requirement: str) -> str:
    name = _NAME.match(requirement)
    return name.group() if name is not None else requirement


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
