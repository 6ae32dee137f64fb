"""The bindings of several versions of TensorRT, as their packages bring them, loaded without TensorRT's own libraries.

    python tests/support/tensorrt_bindings.py     fetches the packages into build/tensorrt-bindings, 25 MB in all

Tests only look there, and are skipped for a version that is not there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
FOLDER = _ROOT / "build" / "tensorrt-bindings"
STAND_IN = Path(__file__).with_name("tensorrt_stand_in.c")

# Name of the folder → what pip is asked for, and the major version, by which the libraries are called.
PACKAGES = {
    "8.6": ("tensorrt-bindings==8.6.1", 8),
    "10.3": ("tensorrt-cu12-bindings==10.3.*", 10),
    "10.13": ("tensorrt-cu13-bindings==10.13.*", 10),
    "10.16": ("tensorrt-cu13-bindings==10.16.*", 10),
    "11": ("tensorrt-cu13-bindings==11.*", 11),
}
_LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")

# Prints the version, and of the module and every class in it what it has: {"": […], "Builder": […], …}.
_PROGRAM = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
found = {"": dir(module)}
ahead = [(name, getattr(module, name)) for name in dir(module)]
while ahead:
    name, thing = ahead.pop()
    if isinstance(thing, type) and name not in found:
        found[name] = dir(thing)
        ahead += [(f"{name}.{inner}", vars(thing)[inner]) for inner in list(vars(thing)) if inner[0] != "_"]
print(json.dumps([module.__version__, found]))
"""


def names_of(module: str, **environment: str) -> tuple[str, dict[str, set[str]]]:
    """The version of a module of the family, and what each class in it has; loaded in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, module],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, found = json.loads(done.stdout.splitlines()[-1])
    return version, {owner: set(names) for owner, names in found.items()}


def bindings(version: str, build: Path) -> tuple[str, dict[str, set[str]]] | None:
    """As `names_of`, of fetched bindings; None if they are absent. `build` is a folder for the stand-in."""
    package = FOLDER / version
    if not package.is_dir():
        return None
    libraries = str(_stand_in(PACKAGES[version][1], build / version))
    return names_of("tensorrt_bindings", PYTHONPATH=str(package), LD_LIBRARY_PATH=libraries)


def _stand_in(major: int, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in _LIBRARIES:
        file = f"lib{name}.so.{major}"
        command = ["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{file}", "-o", str(folder / file), str(STAND_IN)]
        subprocess.run(command, check=True)
    return folder


def fetch() -> int:
    """Fetches what is not there; the exit code tells whether all is."""
    code = 0
    for version, (asked, _) in PACKAGES.items():
        if (FOLDER / version).is_dir():
            continue
        arriving = FOLDER / f"{version}.arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        pip: list[Any] = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        if subprocess.run([*pip, "-d", arriving, asked], check=False).returncode:
            code = 1
            continue
        (wheel,) = arriving.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(arriving)
        wheel.unlink()
        arriving.rename(FOLDER / version)
    return code


if __name__ == "__main__":
    sys.exit(fetch())
