"""What is known of a pipeline before it is started, and that no password of it is seen."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mpipeline.sources.gstreamer_options import GStreamerOptions


def options(text: str, **more: object) -> GStreamerOptions:
    return GStreamerOptions(gstreamer=text, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "live", "connects"),
    [
        ("nvarguscamerasrc sensor-id=0 ! nvvidconv ! appsink", True, False),
        ("v4l2src device=/dev/video0 ! jpegdec ! appsink", True, False),
        ("rtspsrc location=rtsp://host/x ! rtph264depay ! avdec_h264 ! appsink", True, True),
        ("udpsrc port=5000 ! tsdemux ! avdec_h264 ! appsink", True, True),
        ("filesrc location=a.mp4 ! decodebin ! appsink", False, False),
        ("uridecodebin uri=file:///a.mp4 ! appsink", False, False),
        ("uridecodebin uri=https://host/a.mp4 ! appsink", False, True),
        ("videotestsrc ! appsink", False, False),
        ("videotestsrc is-live=true ! appsink", True, False),
    ],
)
def test_what_the_text_promises(text: str, live: bool, connects: bool) -> None:
    assert (options(text).realtime, options(text).connects) == (live, connects)
    assert options(text, live=not live).realtime is not live


@pytest.mark.parametrize(
    ("caps", "pixel_format"),
    [
        ("", "i420"),
        ("! video/x-raw,format=NV12", "i420"),  # as large
        ("! video/x-raw,format=BGR", "bgr24"),
        ("! video/x-raw, format=(string)BGRx ! videoconvert ! video/x-raw, format=(string)GRAY8", "gray8"),
    ],
)
def test_the_memory_of_a_frame_can_be_planned(caps: str, pixel_format: str) -> None:
    assert options(f"videotestsrc {caps} ! appsink").pixel_format == pixel_format


@pytest.mark.parametrize(
    "text",
    [
        "rtspsrc location=rtsp://admin:s3cret@host/x ! appsink",
        'rtspsrc location="rtsp://admin:s3cret@host/x" ! appsink',
        "rtspsrc location=rtsp://host/x user-id=admin user-pw=s3cret ! appsink",
        "rtspsrc location=rtsp://host/x user-id=admin user-pw = s3cret ! appsink",
        'rtspsrc location=rtsp://host/x user-pw="s3cret" ! appsink',
        "rtspsrc location=rtsp://host/x user-pw='s3cret' ! appsink",
        "rtspsrc location=rtsp://host/x user-pw=(string)s3cret ! appsink",
        "srtsrc uri=srt://host:7001 passphrase=s3cret ! appsink",
        "souphttpsrc location=http://host/?token=s3cret ! appsink",
    ],
)
def test_no_password_is_shown(text: str) -> None:
    found = options(text)
    for shown in (found.shown, found.outlook, found.hide(f"could not open {text} with s3cret")):
        assert "s3cret" not in shown
        assert "host" in shown


def test_a_password_with_blanks_is_hidden_whole() -> None:
    found = options('rtspsrc location=rtsp://host/x user-pw="two \\"words" ! appsink')
    assert "two" not in found.shown
    assert "words" not in found.shown


@pytest.mark.parametrize("text", ["", "   ", "a\0b"])
def test_what_is_no_pipeline(text: str) -> None:
    with pytest.raises(ValidationError):
        options(text)
