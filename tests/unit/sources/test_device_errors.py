"""What is said of a camera of this machine that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpipeline.errors import Reason
from mpipeline.sources.device_errors import device_error, diagnosed


def test_one_that_is_not_there_is_tried_again() -> None:
    found = diagnosed("/dev/video99")
    assert found is not None
    error = device_error("desk", "/dev/video99", *found)
    assert (error.reason, error.retryable) == (Reason.NOT_FOUND, True)
    assert "source 'desk': cannot read the camera /dev/video99: it is not there; plug it in" in str(error)


def test_what_is_no_camera_is_told() -> None:
    found = diagnosed("/dev/null")
    assert found is not None
    assert str(device_error("desk", "/dev/null", *found)).endswith("it is no video device")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_who_may_not_open_it_is_told_of_the_group(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    assert diagnosed(str(device)) == (Reason.PERMISSION_DENIED, "")


@pytest.mark.parametrize("reason", [Reason.BUSY, Reason.PERMISSION_DENIED, Reason.TIMEOUT, Reason.FAILED])
def test_every_reason_has_a_remedy(reason: Reason) -> None:
    assert len(str(device_error("desk", "/dev/video0", reason)).partition("/dev/video0: ")[2]) > 20
