"""Opens a camera of this machine with OpenCV and sets it up as its options say."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mpipeline.errors import Reason, SourceError
from mpipeline.registry import suggestion
from mpipeline.sources.device_errors import device_error, diagnosed

logger = logging.getLogger("mpipeline.source")

MJPG = "MJPG"
_PREFIX = "CAP_PROP_"
_OPTIONS = {"fourcc": "fourcc", "width": "frame_width", "height": "frame_height", "fps": "fps"}
_LOG_ERRORS = 2  # OpenCV's level
_NUMBER = re.compile(r"[0-9]{1,6}")
_SLACK = 0.5  # of a value: 29.97 frames a second are 30


class DeviceOptions(BaseModel):
    """Options of a `device` source. Times are seconds, sizes pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reads_files: ClassVar[bool] = False  # a camera that is not there is waited for, and no mistake in the config

    uri: str = Field(description="the number of a camera, or its path such as /dev/video0 or /dev/v4l/by-id/…")
    width: int | None = Field(None, ge=1, le=16384)
    height: int | None = Field(None, ge=1, le=16384)
    fps: float | None = Field(None, gt=0, le=1000, description="frames a second")
    fourcc: str | None = Field(None, pattern=r"^[ -~]{4}$", description="how it encodes pictures; MJPG if it can")
    read_timeout: float = Field(5.0, gt=0, le=25, description="a camera that is silent for so long has stalled")
    properties: dict[str, float | str] = Field(default_factory=dict, description="OpenCV's CAP_PROP_… by name")

    @field_validator("uri", mode="before")
    @classmethod
    def _as_path(cls, uri: Any) -> Any:
        """A number is the camera of that number, in a config without quotes as well."""
        text = str(uri).strip() if isinstance(uri, str) or type(uri) is int else ""
        if _NUMBER.fullmatch(text):
            return f"/dev/video{int(text)}"
        if not text.startswith("/dev/"):
            raise ValueError("expected the number of a camera, such as 0, or its path, such as /dev/video0")
        return text

    @field_validator("properties")
    @classmethod
    def _by_plain_names(cls, properties: dict[str, float | str]) -> dict[str, float | str]:
        plain = {name.upper().removeprefix(_PREFIX).lower(): value for name, value in properties.items()}
        if "convert_rgb" in plain:
            raise ValueError("convert_rgb cannot be set: frames are always BGR")
        for name, value in plain.items():
            if isinstance(value, str) and (name != "fourcc" or not re.fullmatch(r"[ -~]{4}", value)):
                raise ValueError(f"{name}: expected a number, or for fourcc four letters such as MJPG, got {value!r}")
        return plain

    @model_validator(mode="after")
    def _each_once(self) -> DeviceOptions:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together; give both or none of them")
        twice = [key for key, name in _OPTIONS.items() if getattr(self, key) is not None and name in self.properties]
        if twice:
            raise ValueError(f"{twice[0]} is among the properties too, as {_OPTIONS[twice[0]]}; give one of the two")
        return self

    @property
    def path(self) -> str:
        """Where the camera is."""
        return self.uri

    @property
    def realtime(self) -> bool:
        """Cameras are live."""
        return True

    @property
    def pixel_format(self) -> str:
        """How a frame lies in a ring, for the plan's memory."""
        return "bgr24"

    @property
    def longest_wait(self) -> float:
        """Seconds that a camera which has flowed may keep its decoder waiting, with a margin."""
        return 3 * self.read_timeout

    @property
    def outlook(self) -> str:
        """What a plan can say of the camera without opening it: its path, and its name if it is there."""
        node = os.path.basename(os.path.realpath(self.path))
        try:
            return f"{self.path}: {Path('/sys/class/video4linux', node, 'name').read_text(encoding='utf-8').strip()}"
        except (OSError, ValueError):
            return self.path if os.path.exists(self.path) else f"{self.path}: not there now"

    def settings(self) -> dict[str, float | str]:
        """OpenCV's properties by name in the order in which they must be set: each format has its sizes and rates."""
        given = {name: getattr(self, key) for key, name in _OPTIONS.items() if getattr(self, key) is not None}
        given.update(self.properties)
        first = [name for name in ("fourcc", "frame_width", "frame_height") if name in given]
        last = [name for name in ("fps",) if name in given]
        between = [name for name in given if name not in (*first, *last)]
        return {name: given[name] for name in (*first, *between, *last)}


