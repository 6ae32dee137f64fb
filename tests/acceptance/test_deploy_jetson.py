"""deploy/jetson/setup.sh on a made-up Jetson: what it lacks is told with the remedy, and then nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mpipeline.sources.gstreamer_library import INSTALL

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"
TOOLS = ("bash", "cat", "dirname", "id", "mkdir", "sed")
# In place of Python's own `venv`: notes what is asked of it, and what is asked of the programs in the folder.
VENV = """
import os, pathlib, sys

folder = pathlib.Path(sys.argv[-1])
(folder / "bin").mkdir(parents=True)
for name in ("pip", "mpipeline"):
    program = folder / "bin" / name
    program.write_text(f'#!/bin/sh\\necho {name} "$@" >> "$NOTES"\\n')
    program.chmod(0o755)
with open(os.environ["NOTES"], "a") as notes:
    print("venv", *sys.argv[1:-1], file=notes)
"""


class Jetson:
    """A folder with the script, what it finds, and notes of what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin, self.modules = folder / "bin", folder / "modules"
        self.release, self.notes = folder / "nv_tegra_release", folder / "notes"
        self._script = folder / "clone" / "deploy" / "jetson" / "setup.sh"
        self._script.parent.mkdir(parents=True)
        text = (ROOT / "deploy" / "jetson" / "setup.sh").read_text(encoding="utf-8")
        self._script.write_text(text.replace("/etc/nv_tegra_release", str(self.release)), encoding="utf-8")
        for path in (self.bin, self.modules / "venv", folder / "cuda" / "bin"):
            path.mkdir(parents=True)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        (self.bin / "python3").symlink_to(os.path.realpath(sys.executable))
        for program in (self.bin / "g++", folder / "cuda" / "bin" / "nvcc"):
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        (self.modules / "venv" / "__init__.py").touch()
        (self.modules / "venv" / "__main__.py").write_text(VENV)
        self.release.write_text(RELEASE)
        self.import_of_tensorrt("__version__ = '10.3.0'")
        self.import_of_pygobject("require_version = lambda *_: None")

    def import_of_tensorrt(self, does: str) -> None:
        (self.modules / "tensorrt.py").write_text(does)

    def import_of_pygobject(self, does: str) -> None:
        (self.modules / "gi.py").write_text(does)

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.bin),
            "PYTHONPATH": str(self.modules),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CUDA_HOME": str(self.folder / "cuda"),
            "NOTES": str(self.notes),
        }
        command = [str(self.bin / "bash"), str(self._script), str(self.folder / "installed"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def jetson(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def test_where_nothing_lacks_it_installs_beside_the_systems_tensorrt_and_calls_the_doctor(jetson: Jetson) -> None:
    done = jetson.setup("mqtt,redis")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jetson.notes.read_text().splitlines() == [
        "venv --system-site-packages",
        "pip install --upgrade .[mqtt,redis] pycuda>=2024.1 onnx>=1.16",
        "mpipeline doctor",
    ]


@pytest.mark.parametrize(
    ("says", "remedy"),
    [
        (
            "raise OSError('libnvdla_compiler.so: cannot open shared object file')",
            "nvidia-l4t-dla-compiler && sudo ldconfig",
        ),
        ("raise ImportError('libnvinfer.so.10: undefined symbol')", "--reinstall nvidia-tensorrt"),
        (None, "python3-libnvinfer"),
    ],
)
def test_a_tensorrt_that_does_not_load(jetson: Jetson, says: str | None, remedy: str) -> None:
    if says is None:
        (jetson.modules / "tensorrt.py").unlink()
    else:
        jetson.import_of_tensorrt(says)
    done = jetson.setup()
    assert done.returncode == 1
    assert remedy in done.stdout
    assert not jetson.notes.exists()


@pytest.mark.parametrize(
    "says",
    ["raise ImportError('No module named gi')", "def require_version(*_): raise ValueError('GstApp not available')"],
)
def test_gstreamer_that_is_not_there_for_python(jetson: Jetson, says: str) -> None:
    jetson.import_of_pygobject(says)
    done = jetson.setup()
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2].strip() == f"→ {INSTALL} nvidia-l4t-gstreamer"
    assert not jetson.notes.exists()


def test_all_that_lacks_is_told_at_once(jetson: Jetson) -> None:
    (jetson.bin / "g++").unlink()
    (jetson.folder / "cuda" / "bin" / "nvcc").unlink()
    done = jetson.setup()
    assert done.returncode == 1
    assert done.stdout.count("lacking:") == 2
    assert "sudo apt-get install g++" in done.stdout
    assert "CUDA_HOME" in done.stdout
    assert "nothing was installed" in done.stdout


@pytest.mark.parametrize(("release", "words"), [("", "there is no /"), ("# R35 (release), REVISION: 5.0\n", "too old")])
def test_another_machine_or_an_old_jetpack(jetson: Jetson, release: str, words: str) -> None:
    if release:
        jetson.release.write_text(release)
    else:
        jetson.release.unlink()
    done = jetson.setup()
    assert done.returncode == 1
    assert words in done.stdout
    assert not jetson.notes.exists()
