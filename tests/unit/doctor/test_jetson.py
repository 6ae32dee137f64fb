"""What the doctor says of made-up Jetsons, and that it says nothing of any other machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mpipeline.doctor import jetson
from mpipeline.doctor.finding import Finding, Level
from mpipeline.errors import ConfigError
from mpipeline.sources.gstreamer_abilities import Abilities

ORIN = {
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=25W >\n"
    "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=1 >\n",
    "var/lib/nvpmodel/status": "pmode:0002\n",
    "proc/meminfo": "MemTotal:        7802916 kB\nMemAvailable:    5123456 kB\n",
    "proc/swaps": "Filename\tType\t\tSize\tUsed\tPriority\n/swapfile\tfile\t8388604\t0\t-2\n",
    "dev/nvmap": "",
    "dev/nvhost-ctrl-gpu": "",
    "tmp/argus_socket": "",
}


@pytest.fixture(autouse=True)
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.CompletedProcess[str]]:
    """What comes of the process that imports TensorRT."""
    outcome = [subprocess.CompletedProcess[str]([], 0, "10.3.0\n", "")]
    monkeypatch.setattr(jetson.subprocess, "run", lambda *_, **__: outcome[0])
    return outcome


@pytest.fixture(autouse=True)
def hardware(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The decoders of a device that GStreamer has."""
    there = ["nvv4l2decoder"]
    monkeypatch.setattr(
        jetson.gstreamer_abilities, "abilities", lambda: Abilities("1.20.3", (), ("avdec_h264",), tuple(there), ())
    )
    return there


def look(folder: Path, **changes: str | None) -> dict[str, Finding]:
    """The findings on a board with these files otherwise; None: without one."""
    files: dict[str, str | None] = {**ORIN, **{name.replace("__", "/"): text for name, text in changes.items()}}
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return {one.name: one for one in jetson.jetson("jetson", folder)}


def test_another_machine_is_told_nothing(tmp_path: Path) -> None:
    assert not list(jetson.jetson("jetson", tmp_path))


def test_a_board_on_which_all_is_well(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert {one.level for one in found.values()} == {Level.OK}
    assert "Orin Nano" in found["board"].text
    assert "Jetson Linux 36.4.3, JetPack 6" in found["board"].text
    assert found["tensorrt"].text == "10.3.0"
    assert found["power mode"].text == "MAXN_SUPER"
    assert found["swap"].text == "8191 MiB on disk, 0 MiB compressed in memory"
    assert "5003 of 7620 MiB" in found["shared with the gpu"].text


def test_what_is_not_as_it_could_be_comes_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = look(
        tmp_path,
        var__lib__nvpmodel__status="pmode:0000\n",
        proc__swaps="Filename Type Size Used Priority\n/dev/zram0 partition 1950720 0 5\n",
        tmp__argus_socket=None,
    )
    assert found["power mode"].remedy.startswith("sudo nvpmodel -m 2 for MAXN_SUPER")
    assert "mkswap" in found["swap"].remedy
    assert "usermod -aG video,render" in found["gpu devices"].remedy
    assert found["CSI cameras"].level is Level.MISSING
    assert not [one for one in found.values() if one.level is not Level.OK and not one.remedy]


def test_what_cannot_be_found_out_is_told(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        ("etc__nvpmodel.conf", "dev__nvmap", "dev__nvhost-ctrl-gpu", "proc__meminfo", "proc__swaps")
    )
    found = look(tmp_path, etc__nv_tegra_release="something else", **nothing)
    assert "unknown release" in found["board"].text
    assert found["power mode"].remedy == "sudo nvpmodel -q"
    assert "--runtime nvidia" in found["gpu devices"].remedy


def test_jetpack_5_is_too_old(tmp_path: Path) -> None:
    found = look(tmp_path, etc__nv_tegra_release="# R35 (release), REVISION: 5.0, GCID: 1\n")
    assert found["board"].level is Level.BROKEN


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "ImportError: libnvdla_compiler.so: cannot open shared object file",
            "nvidia-l4t-dla-compiler && sudo ldconfig",
        ),
        ("ModuleNotFoundError: No module named 'tensorrt'", "--system-site-packages"),
        ("ImportError: libnvinfer.so.10: undefined symbol: x", "nvidia-tensorrt"),
        ("", "nvidia-tensorrt"),
    ],
)
def test_a_tensorrt_that_does_not_load(
    tmp_path: Path, tensorrt: list[subprocess.CompletedProcess[str]], said: str, remedy: str
) -> None:
    tensorrt[0] = subprocess.CompletedProcess[str](
        [], -11 if not said else 1, "", f"Traceback …\n{said}" if said else ""
    )
    found = look(tmp_path)["tensorrt"]
    assert found.level is Level.WARNING
    assert said in found.text
    assert remedy in found.remedy


def test_a_tensorrt_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*arguments: Any, **_: Any) -> None:
        raise subprocess.TimeoutExpired(arguments, 60)

    monkeypatch.setattr(jetson.subprocess, "run", hanging)
    assert look(tmp_path)["tensorrt"].level is Level.WARNING


def test_where_the_processor_decodes_the_packages_are_told(
    tmp_path: Path, hardware: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware.clear()
    found = look(tmp_path)["decoder"]
    assert found.level is Level.WARNING
    assert "nvidia-l4t-gstreamer; in a container --runtime nvidia" in found.remedy

    def missing() -> Abilities:
        raise ConfigError("GStreamer for Python is not here (No module named 'gi'): install it")

    monkeypatch.setattr(jetson.gstreamer_abilities, "abilities", missing)
    found = look(tmp_path)["decoder"]
    assert "GStreamer for Python is not here" in found.text
    assert "python3-gi" in found.remedy
    assert "nvidia-l4t-gstreamer" in found.remedy
