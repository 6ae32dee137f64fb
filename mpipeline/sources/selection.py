"""Infers the kind of a source from its address, so that `uri` alone is enough in a config."""

from __future__ import annotations

from mpipeline.errors import ConfigError


def kind_of(uri: str) -> str:
    """The source kind that reads `uri`: "synthetic" for `synthetic` or `synthetic:…`, "video" for any path or URL.

    Raises ConfigError for an empty address and for camera devices (`0`, `/dev/video0`), which no kind reads yet.
    """
    address = uri.strip()
    if not address:
        raise ConfigError("a source's uri is empty; give a file or an address such as rtsp://host/path")
    if address.isdecimal() or address.startswith("/dev/video"):
        raise ConfigError(f"{address!r}: camera devices are not supported yet; use an rtsp:// or file address")
    if address == "synthetic" or address.startswith("synthetic:"):
        return "synthetic"
    return "video"
