"""Turns what GStreamer reports into SourceErrors: a reason code, a sentence with a remedy, and no credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mpipeline.errors import Reason, SourceError
from mpipeline.sources.gstreamer_options import GStreamerOptions

_NOT_NEGOTIATED = "two neighbours in the pipeline do not agree on a format"
_CONVERT = "put `videoconvert`, or on Jetson `nvvidconv`, between them"
_REMEDIES: Mapping[Reason, str] = {
    Reason.AUTH_FAILED: "the server refused the user name or password; check user-id and user-pw, or the address",
    Reason.NOT_FOUND: "there is nothing under that name; check the path or address, or plug the camera in",
    Reason.PERMISSION_DENIED: "this user may not open it; check its permissions, of a camera also the group `video`",
    Reason.BUSY: "another program uses it",
    Reason.UNREACHABLE: "no connection to the server; check the host, the port and the network",
    Reason.TIMEOUT: "no frame came in time; check the camera and the network, or raise the timeout",
    Reason.NOT_A_VIDEO: "what it reads is not a video",
    Reason.NO_VIDEO: "it gives no frames; check that the pipeline leads a video stream to the appsink",
    Reason.CODEC_UNSUPPORTED: "a plugin is missing; on Debian and Ubuntu gstreamer1.0-libav has most decoders, "
    "gstreamer1.0-plugins-good and -bad most other elements",
    Reason.CORRUPT_DATA: "its data are damaged",
    Reason.END_OF_STREAM: "the stream broke off",
}
# GStreamer's numbers, from gst/gsterror.h and gst/gstparse.h: they never change.
_BY_CODE: Mapping[tuple[str, int], Reason] = {
    ("gst-core-error-quark", 12): Reason.CODEC_UNSUPPORTED,  # MISSING_PLUGIN
    ("gst-resource-error-quark", 3): Reason.NOT_FOUND,
    ("gst-resource-error-quark", 4): Reason.BUSY,
    ("gst-resource-error-quark", 9): Reason.END_OF_STREAM,  # READ
    ("gst-resource-error-quark", 15): Reason.AUTH_FAILED,
    ("gst-stream-error-quark", 4): Reason.NOT_A_VIDEO,  # TYPE_NOT_FOUND
    ("gst-stream-error-quark", 5): Reason.NOT_A_VIDEO,  # WRONG_TYPE
    ("gst-stream-error-quark", 6): Reason.CODEC_UNSUPPORTED,
    ("gst-stream-error-quark", 7): Reason.CORRUPT_DATA,  # DECODE
    ("gst-stream-error-quark", 9): Reason.CORRUPT_DATA,  # DEMUX
}
_BY_TEXT = (
    (re.compile(r"unauthorized|forbidden|\b40[13]\b", re.IGNORECASE), Reason.AUTH_FAILED),
    (re.compile(r"no such (file|device)|not found|\b404\b", re.IGNORECASE), Reason.NOT_FOUND),
    (re.compile(r"permission denied", re.IGNORECASE), Reason.PERMISSION_DENIED),
    (re.compile(r"\bbusy\b", re.IGNORECASE), Reason.BUSY),
    (re.compile(r"timed? ?out|timeout", re.IGNORECASE), Reason.TIMEOUT),
    (
        re.compile(r"failed to connect|could not connect|refused|resolv|unreachable|no route", re.IGNORECASE),
        Reason.UNREACHABLE,
    ),
)
_PARSE_ERROR, _NO_ELEMENT, _NO_LINK = re.compile("gst.parse.error"), 1, 3
_QUOTED = re.compile(r"[\"'“«„]([\w-]+)[\"'”»“]")
_BROUGHT_BY = (  # the first that fits; on Debian and Ubuntu
    (r"nvv4l2|nvvid|nvargus|nvjpeg|nvegl|nvdrm", "NVIDIA's package nvidia-l4t-gstreamer, on a Jetson"),
    (r"av(dec|enc|demux|mux)_", "gstreamer1.0-libav"),
    (r"libcamera", "gstreamer1.0-libcamera"),
    (r"vaapi", "gstreamer1.0-vaapi"),
    (r"x264|x265|a52|dvd|mpeg2dec", "gstreamer1.0-plugins-ugly"),
    (
        r"nv|cuda|va[a-z]|v4l2(sl|codecs)|.*parse$|srt|hls|dash|rtmp2?src|webrtc|openh264|curl",
        "gstreamer1.0-plugins-bad",
    ),
    (r"(app|uri|decode|play|tcp|video|compositor|encodebin|gl)", "gstreamer1.0-plugins-base"),
    (r"", "gstreamer1.0-plugins-good or -bad"),
)


def package_of(element: str) -> str:
    """Which package most probably brings an element of that name."""
    return next(package for pattern, package in _BROUGHT_BY if re.match(pattern, element))


def pipeline_error(
    name: str, options: GStreamerOptions, reason: Reason, detail: str = "", *, retryable: bool | None = None
) -> SourceError:
    """A SourceError with a sentence for `reason`. What is wrong with a file stays wrong, a camera may recover."""
    remedy = _REMEDIES.get(reason, "")
    told = f"{remedy} ({detail})" if remedy and detail else remedy or detail or reason.value
    text = options.hide(f"source {name!r}: its pipeline {options.gstreamer.strip()!r} gives no frames: {told}")
    return SourceError(text, reason, retryable=options.realtime or options.connects if retryable is None else retryable)


def parse_error(name: str, options: GStreamerOptions, error: Any) -> SourceError:
    """For a GLib.Error of reading the text: what stands there can never work."""
    told = f"{error.message}"
    if error.code == _NO_ELEMENT and _PARSE_ERROR.search(error.domain):
        element = _QUOTED.search(told)
        known = element[1] if element else ""
        told += (
            f": if the name is right, install {package_of(known)}; `gst-inspect-1.0 {known}` tells whether it is there"
        )
    elif error.code == _NO_LINK and _PARSE_ERROR.search(error.domain):
        told += f": {_NOT_NEGOTIATED}; {_CONVERT}"
    return _never(name, options, told)


def refused(name: str, options: GStreamerOptions, told: str) -> SourceError:
    """For a pipeline that GStreamer can read and that is none for us."""
    return _never(name, options, told)


def element_error(name: str, options: GStreamerOptions, element: str, error: Any, debug: str | None) -> SourceError:
    """For a GLib.Error that an element of the running pipeline has posted, with the text that it has for developers."""
    debug = (debug or "").strip()
    reason = _reason(error, debug)
    last = debug.splitlines()[-1].strip() if debug else ""
    told = f"{element} says: {error.message}" + (f" {last}" if last and last not in error.message else "")
    if "not-negotiated" in debug:
        told = f"{_NOT_NEGOTIATED}; {_CONVERT} ({told})"
    elif "not-linked" in debug:
        told = f"a stream of it leads nowhere; is the one that goes on to the appsink the video? ({told})"
    return pipeline_error(name, options, reason, told)


def _reason(error: Any, debug: str) -> Reason:
    exact = _BY_CODE.get((error.domain, error.code))
    if exact is not None and exact is not Reason.END_OF_STREAM:
        return exact
    text = f"{error.message} {debug}"
    return next((reason for pattern, reason in _BY_TEXT if pattern.search(text)), exact or Reason.FAILED)


def _never(name: str, options: GStreamerOptions, told: str) -> SourceError:
    text = options.hide(f"source {name!r}: its pipeline {options.gstreamer.strip()!r} cannot work: {told}")
    return SourceError(text, Reason.FAILED, retryable=False)
