"""What GStreamer can do on this machine: its version, the elements that most pipelines need, and what decodes in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mpipeline.sources.gstreamer_errors import package_of
from mpipeline.sources.gstreamer_library import Library, load
from mpipeline.sources.gstreamer_pipeline import in_hardware, is_decoder

_NEEDED = ("appsink", "videoconvert", "decodebin", "qtdemux", "rtspsrc", "rtph264depay", "v4l2src")
_CAMERAS = ("nvarguscamerasrc", "libcamerasrc")  # of boards with a CSI port
_COMMON = re.compile(r"(avdec_|[a-z0-9]*?)(h264|h265|hevc|av1d?|vp9|m?jpeg)(dec)?")  # codecs of cameras and files
_GENERIC = ("nvv4l2decoder", "v4l2videodec", "vaapidecodebin", "libde265dec")  # of several codecs, or named otherwise


@dataclass(frozen=True, slots=True)
class Abilities:
    """`version` of GStreamer and PyGObject. `missing`: elements that many pipelines need, each with its package.

    `processor` and `hardware`: decoders of common codecs; those of a device register only where the device is, but for
    NVIDIA's on Jetson. `cameras`: sources for CSI cameras.
    """

    version: str
    missing: tuple[tuple[str, str], ...]
    processor: tuple[str, ...]
    hardware: tuple[str, ...]
    cameras: tuple[str, ...]


def abilities() -> Abilities:
    """Asks GStreamer's registry. Raises ConfigError if there is no GStreamer for this Python."""
    library = load()
    decoders = _decoders(library)
    return Abilities(
        version=f"GStreamer {library.version}, PyGObject {library.bound} in {library.where}",
        missing=tuple((name, package_of(name)) for name in _NEEDED if not _has(library, name)),
        processor=tuple(name for name, kind in decoders if not in_hardware(name, kind)),
        hardware=tuple(name for name, kind in decoders if in_hardware(name, kind)),
        cameras=tuple(name for name in _CAMERAS if _has(library, name)),
    )


def _has(library: Library, element: str) -> bool:
    return library.gst.ElementFactory.find(element) is not None


def _decoders(library: Library) -> list[tuple[str, str]]:
    """Name and kind of each decoder of a common codec, in GStreamer's order of preference."""
    gst = library.gst
    factories = gst.ElementFactory.list_get_elements(gst.ELEMENT_FACTORY_TYPE_DECODER, gst.Rank.NONE)
    factories.sort(key=lambda factory: (-factory.get_rank(), factory.get_name()))
    found = [(factory.get_name(), factory.get_metadata("klass") or "") for factory in factories]
    return [(name, kind) for name, kind in found if is_decoder(kind) and _is_common(name)]


def _is_common(decoder: str) -> bool:
    return decoder in _GENERIC or _COMMON.fullmatch(decoder) is not None
