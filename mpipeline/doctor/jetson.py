"""What an NVIDIA Jetson needs besides: JetPack, TensorRT, its decoder, power mode, devices, and its shared memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import ConfigError
from mpipeline.ring.capacity import MIB
from mpipeline.sources import gstreamer_abilities
from mpipeline.sources.gstreamer_library import INSTALL

# major release of Jetson Linux → JetPack, with the Python of its Ubuntu
_JETPACKS = {32: "4", 34: "5", 35: "5", 36: "6", 38: "7", 39: "7"}
_OLDEST = 36
_DEVICES = (
    "/dev/nvmap",
    "/dev/nvgpu/igpu0/ctrl",
    "/dev/nvhost-ctrl-gpu",
    "/dev/nvidiactl",
)  # of which a board has some
_LITTLE_MEMORY = 9 * 1024 * MIB  # an engine of a large model takes several GB to build
_LIMIT_S = 60
_DLA = "libnvdla_compiler.so"
_DECODER = "nvv4l2decoder"
_ROOT = Path("/")


def jetson(subject: str, root: Path = _ROOT) -> Findings:
    """Nothing on any other machine. `root` is where its files are looked for."""
    release = _text(root / "etc/nv_tegra_release")
    board = _text(root / "proc/device-tree/model").strip("\0 \n")
    if not release and "jetson" not in board.lower():
        return
    yield _release(subject, board, release)
    yield _tensorrt(subject)
    yield _decoder(subject)
    yield _power_mode(subject, root)
    yield _permissions(subject, root)
    yield _memory(subject, root)
    yield _swap(subject, root)
    if (root / "tmp/argus_socket").exists():
        yield Finding(subject, "CSI cameras", Level.OK, "their daemon answers")
    else:
        remedy = "sudo systemctl restart nvargus-daemon; in a container -v /tmp/argus_socket:/tmp/argus_socket"
        yield Finding(subject, "CSI cameras", Level.MISSING, "their daemon is not there", remedy)


def _release(subject: str, board: str, text: str) -> Finding:
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    if found is None:
        remedy = "in a container, -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro"
        return Finding(subject, "board", Level.WARNING, f"{board}, of an unknown release of Jetson Linux", remedy)
    major, version = int(found[1]), f"{found[1]}.{found[2]}"
    told = f"{board or 'a Jetson'}, Jetson Linux {version}, JetPack {_JETPACKS.get(major, 'unknown')}"
    if major < _OLDEST:
        return Finding(subject, "board", Level.BROKEN, f"{told}: its Python is too old", "flash JetPack 6 or 7")
    return Finding(subject, "board", Level.OK, told)


def _tensorrt(subject: str) -> Finding:
    """Imports it in a process of its own: what the bindings load may be missing, or crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import tensorrt; print(tensorrt.__version__)"],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(subject, "tensorrt", Level.WARNING, f"could not be tried: {error}")
    if done.returncode == 0:
        return Finding(subject, "tensorrt", Level.OK, done.stdout.strip())
    why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    return Finding(subject, "tensorrt", Level.WARNING, f"cannot be imported: {why[:200]}", _remedy(why))


def _remedy(why: str) -> str:
    if _DLA in why:
        where = "on the Jetson itself, from which a container gets it"
        return f"sudo apt-get install nvidia-l4t-dla-compiler && sudo ldconfig, {where}"
    if "No module named 'tensorrt'" in why:
        return "sudo apt-get install python3-libnvinfer, and a virtual environment with --system-site-packages"
    return "sudo apt-get install --reinstall nvidia-tensorrt; in a container --runtime nvidia"


def _decoder(subject: str) -> Finding:
    """Whether sources of kind `gstreamer` can have the hardware decode."""
    try:
        hardware = gstreamer_abilities.abilities().hardware
    except ConfigError as error:
        text = f"the processor decodes: {str(error).partition(': ')[0]}"
        return Finding(subject, "decoder", Level.WARNING, text, f"{INSTALL} nvidia-l4t-gstreamer")
    if _DECODER in hardware:
        return Finding(subject, "decoder", Level.OK, f"sources of kind gstreamer decode with {_DECODER}")
    text = f"the processor decodes: GStreamer has no {_DECODER} here"
    remedy = "sudo apt-get install -y nvidia-l4t-gstreamer; in a container --runtime nvidia"
    return Finding(subject, "decoder", Level.WARNING, text, remedy)


def _power_mode(subject: str, root: Path) -> Finding:
    """The mode that is set, by its number in the file in which all of this board's are named."""
    modes = dict(
        re.findall(r"^< *POWER_MODEL +ID=(\d+) +NAME=(\S+) *>", _text(root / "etc/nvpmodel.conf"), re.MULTILINE)
    )
    found = re.search(r"pmode:(\d+)", _text(root / "var/lib/nvpmodel/status"))
    if found is None or not modes:
        return Finding(subject, "power mode", Level.WARNING, "unknown", "sudo nvpmodel -q")
    number = str(int(found[1]))
    name = modes.get(number, f"number {number}")
    most = [(one, each) for one, each in modes.items() if each.startswith("MAXN")]
    if number in dict(most) or not most:
        return Finding(subject, "power mode", Level.OK, name)
    best, best_name = most[-1]
    remedy = f"sudo nvpmodel -m {best} for {best_name}, where supply and cooling allow it"
    return Finding(subject, "power mode", Level.WARNING, f"{name}: cores and GPU are slower than they could be", remedy)


def _permissions(subject: str, root: Path) -> Finding:
    there = [path for path in _DEVICES if (root / path.lstrip("/")).exists()]
    denied = [path for path in there if not os.access(root / path.lstrip("/"), os.R_OK | os.W_OK)]
    if not there:
        remedy = "sudo apt-get install nvidia-jetpack; in a container --runtime nvidia"
        return Finding(subject, "gpu devices", Level.WARNING, f"none of {', '.join(_DEVICES)}", remedy)
    if denied:
        text = f"no permission for {', '.join(denied)}"
        remedy = "sudo usermod -aG video,render $USER, and log in again; in a container --group-add"
        return Finding(subject, "gpu devices", Level.WARNING, text, remedy)
    return Finding(subject, "gpu devices", Level.OK, ", ".join(there))


def _memory(subject: str, root: Path) -> Finding:
    amounts = _amounts(root / "proc/meminfo")
    total, free = amounts.get("MemTotal", 0), amounts.get("MemAvailable", 0)
    text = f"{free // MIB} of {total // MIB} MiB available, to processes, rings and the GPU together"
    return Finding(subject, "shared with the gpu", Level.OK, text)


def _swap(subject: str, root: Path) -> Finding:
    rows = [line.split() for line in _text(root / "proc/swaps").splitlines()[1:]]
    on_disk = sum(int(row[2]) for row in rows if "zram" not in row[0]) * 1024
    in_memory = sum(int(row[2]) for row in rows if "zram" in row[0]) * 1024
    text = f"{on_disk // MIB} MiB on disk, {in_memory // MIB} MiB compressed in memory"
    if on_disk or _amounts(root / "proc/meminfo").get("MemTotal", 0) >= _LITTLE_MEMORY:
        return Finding(subject, "swap", Level.OK, text)
    remedy = (
        "sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile"
    )
    return Finding(subject, "swap", Level.WARNING, f"{text}: building engines of large models may fail", remedy)


def _amounts(meminfo: Path) -> dict[str, int]:
    """Name → bytes."""
    return {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB", _text(meminfo), re.M)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
