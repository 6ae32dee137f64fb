"""Infers the kind of a source from its address, so that `uri` alone is enough in a config."""

from __future__ import annotations

from mpipeline.errors import ConfigError


def kind_of(uri: str) -> str:
    """The source kind that reads `uri`.

    "synthetic" for `synthetic` or `synthetic:…`, "device" for the number or the path of a camera of this machine (`0`,
    `/dev/video0`, `/dev/v4l/by-id/…`), "video" for any other path or URL. Raises ConfigError for an empty address.
    """
    address = uri.strip()
    if not address:
        raise ConfigError("a source's uri is empty; give a file or an address such as rtsp://host/path")
    if address.isdecimal() or address.startswith(("/dev/video", "/dev/v4l/")):
        return "device"
    if address == "synthetic" or address.startswith("synthetic:"):
        return "synthetic"
    return "video"
