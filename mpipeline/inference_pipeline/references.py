"""From `video_reference` to the sources of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from mpipeline.credentials import redact
from mpipeline.errors import InvalidArgument, Reason, SourceError
from mpipeline.sources.selection import is_pipeline, kind_of

VideoReference = str | int | Callable[[], Any]

_TEST_PATTERN = "TestPatternStreamProducer"
_EMPTY = "Cannot initialise `InferencePipeline` with empty `video_reference`"
_MISMATCH = (
    "Cannot apply `video_source_properties` to video sources due to missmatch in number of entries in properties "
    "configuration ({properties}) and of video sources ({sources})"
)


@dataclass(frozen=True)
class Reference:
    """One source: its entry in the config, how it is shown, the file that it is, or the maker of its producer.

    `properties` are what a producer is to be set to.
    """

    entry: Mapping[str, Any]
    shown: str
    path: Path | None = None
    make_producer: Callable[[], Any] | None = None
    properties: Mapping[str, Any] | None = None


def references(
    video_reference: VideoReference | Sequence[VideoReference],
    properties: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
) -> tuple[Reference, ...]:
    """One for each reference, in order. Raises InvalidArgument or TypeError for what is none or cannot be set
    so, and SourceError for a file that is not there."""
    is_many = isinstance(video_reference, Sequence) and not isinstance(video_reference, (str, bytes, bytearray))
    given: list[Any] = list(video_reference) if is_many else [video_reference]  # type: ignore[arg-type]
    if not given:
        raise InvalidArgument(_EMPTY)
    settings: list[Any] = [properties] * len(given)
    if properties is not None and not isinstance(properties, Mapping):
        settings = list(properties) if isinstance(properties, Sequence) else [properties]
    if not all(one is None or isinstance(one, Mapping) for one in settings):
        raise InvalidArgument(
            f"video_source_properties={properties!r}: expected a dict, or a list with one for each source"
        )
    if len(settings) != len(given):
        raise InvalidArgument(_MISMATCH.format(properties=len(settings), sources=len(given)))
    return tuple(_reference(one, dict(own or {})) for one, own in zip(given, settings, strict=True))


def _reference(given: Any, properties: dict[str, Any]) -> Reference:
    if isinstance(given, os.PathLike):
        given = os.fsdecode(given)
    if isinstance(given, str) and given.startswith(_TEST_PATTERN):
        _refuse(properties, given)
        entry = {"kind": "synthetic", "width": 1920, "height": 1080, "rate": 10, "realtime": True}
        return Reference(entry, _TEST_PATTERN)
    if isinstance(given, str):
        if not given:
            raise InvalidArgument(_EMPTY)
        if is_pipeline(given):
            _refuse(properties, given)
            return Reference({"gstreamer": given}, redact(given))
        kind = kind_of(given)
        if kind == "device":
            return _device(given, properties)
        entry = {"uri": given}
        if "pos_msec" in properties:
            entry["start"] = _milliseconds(properties.pop("pos_msec")) / 1000
        _refuse(properties, given)
        path = os.path.expanduser(given)
        exists = os.path.exists(path)
        if "://" not in given and kind == "video" and not exists:
            raise SourceError(f"{given}: there is no such file", Reason.NOT_FOUND, retryable=False)
        if os.path.isdir(path):
            raise SourceError(f"{given} is a folder: give the video files in it", Reason.NOT_A_VIDEO, retryable=False)
        return Reference(entry, redact(given), path=Path(path) if exists else None)
    if isinstance(given, int) and not isinstance(given, bool):
        if given < 0:
            raise InvalidArgument(f"video_reference {given}: the number of a device is 0 or more")
        return _device(str(given), properties)
    if callable(given):
        name = getattr(given, "__name__", type(given).__name__)
        return Reference({"kind": "callable"}, name, make_producer=given, properties=properties)
    raise TypeError(
        f"video_reference {given!r}: expected a path or an address, the number of a device, a function that gives a "
        "VideoFrameProducer, or a list of these"
    )


def _milliseconds(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise InvalidArgument(f"video_source_properties: pos_msec={given!r}: expected milliseconds") from None


def _device(address: str, properties: Mapping[str, Any]) -> Reference:
    """A camera of this machine: OpenCV reads it, and knows these properties."""
    plain: dict[str, Any] = {}
    for name, value in properties.items():
        if isinstance(value, Real):  # those of numpy as well
            plain[str(name)] = float(value)
        elif str(name).lower() == "fourcc":
            plain[str(name)] = value
        else:
            raise InvalidArgument(f"video_source_properties: {name}={value!r}: expected a number")
    return Reference({"kind": "device", "uri": address, "properties": plain}, address)


def _refuse(properties: Mapping[str, Any], reference: str) -> None:
    """Properties of OpenCV's VideoCapture have no meaning where OpenCV does not read."""
    if properties:
        raise InvalidArgument(
            f"video_source_properties {sorted(properties)} cannot be set for {redact(reference)}: files know pos_msec; "
            "for anything else give a function that makes a VideoFrameProducer of your own"
        )
