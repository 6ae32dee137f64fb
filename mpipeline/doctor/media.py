"""What decodes and encodes video here, and the devices: cameras, GPUs."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.sources import video_abilities

_DRIVER = Path("/proc/driver/nvidia/version")
_MOST_CAMERAS = 64
_VIDEO_LIBRARIES = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"


def video(subject: str) -> Findings:
    """FFmpeg, its codecs, and what of the hardware it can use."""
    found = video_abilities.abilities()
    yield Finding(subject, "ffmpeg", Level.OK, found.version)
    lacking = ", ".join(found.missing_decoders)
    text = f"decodes {', '.join(found.decoders)}" + (f"; not {lacking}" if lacking else "")
    remedy = "pip install --force-reinstall av" if lacking else ""
    yield Finding(subject, "codecs", Level.WARNING if lacking else Level.OK, text, remedy)
    encoder = found.encoder
    text = f"video files are written by {encoder}" if encoder else "no H.264 encoder: sink `video` cannot work"
    yield Finding(subject, "encoder", Level.OK if encoder else Level.WARNING, text)
    yield _hardware(subject, found.hardware)


def _hardware(subject: str, tried: Sequence[tuple[str, str]]) -> Finding:
    """What `hardware: auto` takes, or why it leaves everything to the processor."""
    if not tried:
        text = "the processor decodes: this FFmpeg was built without hardware"
        return Finding(
            subject, "hardware", Level.MISSING, text, "on Jetson, sources of kind gstreamer decode in hardware"
        )
    working = [kind for kind, reason in tried if not reason]
    if working:
        return Finding(subject, "hardware", Level.OK, f"decodes with `hardware: auto`: {working[0]}")
    text = f"the processor decodes; {'; '.join(f'{kind}: {reason}' for kind, reason in tried)}"
    is_partly_there = any("nvcuvid" in reason for _, reason in tried)
    remedy = _VIDEO_LIBRARIES if is_partly_there else "in a container, docker run --gpus all, or --device /dev/dri"
    return Finding(subject, "hardware", Level.WARNING if is_partly_there else Level.MISSING, text, remedy)


def devices(subject: str) -> Findings:
    """Cameras and NVIDIA GPUs."""
    yield _gpu(subject)
    paths = sorted(Path("/dev").glob("video*"))[:_MOST_CAMERAS]
    denied = [str(path) for path in paths if not os.access(path, os.R_OK | os.W_OK)]
    if denied:
        text = f"no permission for {', '.join(denied)}"
        yield Finding(subject, "cameras", Level.WARNING, text, "sudo usermod -aG video $USER, and log in again")
    elif paths:
        yield Finding(subject, "cameras", Level.OK, ", ".join(f"{path}{_name_of(path)}" for path in paths))
    else:
        yield Finding(
            subject,
            "cameras",
            Level.MISSING,
            "no /dev/video*",
            "plug one in; in a container, docker run --device /dev/video0",
        )


def _name_of(camera: Path) -> str:
    try:
        return f" ({Path('/sys/class/video4linux', camera.name, 'name').read_text(encoding='utf-8').strip()})"
    except (OSError, ValueError):
        return ""


def _gpu(subject: str) -> Finding:
    """Asks the driver's own library, as programs do; it is there without a GPU as well, or the other way round."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        if _DRIVER.exists():
            text = "the kernel has NVIDIA's driver, but there is no libcuda.so.1 here"
            return Finding(subject, "gpu", Level.WARNING, text, "docker run --gpus all")
        return Finding(
            subject,
            "gpu",
            Level.MISSING,
            "no NVIDIA driver",
            "where there is a GPU, install its driver; in a container, docker run --gpus all",
        )
    if (code := cuda.cuInit(0)) != 0:
        text = f"libcuda.so.1 finds no GPU (error {code})"
        return Finding(subject, "gpu", Level.WARNING, text, "docker run --gpus all")
    count, version = ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    cuda.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for index in range(count.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(128)
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, len(name), device)
        names.append(name.value.decode(errors="replace"))
    text = f"{', '.join(names)}; the driver knows CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    return Finding(subject, "gpu", Level.OK if names else Level.MISSING, text)
