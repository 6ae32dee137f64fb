"""Which backends really execute a model here. Each is tried in a process of its own: a library may crash it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

from mpipeline import registry
from mpipeline.demo import MODEL_PATH
from mpipeline.doctor.finding import Finding, Findings, Level

_NEEDED = "onnxruntime"
_LIMIT_S = 120
_CODE_OF_USERS = "frames"  # what such a backend takes: it has no model file


def engines(subject: str) -> Findings:
    """Every backend of model files but `auto`, which chooses among the others."""
    for kind in sorted(registry.kinds("backends")):
        if kind == "auto" or getattr(registry.load("backends", kind), "takes", "") == _CODE_OF_USERS:
            continue
        level, text, remedy = _tried(kind)
        if level is not Level.OK and kind == _NEEDED:
            level = Level.BROKEN
        yield Finding(subject, kind, level, text, remedy)


def execute(kind: str) -> dict[str, str]:
    """Executes the demo's model once by that backend: how it did, or why not."""
    import numpy as np

    from mpipeline.backends.backend import BackendOptions
    from mpipeline.errors import MissingDependency, MpipelineError, NoDevice

    try:
        backend = registry.load("backends", kind)(BackendOptions(str(MODEL_PATH)))
        info = backend.open()
        try:
            backend.run({one.name: np.zeros([side or 1 for side in one.shape], one.dtype) for one in info.inputs})
        finally:
            backend.close()
        return {"level": Level.OK.value, "text": str(info.execution or "executes a model")}
    except MissingDependency as error:
        text, _, remedy = str(error).partition(": ")
        return {"level": Level.MISSING.value, "text": text, "remedy": remedy}
    except NoDevice as error:
        text, _, remedy = str(error).partition("; ")
        return {"level": Level.MISSING.value, "text": text, "remedy": remedy}
    except MpipelineError as error:
        return {"level": Level.WARNING.value, "text": str(error)}
    except Exception as error:  # noqa: BLE001 - a library may raise anything
        return {"level": Level.WARNING.value, "text": f"{type(error).__name__}: {error}"}


def _tried(kind: str) -> tuple[Level, str, str]:
    program = f"import json; from mpipeline.doctor.engines import execute; print(json.dumps(execute({kind!r})))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Level.WARNING, f"has not executed a small model within {_LIMIT_S} s", _again(kind)
    except OSError as error:
        return Level.WARNING, f"could not be tried: {error.strerror}", ""
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        return Level(told["level"]), told["text"], told.get("remedy", "")
    except (IndexError, ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        how = f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        return Level.WARNING, f"the process that tried it {how}: {last[:200]}", _again(kind)


def _again(kind: str) -> str:
    try:
        metadata.version(kind)
    except metadata.PackageNotFoundError:
        return ""
    return f"pip install --force-reinstall {kind}"
