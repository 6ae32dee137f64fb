"""What the FFmpeg in PyAV can do on this machine: decoders, the encoder of video files, hardware that really opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mpipeline.sources.video_hardware import known_devices, trial
from mpipeline.sources.video_log import FFmpegLog

_DECODERS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg")  # what cameras and files are in
_ENCODERS = ("libx264", "mpeg4")  # of sink `video`, the better one first


@dataclass(frozen=True, slots=True)
class Abilities:
    """`encoder` is what sink `video` writes with, empty if it cannot.

    `hardware`: each kind that this FFmpeg was built with, and why it does not decode here, empty if it does.
    """

    version: str
    decoders: tuple[str, ...]
    missing_decoders: tuple[str, ...]
    encoder: str
    hardware: tuple[tuple[str, str], ...]


def abilities() -> Abilities:
    """Asks FFmpeg, and has each kind of hardware decode a picture."""
    import av

    FFmpegLog()  # keeps what it says of absent hardware off the terminal
    decoders = tuple(name for name in _DECODERS if _has(name, "r"))
    return Abilities(
        version=f"{av.ffmpeg_version_info}, in PyAV {av.__version__}",
        decoders=decoders,
        missing_decoders=tuple(name for name in _DECODERS if name not in decoders),
        encoder=next((name for name in _ENCODERS if _has(name, "w")), ""),
        hardware=tuple((kind, trial(kind)) for kind in known_devices()),
    )


def _has(codec: str, mode: Literal["r", "w"]) -> bool:
    import av

    try:
        av.Codec(codec, mode)
    except ValueError:  # av.codec.UnknownCodecError is one
        return False
    return True
