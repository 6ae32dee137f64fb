"""What a camera of this machine can be told, and in which order that is set."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mpipeline.errors import Reason, SourceError
from mpipeline.sources.device_open import DeviceOptions, open_capture


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (0, "/dev/video0"),
        (" 12 ", "/dev/video12"),
        ("/dev/video3", "/dev/video3"),
        ("/dev/v4l/by-id/usb-Maker_Webcam-video-index0", "/dev/v4l/by-id/usb-Maker_Webcam-video-index0"),
    ],
)
def test_a_number_or_a_path(uri: Any, path: str) -> None:
    assert DeviceOptions(uri=uri).path == path


@pytest.mark.parametrize("uri", [-1, True, 1.5, "", "cam.mp4", "rtsp://host/x", None])
def test_anything_else_is_no_camera(uri: Any) -> None:
    with pytest.raises(ValidationError, match="number of a camera"):
        DeviceOptions(uri=uri)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 640}, "width and height go together"),
        ({"width": 640, "height": 480, "properties": {"CAP_PROP_FRAME_WIDTH": 320}}, "width is among the properties"),
        ({"fps": 5, "properties": {"fps": 5}}, "fps is among the properties"),
        ({"properties": {"convert_rgb": 0}}, "always BGR"),
        ({"properties": {"gain": "high"}}, "gain: expected a number"),
        ({"properties": {"fourcc": "MJPEG"}}, "four letters"),
        ({"fourcc": "H264 "}, "fourcc"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DeviceOptions(uri=0, **options)


def test_formats_are_set_before_sizes_and_those_before_rates() -> None:
    options = DeviceOptions(
        uri=0, fps=15, width=640, height=480, properties={"gain": 3, "CAP_PROP_FOURCC": "YUYV", "Zoom": 2}
    )
    assert list(options.settings().items()) == [
        ("fourcc", "YUYV"),
        ("frame_width", 640),
        ("frame_height", 480),
        ("gain", 3),
        ("zoom", 2),
        ("fps", 15),
    ]


def test_a_property_that_there_is_not_is_an_error_for_good() -> None:
    with pytest.raises(SourceError, match=r"'focsu'; did you mean 'focus'\?") as caught:
        open_capture("desk", DeviceOptions(uri=0, properties={"focsu": 3}))
    assert (caught.value.reason, caught.value.retryable) == (Reason.FAILED, False)


def test_what_a_plan_says_of_one_that_is_not_there() -> None:
    assert DeviceOptions(uri=99).outlook == "/dev/video99: not there now"