def open_capture(name: str, options: DeviceOptions) -> Any:
    """An open `cv2.VideoCapture`, set up; what the camera did not take is told in the log. Raises SourceError."""
    import cv2

    numbers = {key: _number_of(name, key) for key in options.settings()}
    with quietly():
        capture = cv2.VideoCapture(options.path, cv2.CAP_V4L2)
        if capture.isOpened():
            _set_up(name, capture, options.settings(), numbers)
            return capture
        capture.release()
    raise device_error(name, options.path, *(diagnosed(options.path) or (Reason.FAILED, "")))


@contextmanager
def quietly() -> Iterator[None]:
    """Keeps OpenCV's warnings off the terminal: what they say, at each attempt, is told by our errors once."""
    import cv2

    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 5 has only the latter
    level = set_level(_LOG_ERRORS)
    try:
        yield
    finally:
        set_level(level)


def fourcc_of(capture: Any) -> str:
    """How the camera encodes pictures, "YUYV" for instance."""
    import cv2

    return _letters(capture.get(cv2.CAP_PROP_FOURCC))


def _set_up(name: str, capture: Any, settings: Mapping[str, float | str], numbers: Mapping[str, int]) -> None:
    own = fourcc_of(capture)
    if "fourcc" not in settings:  # over USB 2 most cameras are slow in any other format
        _choose(capture, MJPG)
    refused = [key for key, value in settings.items() if not capture.set(numbers[key], _value(value))]
    if "fourcc" not in settings and _differing(capture, settings, numbers, ("frame_width", "frame_height")):
        _choose(capture, own)  # its other format may have that size
        if _differing(capture, settings, numbers, ("frame_width", "frame_height")):
            _choose(capture, MJPG)
    wrong = {*refused, *_differing(capture, settings, numbers, tuple(settings))}
    if wrong:
        told = [f"{key}={_plain(settings[key])}{_given(capture, numbers[key])}" for key in settings if key in wrong]
        fields = {"event": "property_refused", "source": name}
        logger.warning("%s: the camera did not take %s", name, ", ".join(told), extra=fields)


def _choose(capture: Any, fourcc: str) -> None:
    """Sets the format; a camera that does not have it keeps another."""
    import cv2

    capture.set(cv2.CAP_PROP_FOURCC, _value(fourcc))


def _differing(
    capture: Any, settings: Mapping[str, float | str], numbers: Mapping[str, int], keys: tuple[str, ...]
) -> list[str]:
    """Those of the properties that the camera has otherwise than they were set."""
    return [key for key in keys if key in settings and abs(capture.get(numbers[key]) - _value(settings[key])) > _SLACK]


def _given(capture: Any, number: int) -> str:
    """What the camera has in place of what it was told."""
    import cv2

    value = capture.get(number)
    if value < 0:
        return " (it has none)"
    return f" (it gives {_letters(value) if number == cv2.CAP_PROP_FOURCC else _plain(value)})"


def _number_of(name: str, key: str) -> int:
    """OpenCV's number of a property. Raises SourceError, which is for good."""
    import cv2

    number = getattr(cv2, f"{_PREFIX}{key.upper()}", None)
    if not isinstance(number, int):
        valid = [one.removeprefix(_PREFIX).lower() for one in dir(cv2) if one.startswith(_PREFIX)]
        text = f"source {name!r}: OpenCV knows no property {key!r}{suggestion(key, valid)}"
        raise SourceError(text, Reason.FAILED, retryable=False)
    return number


def _value(value: float | str) -> float:
    return float(int.from_bytes(value.encode(), "little")) if isinstance(value, str) else float(value)


def _letters(number: float) -> str:
    return int(number).to_bytes(4, "little", signed=False).decode("ascii", "replace").strip() if number > 0 else ""


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
