"""Says why a camera of this machine cannot be read: a reason code, and a sentence with a remedy."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct
from collections.abc import Mapping

from mpipeline.errors import Reason, SourceError

# Requests of Linux's Video4Linux, from linux/videodev2.h. A format holds pointers, hence its two sizes.
_FORMAT_SIZE = 208 if struct.calcsize("P") == 8 else 204
_QUERY_CAPABILITIES, _CAPABILITIES_SIZE = 0x80685600, 104
_GET_FORMAT = 0xC0005604 | _FORMAT_SIZE << 16
_SET_FORMAT = 0xC0005605 | _FORMAT_SIZE << 16
_CAPABILITIES_AT = 84  # two 32-bit words: of the whole device, and of this node of it
_GIVES_PICTURES = 0x1 | 0x1000  # single- or multi-planar capture
_TELLS_OF_NODES = 0x80000000
_CAPTURE = 1  # the kind of stream

_REMEDIES: Mapping[Reason, str] = {
    Reason.PERMISSION_DENIED: "this user may not open it; add the user to the group that owns it, for example with "
    "`sudo usermod -aG video $USER`, and log in again",
    Reason.BUSY: "another program uses it; end that program, which `fuser -v {path}` names",
    Reason.NOT_A_VIDEO: "it is no video device",
    Reason.NO_VIDEO: "it gives no pictures: many cameras have a second device for data about them, and the pictures "
    "come from the one before it",
    Reason.TIMEOUT: "no picture has come for too long; plug it in again if that stays so",
    Reason.END_OF_STREAM: "it was unplugged, or its driver has given it up",
    Reason.CORRUPT_DATA: "none of its pictures can be decoded; try another fourcc, cable or port",
    Reason.FAILED: "it can be opened but gives no picture: another program may use it, the USB bus may have no room "
    "for it (a smaller size, a lower fps, fourcc MJPG or another port needs less), or OpenCV does not know its format",
}


def device_error(name: str, path: str, reason: Reason, detail: str = "") -> SourceError:
    """The SourceError for a camera. All of them may pass: cameras are plugged in again, rights are granted."""
    told = detail or _REMEDIES.get(reason, reason.value).format(path=path)
    return SourceError(f"source {name!r}: cannot read the camera {path}: {told}", reason)


def diagnosed(path: str) -> tuple[Reason, str] | None:
    """What is wrong with a camera that OpenCV could not open, and a sentence or ""; None if nothing can be found.

    OpenCV says no more than that it failed. Opens the device for a moment.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _refused(path, error)
    try:
        return _asked(file)
    finally:
        os.close(file)


def _refused(path: str, error: OSError) -> tuple[Reason, str]:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        others = [one for one in sorted(glob.glob("/dev/video*")) if one != path]
        known = (
            f"there are {', '.join(others)}" if others else "there is no other either, and a container must be given it"
        )
        return Reason.NOT_FOUND, f"it is not there; plug it in ({known})"
    if error.errno in (errno.EACCES, errno.EPERM):
        return Reason.PERMISSION_DENIED, ""
    if error.errno == errno.EBUSY:
        return Reason.BUSY, ""
    return Reason.FAILED, f"{error.strerror}"


def _asked(file: int) -> tuple[Reason, str] | None:
    answer = bytearray(_CAPABILITIES_SIZE)
    try:
        fcntl.ioctl(file, _QUERY_CAPABILITIES, answer)
    except OSError as error:
        return (Reason.NOT_A_VIDEO, "") if error.errno in (errno.ENOTTY, errno.EINVAL) else (Reason.FAILED, str(error))
    whole, own = struct.unpack_from("=II", answer, _CAPABILITIES_AT)
    if not (own if whole & _TELLS_OF_NODES else whole) & _GIVES_PICTURES:
        return Reason.NO_VIDEO, ""
    format = bytearray(_FORMAT_SIZE)
    struct.pack_into("=I", format, 0, _CAPTURE)
    try:
        fcntl.ioctl(file, _GET_FORMAT, format)
        fcntl.ioctl(file, _SET_FORMAT, format)  # the one that it has: nothing is changed
    except OSError as error:
        return (Reason.BUSY, "") if error.errno == errno.EBUSY else None
    return None
