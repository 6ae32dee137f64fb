"""Infers the kind of a source from its address, so that `uri` alone is enough in a config."""

from __future__ import annotations

import re

from mpipeline.errors import ConfigError

_NUMBER = re.compile(r"-?[0-9]+")  # that a negative one is no camera, its kind says
_NO_DEVICES = ("/dev/shm/", "/dev/fd/", "/dev/std")


def kind_of(uri: str) -> str:
    """The source kind that reads `uri`.

    "synthetic" for `synthetic` or `synthetic:…`, "device" for the number of a camera of this machine (`0`) or a path in
    /dev (`/dev/video0`, or a name that the machine's own rules give), but for those places in it where files and pipes
    are; "video" for any other path or URL. Raises ConfigError for an empty address.
    """
    address = uri.strip()
    if not address:
        raise ConfigError("a source's uri is empty; give a file or an address such as rtsp://host/path")
    if _NUMBER.fullmatch(address) or (address.startswith("/dev/") and not address.startswith(_NO_DEVICES)):
        return "device"
    if address == "synthetic" or address.startswith("synthetic:"):
        return "synthetic"
    return "video"
