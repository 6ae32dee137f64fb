"""Finds a device of this machine that decodes video in hardware, or says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

from mpipeline.sources.video_log import FFmpegLog

if TYPE_CHECKING:
    import av
    from av.codec.hwaccel import HWAccel
    from av.packet import Packet

Hardware = Literal["none", "auto", "cuda", "vaapi", "videotoolbox", "d3d11va"]

# In the order in which they are tried, each with FFmpeg's name for frames that lie in it.
_PIXELS = {"cuda": "cuda", "vaapi": "vaapi", "videotoolbox": "videotoolbox_vld", "d3d11va": "d3d11"}
_PROBE = "h264"  # whatever decodes in hardware decodes this
_PROBE_SIZE = (320, 240)  # pixels; devices refuse very small pictures
_NOT_BUILT = "this FFmpeg was built without it"
_NONE_BUILT = "this FFmpeg was built without hardware"


@dataclass(frozen=True, slots=True)
class Device:
    """One that decodes in place of the processor; `accel` is what PyAV is to be given for it."""

    kind: str
    accel: HWAccel

    @property
    def pixel_format(self) -> str:
        """What a decoder that works in this device calls its pixels."""
        return _PIXELS[self.kind]

    def lacking(self) -> str:
        """Why it cannot be opened now; empty if it can."""
        import av

        log = FFmpegLog()
        errors = log.errors
        try:
            self.accel.create(av.Codec(_PROBE, "r"))
        except (av.FFmpegError, NotImplementedError) as error:
            return log.last if log.errors > errors else str(error)
        return ""


def find_device(wanted: Hardware) -> tuple[Device | None, str]:
    """A device that can be opened, None if there is none; and why the ones that were tried cannot.

    Streams that the device cannot decode are decoded on the processor all the same.
    """
    if wanted == "none":
        return None, ""
    from av.codec.hwaccel import HWAccel

    told = []
    built = known_devices()
    for kind in built if wanted == "auto" else [wanted]:
        device = Device(kind, HWAccel(kind, allow_software_fallback=True))
        reason = device.lacking() if kind in built else _NOT_BUILT
        if not reason:
            return device, ""
        told.append(f"{kind}: {reason}")
    return None, "; ".join(told) or _NONE_BUILT


def known_devices() -> tuple[str, ...]:
    """The kinds that this FFmpeg was built with, there or not, in the order in which they are tried."""
    from av.codec.hwaccel import hwdevices_available

    built = hwdevices_available()
    return tuple(kind for kind in _PIXELS if kind in built)


def trial(kind: str) -> str:
    """Decodes a picture in that kind of device; why that does not work, empty if it does.

    It may be possible to open a device and not to decode with it: in a container without the driver's video libraries.
    """
    import av
    from av.codec.hwaccel import HWAccel

    device = Device(kind, HWAccel(kind, allow_software_fallback=True))
    if reason := device.lacking():
        return reason
    log = FFmpegLog()
    errors = log.errors
    try:
        decoder = cast("av.VideoCodecContext", av.CodecContext.create(_PROBE, "r", hwaccel=device.accel))
        for packet in _one_picture():
            decoder.decode(packet)
        if decoder.pix_fmt == device.pixel_format:
            return ""
    except (av.FFmpegError, NotImplementedError, ValueError) as error:
        return log.last if log.errors > errors else str(error)
    return log.last if log.errors > errors else "it opens, and leaves the decoding to the processor"


def _one_picture() -> list[Packet[Any] | None]:
    """A picture of H.264, and the end."""
    import av

    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = _PROBE_SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast"}
    frame = av.VideoFrame(*_PROBE_SIZE, "yuv420p")
    frame.pts = 0
    return [*encoder.encode(frame), *encoder.encode(None), None]
