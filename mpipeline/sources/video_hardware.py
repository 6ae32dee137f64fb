"""Finds a device of this machine that decodes video in hardware, or says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mpipeline.sources.video_log import FFmpegLog

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel

Hardware = Literal["none", "auto", "cuda", "vaapi", "videotoolbox", "d3d11va"]

_TRIED = ("cuda", "vaapi", "videotoolbox", "d3d11va")
_PROBE = "h264"  # whatever decodes in hardware decodes this


def find_device(wanted: Hardware) -> tuple[HWAccel | None, str]:
    """What PyAV is to be given for a device that works, None if none does; and why the ones that were tried do not.

    Streams that the device cannot decode are decoded in software all the same.
    """
    if wanted == "none":
        return None, ""
    import av
    from av.codec.hwaccel import HWAccel, hwdevices_available

    log = FFmpegLog()
    built = hwdevices_available()
    told = []
    for kind in [kind for kind in _TRIED if kind in built] if wanted == "auto" else [wanted]:
        if kind not in built:
            told.append(f"{kind}: this FFmpeg was built without it")
            continue
        errors = log.errors
        device = HWAccel(kind)
        try:
            device.create(av.Codec(_PROBE, "r"))
        except (av.FFmpegError, NotImplementedError) as error:
            told.append(f"{kind}: {log.last if log.errors > errors else error}")
        else:
            return device, ""
    return None, "; ".join(told) or "this FFmpeg was built without hardware"
