"""Infers the kind of a source from its address, so that `uri` alone is enough in a config."""

from __future__ import annotations

import glob
import os
import re

from mpipeline.errors import ConfigError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif")

_NUMBER = re.compile(r"-?[0-9]+")  # that a negative one is no camera, its kind says
_NO_DEVICES = ("/dev/shm/", "/dev/fd/", "/dev/std")
_LISTS = (".m3u", ".m3u8")
_HLS = "#EXT-X-"  # how the lines of HLS begin that a list of files does not have
_HEAD = 64 * 1024  # characters
_ELEMENT = re.compile(r"\w+\s+[\w:-]+\s*=\s*\S")  # of a pipeline, with a property


def kind_of(uri: str) -> str:
    """The source kind that reads `uri`.

    "synthetic" for `synthetic` or `synthetic:…`, "device" for the number of a camera of this machine (`0`) or a path in
    /dev (`/dev/video0`, or a name that the machine's own rules give), but for those places in it where files and pipes
    are; "images" for a folder and for a pattern of names of pictures (`shots/*.png`); "playlist" for a list of files
    that lies here (`.m3u`, or an `.m3u8` that is not HLS); "video" for any other path or URL. Raises ConfigError for an
    empty address and for a pipeline of GStreamer, which has a key of its own.
    """
    address = uri.strip()
    if not address:
        raise ConfigError("a source's uri is empty; give a file or an address such as rtsp://host/path")
    if is_pipeline(address):
        raise ConfigError("this is a GStreamer pipeline: give it as `gstreamer` in place of `uri`")
    if _NUMBER.fullmatch(address) or (address.startswith("/dev/") and not address.startswith(_NO_DEVICES)):
        return "device"
    if address == "synthetic" or address.startswith("synthetic:"):
        return "synthetic"
    if "://" in address:
        return "video"
    path = os.path.expanduser(address)
    try:
        is_pattern = glob.has_magic(path) and path.lower().endswith(PICTURES) and not os.path.lexists(path)
        if is_pattern or os.path.isdir(path):
            return "images"
    except ValueError:  # with a NUL
        return "video"
    return "playlist" if path.lower().endswith(_LISTS) and is_list(path) else "video"


def is_pipeline(text: str) -> bool:
    """Whether this is the text of a GStreamer pipeline, elements with ' ! ' between them or a property, and no file."""
    return (" ! " in text or _ELEMENT.match(text) is not None) and not os.path.lexists(os.path.expanduser(text))


def is_list(path: str) -> bool:
    """Whether this is a file that lists files, and not one of HLS, which FFmpeg reads as a whole."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return _HLS not in file.read(_HEAD)
    except OSError:
        return False
