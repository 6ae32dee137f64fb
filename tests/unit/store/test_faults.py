"""Faults of the network and the disk in words."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from urllib3 import exceptions as http

from mpipeline.errors import DownloadError, Reason
from mpipeline.store.faults import disk_fault, shown_address, status_fault, transport_fault

URL = "https://user:p4ss@hub.example:8443/ort/coco/3?api_key=s3cret"


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert shown_address(URL) == "https://hub.example:8443/ort/coco/3"


@pytest.mark.parametrize("status", [200, 206, 301, 400, 401, 404, 416, 423])
def test_a_status_that_would_come_again_is_no_passing_fault(status: int) -> None:
    assert status_fault(status, URL) is None


@pytest.mark.parametrize(
    ("status", "after", "seconds"), [(408, None, None), (429, "3", 3.0), (500, "soon", None), (503, " 2 ", 2.0)]
)
def test_a_status_that_may_pass(status: int, after: str | None, seconds: float | None) -> None:
    fault = status_fault(status, URL, after)
    assert isinstance(fault, DownloadError)
    assert fault.retryable
    assert fault.retry_after == seconds
    assert str(status) in str(fault)
    assert "s3cret" not in str(fault)


@pytest.mark.parametrize(
    ("error", "reason", "retryable", "words"),
    [
        (http.SSLError("CERTIFICATE_VERIFY_FAILED"), Reason.TLS_FAILED, False, "ca-certificates"),
        (http.SSLError("UNEXPECTED_EOF"), Reason.TLS_FAILED, True, "no secure connection"),
        (http.ProxyError("refused", OSError()), Reason.UNREACHABLE, True, "the proxy"),
        (http.ProtocolError("Connection broken"), Reason.UNREACHABLE, True, "broke off"),
        (http.IncompleteRead(3, 7), Reason.UNREACHABLE, True, "broke off"),  # type: ignore[no-untyped-call]
        (ConnectionResetError(104, "reset"), Reason.UNREACHABLE, True, "broke off"),
        (TimeoutError("late"), Reason.TIMEOUT, True, "no answer in time"),
        (http.LocationParseError("x"), Reason.UNREACHABLE, False, "no address"),
    ],
)
def test_faults_of_the_way(error: Exception, reason: Reason, retryable: bool, words: str) -> None:
    fault = transport_fault(error, URL, lambda text: text)
    assert (fault.reason, fault.retryable) == (reason, retryable)
    assert words in str(fault)
    assert "s3cret" not in str(fault)


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (errno.ENOSPC, Reason.NO_SPACE, "no space left"),
        (errno.EROFS, Reason.PERMISSION_DENIED, "cannot be written"),
        (errno.EACCES, Reason.PERMISSION_DENIED, "MODEL_CACHE_DIR"),
        (errno.EIO, Reason.WRITE_FAILED, "cannot be written"),
    ],
)
def test_faults_of_the_disk(number: int, reason: Reason, words: str) -> None:
    fault = disk_fault(OSError(number, "of the system"), Path("/cache"))
    assert fault.reason is reason
    assert words in str(fault)
    assert "/cache" in str(fault)
