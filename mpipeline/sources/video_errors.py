"""Turns what FFmpeg reports into SourceErrors: a reason code, a sentence with a remedy, and no credentials."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, cast

from mpipeline.credentials import is_cut_short, redact, redact_address
from mpipeline.errors import Reason, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import av

LogLine = tuple[int, str, str]  # level, part of FFmpeg, text
_ByClass = tuple[tuple[type[BaseException], ...], Reason]

_LOCAL_REMEDIES: Mapping[Reason, str] = {
    Reason.NOT_FOUND: "there is no such file",
    Reason.PERMISSION_DENIED: "the file may not be read; check its permissions",
    Reason.NOT_A_VIDEO: "this is not a video, or its header is missing or cut off",
    Reason.CODEC_UNSUPPORTED: "no decoder for this codec is installed; convert the file, for example to H.264",
    Reason.NO_VIDEO: "it holds no video stream, only other data such as audio",
    Reason.CORRUPT_DATA: "no frame of it can be decoded",
    Reason.TRUNCATED: "a part of the file is missing; copy it again",
}
_NETWORK_REMEDIES: Mapping[Reason, str] = {
    Reason.AUTH_FAILED: "the server refused the user name or password; check the credentials in the address",
    Reason.NOT_FOUND: "the server does not know this path; check the part after the host",
    Reason.UNREACHABLE: "no connection to the server; check the host, the port and the network",
    Reason.TIMEOUT: "the server did not answer in time; check the network, or raise the timeout",
    Reason.TLS_FAILED: "no encrypted connection; check that the server speaks TLS on this port and its certificate",
    Reason.SERVER_ERROR: "the server answered with an error",
    Reason.NOT_A_VIDEO: "what the server sends is not a video",
    Reason.CODEC_UNSUPPORTED: "no decoder for this codec is installed; set the camera to H.264 or H.265",
    Reason.NO_VIDEO: "it offers no video stream",
    Reason.CORRUPT_DATA: "no frame of it can be decoded",
    Reason.NO_KEY_FRAME: "no key frame came to begin with; give the camera a shorter key frame interval, "
    "or raise key_frame_timeout",
    Reason.TRUNCATED: "the transfer ended early",
}
_NEVER_RETRIED = {Reason.CODEC_UNSUPPORTED, Reason.NO_VIDEO}  # unless a camera may be set up differently meanwhile
_CAMERA_SCHEMES = ("rtsp", "rtmp", "udp:", "rtp:", "srt:", "tcp:")
_UNREACHABLE_ERRNOS = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.EHOSTUNREACH,
    errno.EHOSTDOWN,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
}
_TLS_LOG = re.compile(r"\b(tls|ssl|certificate|handshake)", re.IGNORECASE)
_UNREACHABLE_LOG = re.compile(r"failed to resolve|name or service|no route|refused|reset by peer", re.IGNORECASE)


def classify(error: av.FFmpegError, *, local: bool, timed_out: bool) -> Reason:
    """The reason code behind `error`. `timed_out`: the deadline of the call had passed when it was raised.

    FFmpeg answers an expired deadline with whatever its parser makes of the missing data, most often "invalid data" or
    "operation not permitted", so the clock decides before such a code does; a server's own answer counts more.
    """
    import av

    answered: tuple[_ByClass, ...] = (
        ((av.HTTPUnauthorizedError, av.HTTPForbiddenError), Reason.AUTH_FAILED),
        ((av.HTTPNotFoundError,), Reason.NOT_FOUND),
        ((av.HTTPClientError, av.HTTPError), Reason.SERVER_ERROR),
        ((av.TimeoutError, av.ExitError), Reason.TIMEOUT),
    )
    by_system: tuple[_ByClass, ...] = (
        ((av.DecoderNotFoundError, av.PatchWelcomeError), Reason.CODEC_UNSUPPORTED),
        ((av.FileNotFoundError, av.NotADirectoryError), Reason.NOT_FOUND),
        ((av.PermissionError,), Reason.PERMISSION_DENIED),
        ((av.IsADirectoryError, av.DemuxerNotFoundError, av.ProtocolNotFoundError), Reason.NOT_A_VIDEO),
    )
    late: tuple[_ByClass, ...] = (((av.FFmpegError,), Reason.TIMEOUT),) if timed_out and not local else ()
    for classes, reason in (*answered, *late, *by_system):
        if isinstance(error, classes):
            return reason
    line = _log_text(cast("LogLine | None", error.log))
    if _TLS_LOG.search(line):
        return Reason.TLS_FAILED
    if error.errno in _UNREACHABLE_ERRNOS or _UNREACHABLE_LOG.search(line):
        return Reason.UNREACHABLE
    return Reason.NOT_A_VIDEO if isinstance(error, av.InvalidDataError) else Reason.FAILED


def ffmpeg_error(
    name: str, uri: str, error: av.FFmpegError, *, doing: str, local: bool, timed_out: bool = False
) -> SourceError:
    """The SourceError for an FFmpegError; raise it `from` the original."""
    import av

    reason = classify(error, local=local, timed_out=timed_out)
    if reason is Reason.NOT_A_VIDEO and uri.startswith(("rtsp", "rtmp")) and isinstance(error, av.InvalidDataError):
        reason = Reason.UNREACHABLE  # the connection was closed before, or in the middle of, an answer
    line = _log_text(cast("LogLine | None", error.log))  # PyAV's stub says otherwise
    detail = f"FFmpeg says: {error.strerror}" + (f"; {line}" if line else "")
    if is_cut_short(uri):  # what FFmpeg says may be of a host that is a piece of the password
        detail = "if its user part holds '/', '?' or '#', write %2F, %3F or %23 there"
    return source_error(name, uri, reason, doing=doing, local=local, detail=detail)


def source_error(
    name: str, uri: str, reason: Reason, *, doing: str, local: bool, detail: str = "", retryable: bool | None = None
) -> SourceError:
    """A SourceError with a sentence for `reason`; what is wrong with a file stays wrong, a camera may recover."""
    remedy = (_LOCAL_REMEDIES if local else _NETWORK_REMEDIES).get(reason, "")
    told = f"{remedy} ({detail})" if remedy and detail else remedy or detail or reason.value
    message = redact(f"source {name!r}: cannot {doing} {redact_address(uri)}: {told}")
    if retryable is None:
        is_camera = uri.lower().startswith(_CAMERA_SCHEMES)
        retryable = not local and (is_camera or reason not in _NEVER_RETRIED)
    return SourceError(message, reason, retryable=retryable)


def _log_text(line: LogLine | None) -> str:
    return redact(f"[{line[1]}] {line[2].strip()}") if line else ""
