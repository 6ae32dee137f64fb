"""What the FFmpeg in PyAV can do on this machine: decoders, the encoder of video files, hardware that really opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mpipeline.sources.video_log import FFmpegLog

_DECODERS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg")  # what cameras and files are in
_ENCODERS = ("libx264", "mpeg4")  # of sink `video`, the better one first
_MOST_COMMON = "h264"


@dataclass(frozen=True, slots=True)
class Abilities:
    """`encoder` is what sink `video` writes with, empty if it cannot.

    `hardware` can be opened here, of the kinds in `known_hardware`.
    """

    version: str
    decoders: tuple[str, ...]
    missing_decoders: tuple[str, ...]
    encoder: str
    hardware: tuple[str, ...]
    known_hardware: tuple[str, ...]


def abilities() -> Abilities:
    """Asks FFmpeg, and opens each kind of hardware once."""
    import av
    from av.codec.hwaccel import hwdevices_available

    FFmpegLog()  # keeps what it says of absent hardware off the terminal
    decoders = tuple(name for name in _DECODERS if _has(name, "r"))
    known = tuple(hwdevices_available())
    return Abilities(
        version=f"{av.ffmpeg_version_info}, in PyAV {av.__version__}",
        decoders=decoders,
        missing_decoders=tuple(name for name in _DECODERS if name not in decoders),
        encoder=next((name for name in _ENCODERS if _has(name, "w")), ""),
        hardware=tuple(kind for kind in known if _opens(kind)),
        known_hardware=known,
    )


def _has(codec: str, mode: Literal["r", "w"]) -> bool:
    import av

    try:
        av.Codec(codec, mode)
    except ValueError:  # av.codec.UnknownCodecError is one
        return False
    return True


def _opens(kind: str) -> bool:
    """Whether a decoder of the most common codec can be had on that kind of hardware."""
    import av
    from av.codec.hwaccel import HWAccel

    try:
        HWAccel(kind, allow_software_fallback=False).create(av.Codec(_MOST_COMMON, "r"))
    except (av.FFmpegError, NotImplementedError, ValueError, OSError, RuntimeError):
        return False
    return True
