"""Whether the source kind `gstreamer` can work here, and which of its decoders are there."""

from __future__ import annotations

from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import ConfigError
from mpipeline.sources import gstreamer_abilities
from mpipeline.sources.gstreamer_library import INSTALL

_ON_DEVICES = "nvv4l2decoder on Jetson, nvh264dec with NVIDIA's driver, vah264dec with VA-API, v4l2h264dec on boards"


def gstreamer(subject: str) -> Findings:
    """The library, the elements that many pipelines need, and the decoders."""
    try:
        found = gstreamer_abilities.abilities()
    except ConfigError as error:
        yield Finding(subject, "library", Level.MISSING, str(error).partition(": ")[0], INSTALL)
        return
    yield Finding(subject, "library", Level.OK, found.version)
    if found.missing:
        packages = " ".join(sorted({package for _, package in found.missing}))
        text = f"not here: {', '.join(name for name, _ in found.missing)}"
        yield Finding(subject, "elements", Level.WARNING, text, f"install {packages}")
    if found.processor:
        yield Finding(subject, "decoders", Level.OK, f"on the processor: {', '.join(found.processor)}")
    else:
        text = "none of a common codec works on the processor"
        yield Finding(subject, "decoders", Level.WARNING, text, "sudo apt-get install -y gstreamer1.0-libav")
    if found.hardware:
        yield Finding(subject, "hardware", Level.OK, f"decoders of a device: {', '.join(found.hardware)}")
    else:
        remedy = "install NVIDIA's or the board's plugins, gstreamer1.0-plugins-bad or -vaapi where there is a device"
        yield Finding(subject, "hardware", Level.MISSING, f"no decoder of a device; there are {_ON_DEVICES}", remedy)
    if found.cameras:
        yield Finding(subject, "csi cameras", Level.OK, f"read by {', '.join(found.cameras)}")
