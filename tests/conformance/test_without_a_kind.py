"""A kind is its file and its line: without both everything else works."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from support import media

import mpipeline
from mpipeline import registry

TESTS = Path(__file__).parents[1]
PACKAGE = Path(mpipeline.__file__).parent
GROUPS: tuple[registry.Group, ...] = get_args(registry.Group)
TABLES = {
    group: {kind: path for kind, path in registry.kinds(group).items() if registry.is_builtin(group, kind)}
    for group in GROUPS
}

# What a kind must be told; one that is absent here is told nothing.
SOURCES: Mapping[str, dict[str, Any]] = {
    "video": {"uri": "a.mp4"},
    "playlist": {"uris": ["a.mp4"]},
    "images": {"uri": "photos"},
    "device": {"uri": 0},
    "synthetic": {"count": 5},
    "python": {"target": "support.cameras:Clip"},
    "callable": {"target": "support.producers:clip"},
    "gstreamer": {"gstreamer": "videotestsrc ! appsink"},
}
SINKS: Mapping[str, dict[str, Any]] = {
    "jsonl": {"path": "a.jsonl"},
    "csv": {"path": "a.csv"},
    "video": {"path": "{source}-drawn.mp4"},
    "images": {"path": "out"},
    "udp": {"host": "127.0.0.1", "port": 9},
    "python": {"target": "support.sinks:Appending", "wants_frames": False},
    "database": {"url": "sqlite:///a.db"},
    "mqtt": {"url": "mqtt://127.0.0.1"},
    "redis": {"url": "redis://127.0.0.1"},
    "webhook": {"url": "http://127.0.0.1/"},
    "zmq": {"bind": "tcp://127.0.0.1:*"},
}


@pytest.mark.parametrize("group", GROUPS)
def test_the_rest_works_without_it(group: registry.Group, tmp_path: Path) -> None:
    """Of each kind of the group: loads all that are left, prints the schema, checks a config of them all."""
    cases = [without(group, kind, tmp_path / kind) for kind in TABLES[group]]
    told = subprocess.run(
        [sys.executable, "-m", "support.without_kind"],
        input=json.dumps(cases),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {}, told.stderr


def without(group: registry.Group, kind: str, folder: Path) -> dict[str, Any]:
    """The case of that kind in that folder: a copy of the package without its file and line, and files for sources.

    What is compiled is copied as well, and saves most of the time.
    """
    copy = folder / "mpipeline"
    shutil.copytree(PACKAGE, copy, copy_function=linked)
    module = TABLES[group][kind].partition(":")[0]
    (folder / module.replace(".", "/")).with_suffix(".py").unlink()
    table = copy / group / "__init__.py"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    left = [line for line in lines if f'"{kind}": "{module}:' not in line]
    assert len(left) == len(lines) - 1
    table.unlink()  # written anew: the file may be the package's own by another name
    table.write_text("".join(left), encoding="utf-8")
    linked(media.video(), folder / "a.mp4")
    shutil.copytree(media.pictures(5), folder / "photos", copy_function=linked)
    return {"folder": str(folder), "group": group, "kind": kind, **tried(group, kind)}


def linked(file: str | Path, to: str | Path) -> None:
    """The same file by another name, or a copy where that cannot be."""
    with contextlib.suppress(OSError):
        os.link(file, to)
        return
    shutil.copy2(file, to)


def tried(group: registry.Group, gone: str) -> dict[str, Any]:
    """What else than loading may notice that this kind is gone: a config, and backends that load the demo's model."""
    if group == "trackers":
        return {"config": None, "backends": []}
    if group == "models":
        return {"config": None, "backends": ["onnxruntime"] if gone != "yolo" else []}  # of which that model is
    backends = [one for one in ("auto", "onnxruntime", "openvino") if one != gone] if group == "backends" else []
    return {"config": rest(group, gone), "backends": backends}


def rest(group: registry.Group, gone: str) -> dict[str, Any]:
    """A config of all source and sink kinds but that one."""

    def others(of: registry.Group, told: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        kinds = [kind for kind in TABLES[of] if (of, kind) != (group, gone)]
        return [{"name": f"{of}-{kind}", "kind": kind, **told.get(kind, {})} for kind in kinds]

    model: dict[str, Any] = {"target": "support.detectors:Fingerprint"}
    if (group, gone) == ("backends", "python"):
        model = {"path": str(PACKAGE / "demo" / "detector.onnx"), "backend": "onnxruntime"}
    return {"sources": others("sources", SOURCES), "model": model, "sinks": others("sinks", SINKS)}
