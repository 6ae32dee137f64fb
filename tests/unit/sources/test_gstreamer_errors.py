"""What becomes of GStreamer's errors: a reason, a remedy, whether it may pass; and the package of a missing element."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mpipeline.errors import Reason
from mpipeline.sources.gstreamer_errors import element_error, package_of, parse_error
from mpipeline.sources.gstreamer_options import GStreamerOptions

CAMERA = GStreamerOptions(gstreamer="rtspsrc location=rtsp://u:s3cret@host/x ! appsink")
FILE = GStreamerOptions(gstreamer="filesrc location=a.mp4 ! decodebin")


def gerror(domain: str, code: int, message: str) -> Any:
    return SimpleNamespace(domain=f"gst-{domain}-error-quark", code=code, message=message)


@pytest.mark.parametrize(
    ("error", "debug", "reason"),
    [
        (gerror("resource", 15, "Unauthorized"), "gstrtspsrc.c(6814): ...", Reason.AUTH_FAILED),
        (gerror("resource", 3, "Not found"), "Not Found (404)", Reason.NOT_FOUND),
        (gerror("resource", 7, "Could not open resource."), "Failed to connect. (Generic error)", Reason.UNREACHABLE),
        (gerror("resource", 7, "Could not open resource."), "Timeout while waiting for server", Reason.TIMEOUT),
        (gerror("resource", 5, "Could not open file."), "system error: Permission denied", Reason.PERMISSION_DENIED),
        (gerror("resource", 4, "Device '/dev/video0' is busy"), "", Reason.BUSY),
        (gerror("resource", 9, "Could not read from resource."), "", Reason.END_OF_STREAM),
        (gerror("resource", 9, "Could not read from resource."), "Receive timed out", Reason.TIMEOUT),
        (gerror("stream", 6, "Your GStreamer installation is missing a plug-in."), "", Reason.CODEC_UNSUPPORTED),
        (gerror("core", 12, "missing plugin"), "", Reason.CODEC_UNSUPPORTED),
        (gerror("stream", 4, "Could not determine type of stream."), "", Reason.NOT_A_VIDEO),
        (gerror("stream", 7, "Failed to decode"), None, Reason.CORRUPT_DATA),
        (gerror("stream", 1, "Internal data stream error."), "reason error (-5)", Reason.FAILED),
    ],
)
def test_each_has_its_reason(error: Any, debug: str, reason: Reason) -> None:
    live, file = (element_error("gate", one, "source0", error, debug) for one in (CAMERA, FILE))
    assert (live.reason, file.reason) == (reason, reason)
    assert (live.retryable, file.retryable) == (True, False)
    assert "source0 says: " in str(live)
    assert error.message in str(live)
    assert "s3cret" not in str(live)


@pytest.mark.parametrize(
    ("debug", "told"),
    [
        ("streaming stopped, reason not-negotiated (-4)", "put `videoconvert`"),
        ("streaming stopped, reason not-linked (-1)", "leads nowhere"),
    ],
)
def test_what_developers_are_told_becomes_a_remedy(debug: str, told: str) -> None:
    error = element_error("gate", FILE, "qtdemux0", gerror("stream", 1, "Internal data stream error."), debug)
    assert told in str(error)


def test_a_missing_element_comes_with_its_package() -> None:
    error = SimpleNamespace(domain="gst_parse_error", code=1, message='no element "nvvidconv"')
    found = parse_error("gate", FILE, error)
    assert not found.retryable
    assert "nvidia-l4t-gstreamer" in str(found)


@pytest.mark.parametrize(
    ("element", "package"),
    [
        ("nvv4l2decoder", "nvidia-l4t-gstreamer"),
        ("avdec_h264", "gstreamer1.0-libav"),
        ("h264parse", "gstreamer1.0-plugins-bad"),
        ("nvh264dec", "gstreamer1.0-plugins-bad"),
        ("vah264dec", "gstreamer1.0-plugins-bad"),
        ("vaapih264dec", "gstreamer1.0-vaapi"),
        ("videoconvert", "gstreamer1.0-plugins-base"),
        ("decodebin", "gstreamer1.0-plugins-base"),
        ("rtspsrc", "gstreamer1.0-plugins-good"),
        ("v4l2src", "gstreamer1.0-plugins-good"),
    ],
)
def test_where_elements_come_from(element: str, package: str) -> None:
    assert package in package_of(element)
