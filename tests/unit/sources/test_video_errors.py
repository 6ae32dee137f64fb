"""FFmpeg's errors as reasons and sentences, without credentials."""

from __future__ import annotations

import errno

import av
import pytest

from mpipeline.errors import Reason
from mpipeline.sources.video_errors import classify, ffmpeg_error, source_error

ADDRESS = "rtsp://viewer:s3cr3t@host/gate"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (av.HTTPUnauthorizedError, Reason.AUTH_FAILED),
        (av.HTTPForbiddenError, Reason.AUTH_FAILED),
        (av.HTTPNotFoundError, Reason.NOT_FOUND),
        (av.HTTPServerError, Reason.SERVER_ERROR),
        (av.HTTPBadRequestError, Reason.SERVER_ERROR),
        (av.ExitError, Reason.TIMEOUT),
        (av.TimeoutError, Reason.TIMEOUT),
        (av.DecoderNotFoundError, Reason.CODEC_UNSUPPORTED),
        (av.PermissionError, Reason.PERMISSION_DENIED),
        (av.FileNotFoundError, Reason.NOT_FOUND),
        (av.IsADirectoryError, Reason.NOT_A_VIDEO),
        (av.InvalidDataError, Reason.NOT_A_VIDEO),
    ],
)
def test_ffmpegs_codes_become_reasons(kind: type[av.FFmpegError], reason: Reason) -> None:
    assert classify(kind(1, "text"), local=False, timed_out=False) is reason


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET])
def test_network_errors_are_unreachable(code: int) -> None:
    assert classify(av.OSError(code, "text"), local=False, timed_out=False) is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ((16, "tcp", "Failed to resolve hostname nowhere: Name or service not known\n"), Reason.UNREACHABLE),
        ((16, "tls", "error:0A00010B:SSL routines::wrong version number\n"), Reason.TLS_FAILED),
        (None, Reason.FAILED),
    ],
)
def test_the_log_line_decides_where_the_code_says_little(line: tuple[int, str, str] | None, reason: Reason) -> None:
    error = av.OSError(errno.EIO, "Input/output error", ADDRESS, line)  # type: ignore[arg-type]

    assert classify(error, local=False, timed_out=False) is reason


def test_after_the_deadline_invalid_data_means_no_data() -> None:
    error = av.InvalidDataError(1, "Invalid data")

    assert classify(error, local=False, timed_out=True) is Reason.TIMEOUT
    assert classify(error, local=True, timed_out=True) is Reason.NOT_A_VIDEO


def test_a_camera_that_hangs_up_is_unreachable() -> None:
    error = ffmpeg_error("gate", ADDRESS, av.InvalidDataError(1, "Invalid data"), doing="open", local=False)

    assert error.reason is Reason.UNREACHABLE


def test_messages_name_source_address_and_remedy_but_no_credentials() -> None:
    line = (16, "rtsp", f"method DESCRIBE of {ADDRESS} failed: 401 (Unauthorized)\n")
    native = av.HTTPUnauthorizedError(1, "Server returned 401", ADDRESS, line)  # type: ignore[arg-type]

    error = ffmpeg_error("gate", ADDRESS, native, doing="open", local=False)

    text = str(error)
    assert "'gate'" in text
    assert "rtsp://***@host/gate" in text
    assert "check the credentials" in text
    assert "401 (Unauthorized)" in text
    assert "s3cr3t" not in text
    assert "viewer" not in text
    assert (error.reason, error.retryable) == (Reason.AUTH_FAILED, True)


@pytest.mark.parametrize("reason", list(Reason))
def test_files_are_never_retried_cameras_always_and_web_addresses_nearly_always(reason: Reason) -> None:
    local = source_error("a", "a.mp4", reason, doing="open", local=True)
    camera = source_error("a", ADDRESS, reason, doing="open", local=False)
    web = source_error("a", "https://host/a.mp4", reason, doing="open", local=False)

    assert not local.retryable
    assert camera.retryable
    assert web.retryable is (reason not in (Reason.CODEC_UNSUPPORTED, Reason.NO_VIDEO))
    assert str(local).startswith("source 'a': cannot open a.mp4: ")


def test_no_piece_of_a_password_that_ffmpeg_takes_for_a_host_is_told() -> None:
    line = (16, "tcp", "Failed to resolve hostname ss: Name or service not known\n")
    error = av.OSError(errno.EIO, "Input/output error", "", line)  # type: ignore[arg-type]
    told = ffmpeg_error("gate", "rtsp://viewer:p@ss/w#rd@host/gate", error, doing="open", local=False)

    assert "hostname ss" not in str(told)
    assert "rtsp://***@host/gate" in str(told)
    assert "write %2F" in str(told)


def test_a_user_name_with_white_space_shows_no_password() -> None:
    told = source_error("gate", "rtsp://front desk:s3cr3t@host/gate", Reason.TIMEOUT, doing="open", local=False)

    assert "s3cr3t" not in str(told)
