"""What the network and the disk do wrong, as errors that say it in words and with a code."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from urllib3 import exceptions as http

from mpipeline.config.environment import MODEL_CACHE_DIR
from mpipeline.errors import DownloadError, Reason

# What the library puts before the reason: the connection, whose address is told anyway.
_WHO = re.compile(r"^HTTPS?Connection(Pool)?\([^)]*\): (Failed to establish a new connection: )?")


def shown_address(url: str) -> str:
    """Scheme, host and path: the query holds keys and signatures."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def status_fault(status: int, url: str, retry_after: str | None = None) -> DownloadError | None:
    """The error of a status that may be another one a moment later; None for others."""
    if status not in (408, 429) and status < 500:
        return None
    meaning = {408: "took too long", 429: "is asked too often"}.get(status, "has a fault of its own")
    seconds = float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None
    text = f"{shown_address(url)}: the server {meaning} (status {status})"
    return DownloadError(text, Reason.SERVER_ERROR, retryable=True, retry_after=seconds)


def transport_fault(error: Exception, url: str, hide: Callable[[str], str]) -> DownloadError:
    """The error of a request that got no answer, or not all of it. `hide` takes secrets out of a text."""
    cause = error.original_error if isinstance(error, http.ProxyError) else error
    where, said = shown_address(url), _WHO.sub("", hide(str(cause)))
    if isinstance(error, http.SSLError):
        final = "CERTIFICATE" in str(error).upper()
        text = f"{where}: no secure connection: {said}"
        if final:
            text += "; the system's certificates (package ca-certificates, or SSL_CERT_FILE) do not vouch for it"
        return DownloadError(text, Reason.TLS_FAILED, retryable=not final)
    if isinstance(error, http.ProxyError):
        return DownloadError(f"{where}: the proxy does not connect: {said}", Reason.UNREACHABLE, retryable=True)
    if isinstance(error, http.NameResolutionError):
        return DownloadError(f"{where}: the name of the host is not known: {said}", Reason.UNREACHABLE, retryable=True)
    if isinstance(error, http.NewConnectionError):
        return DownloadError(f"{where}: no connection: {said}", Reason.UNREACHABLE, retryable=True)
    if isinstance(error, (http.TimeoutError, TimeoutError)):
        return DownloadError(f"{where}: no answer in time: {said}", Reason.TIMEOUT, retryable=True)
    if isinstance(error, (http.LocationParseError, http.URLSchemeUnknown)):
        return DownloadError(f"{where}: is no address that can be asked", Reason.UNREACHABLE)
    return DownloadError(f"{where}: the connection broke off: {said}", Reason.UNREACHABLE, retryable=True)


def disk_fault(error: OSError, path: Path) -> DownloadError:
    """The error of a cache folder that cannot be written."""
    place = str(error.filename or path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DownloadError(
            f"{place}: there is no space left; make some, or set {MODEL_CACHE_DIR} to a folder on another disk",
            Reason.NO_SPACE,
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DownloadError(
            f"{place}: cannot be written ({os.strerror(error.errno)}); set {MODEL_CACHE_DIR} to a folder that can",
            Reason.PERMISSION_DENIED,
        )
    return DownloadError(f"{place}: cannot be written: {error.strerror or error}", Reason.WRITE_FAILED)
