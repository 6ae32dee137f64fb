"""What the doctor says where something is short, old, foreign or crashes, and what it advises."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpipeline.doctor import engines, folders, installation, machine, media, memory
from mpipeline.doctor.finding import Finding, Level
from mpipeline.errors import SharedMemoryFull
from mpipeline.ring.capacity import MIB


def named(findings: Iterator[Finding], name: str) -> Finding:
    return next(one for one in findings if one.name == name)


def test_a_dev_shm_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 64 * MIB)
    found = named(memory.memory("memory"), "shared memory")
    assert found.level is Level.WARNING
    assert "3 live sources" in found.text
    assert "--shm-size" in found.remedy


def test_a_dev_shm_without_any_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise SharedMemoryFull("no room")

    monkeypatch.setattr(memory, "create_ring", full)
    found = named(memory.memory("memory"), "ring")
    assert found.level is Level.BROKEN
    assert "--shm-size" in found.remedy


def test_few_open_files_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    findings = list(machine.limits("limits"))
    files, processes = (named(iter(findings), name) for name in ("open files", "processes"))
    assert (files.level, processes.level) == (Level.WARNING, Level.WARNING)
    assert "enough for 26 workers" in files.text
    assert "LimitNOFILE" in files.remedy
    assert "ulimit -u" in processes.remedy


def test_a_control_group_that_grants_less_than_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "granted_cpus", lambda: 0.5)
    found = named(machine.processor("processor"), "cores")
    assert found.level is Level.WARNING
    assert "grants the time of 0.5" in found.text


def test_an_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.time_slice, "has_effect", lambda: False)
    monkeypatch.setattr(machine.platform, "release", lambda: "5.15.0-91-generic")
    found = named(machine.processor("processor"), "scheduler")
    assert (found.level, found.remedy) == (Level.WARNING, "Linux 6.12 or later")


def test_an_engine_that_is_not_installed_and_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    told = engines.execute("openvino")
    assert told["level"] == "missing"
    assert told["remedy"] == "pip install 'mpipeline[openvino]'"


def test_an_engine_that_kills_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*arguments: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, -4, "", "illegal instruction")

    monkeypatch.setattr(subprocess, "run", killed)
    found = {one.name: one for one in engines.engines("engines")}
    assert found["onnxruntime"].level is Level.BROKEN
    assert "killed by signal 4: illegal instruction" in found["onnxruntime"].text
    assert found["openvino"].level is Level.WARNING


def test_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*arguments: Any, **_: Any) -> None:
        raise subprocess.TimeoutExpired(arguments, 120)

    monkeypatch.setattr(subprocess, "run", hanging)
    assert "within 120 s" in named(engines.engines("engines"), "openvino").text


def test_a_run_root_that_others_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("MPIPELINE_RUN_ROOT", str(tmp_path))
    found = named(folders.folders("folders"), "runs")
    assert found.level is Level.BROKEN
    assert "can be written by others" in found.text


def test_two_opencvs_and_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"opencv-python": "4.12"}
    monkeypatch.setattr(installation, "_version", lambda name: versions.get(name) if name != "numpy" else None)
    found = {one.name: one for one in installation.installation("installation")}
    assert found["opencv"].level is Level.WARNING
    assert "pip uninstall -y opencv-python" in found["opencv"].remedy
    assert found["libraries"].level is Level.BROKEN
    assert "numpy" in found["libraries"].text


def test_a_camera_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "Path", lambda *_: tmp_path)
    (tmp_path / "video0").touch()
    monkeypatch.setattr(media.os, "access", lambda *_: False)
    found = named(media.devices("devices"), "cameras")
    assert found.level is Level.WARNING
    assert "usermod" in found.remedy
