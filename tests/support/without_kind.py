"""Tries copies of the package that lack a kind, as a program: each in a fork of its own, which imports the copy.

Reads a JSON list of cases, prints a JSON mapping from the kind to what went wrong, empty if nothing has. A case has the
`folder` in which the copy is and in which files are relative, `group` and `kind` of what is gone, the `config` of the
rest or None, and the `backends` that are to load the demo's model.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, get_args

# Whatever is imported before the fork is imported once.
_SHARED = ("numpy", "pydantic", "yaml", "rich.table", "av", "cv2", "onnxruntime", "openvino", "zmq", "msgpack")


def main() -> None:
    """Tries all cases."""
    for name in _SHARED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    print(json.dumps({case["kind"]: text for case in json.load(sys.stdin) if (text := _tried(case))}))


def _tried(case: dict[str, Any]) -> str:
    """What goes wrong in a fork."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _try(case)
        except BaseException:  # noqa: BLE001 - whatever it is, it is told
            os.write(writing, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as told:
        text = told.read()
    return text if os.waitpid(pid, 0)[1] == 0 else f"it died; {text}"


def _try(case: dict[str, Any]) -> None:
    folder, group, gone = case["folder"], case["group"], case["kind"]
    os.chdir(folder)
    sys.path.insert(0, folder)
    import mpipeline
    from mpipeline import registry

    assert Path(mpipeline.__file__).is_relative_to(folder), mpipeline.__file__
    assert gone not in registry.kinds(group)
    for one in get_args(registry.Group):
        for kind in registry.kinds(one):
            registry.load(one, kind)
    assert f"{gone} ({group})" not in _printed("schema")
    if case["config"] is not None:
        Path("rest.yaml").write_text(json.dumps(case["config"]), encoding="utf-8")  # JSON is YAML
        _printed("check", "rest.yaml")
    for backend in case["backends"]:
        _load(backend)


def _printed(*command: str) -> str:
    from mpipeline.cli import main as cli

    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = cli(list(command))
    assert code == 0, told.getvalue()
    return told.getvalue()


def _load(backend: str) -> None:
    from mpipeline.config import ModelSpec
    from mpipeline.demo import MODEL_PATH
    from mpipeline.workers.loading import load_model

    loaded = load_model(ModelSpec.from_mapping({"path": str(MODEL_PATH), "backend": backend, "threads": 1}))
    loaded.predictor(loaded.family_with(), 1).close()


if __name__ == "__main__":
    main()
