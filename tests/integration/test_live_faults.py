"""One camera of three misbehaves: the log tells its state and why, the others notice nothing, and it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import media
from support.command import Workplace
from support.fleet import CLIP, LARGE, OTHER_CODEC, Fleet, stream
from support.rtsp_faults import BROKEN_OFF, FAULTS, Fault
from support.rtsp_server import RtspServer

HEALTHY = ("north", "south")
LONG = {
    "closed",
    "silent_from_start",
    "hangs_at_describe",
    "server_error",
    "refuses",
}  # each has a near relative that is not


@pytest.fixture
def healthy() -> Iterator[RtspServer]:
    """Where nothing ever happens."""
    with RtspServer({name: [media.video(CLIP)] for name in HEALTHY}, udp=False) as running:
        yield running


@pytest.fixture
def faulty() -> Iterator[RtspServer]:
    """One camera behind a password."""
    with RtspServer({"gate": [media.video(CLIP)]}, user="viewer", password="right", udp=False) as running:
        yield running


def fleet_of(place: Workplace, healthy: RtspServer, faulty: RtspServer) -> Fleet:
    calm = ({"name": name, "uri": healthy.url(name), "read_timeout": 15} for name in HEALTHY)
    return Fleet(place, *calm, stream("gate", faulty.url("gate")))


def cases() -> list[Any]:
    """All faults but the refused password, which is tried again too seldom to be waited for here."""
    names = [name for name in FAULTS if name != "refuses_password"]
    return [pytest.param(FAULTS[name], id=name, marks=[pytest.mark.long] if name in LONG else []) for name in names]


@pytest.mark.parametrize("fault", cases())
def test_a_fault_is_told_hurts_nobody_else_and_passes(
    place: Workplace, healthy: RtspServer, faulty: RtspServer, fault: Fault
) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    fault.begin(faulty, "gate")
    fleet.wait_for_reason("gate", *fault.reasons)
    fleet.wait_for_flow(*HEALTHY)

    fault.end(faulty, "gate")
    fleet.wait_for_flow()
    assert len(fleet.run.events("stream_opened", source="gate")) >= 2
    fleet.assert_undisturbed(*HEALTHY)
    fleet.finish()


def test_a_refused_password_is_told_and_hurts_nobody_else(
    place: Workplace, healthy: RtspServer, faulty: RtspServer
) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    faulty.call("password", value="another")
    faulty.call("drop")
    fleet.wait_for_reason("gate", "auth_failed")
    fleet.wait_for_flow(*HEALTHY)

    fleet.assert_undisturbed(*HEALTHY)
    assert fleet.finish()["gate"]["reason"] == "auth_failed"
    assert len(fleet.run.events("reconnects", source="gate", reason="auth_failed")) == 1, "an account gets locked"


@pytest.mark.long
def test_a_password_that_is_right_again_is_tried_again(
    place: Workplace, healthy: RtspServer, faulty: RtspServer
) -> None:
    fleet = fleet_of(place, healthy, faulty)
    faulty.call("password", value="another")
    fleet.wait_for_reason("gate", "auth_failed")

    faulty.call("password", value="right")
    fleet.wait_for_flow()
    fleet.finish()


@pytest.mark.parametrize("seconds", [-3600, pytest.param(3600, marks=pytest.mark.long)])
def test_time_stamps_that_jump_lose_no_order(
    place: Workplace, healthy: RtspServer, faulty: RtspServer, seconds: int
) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    faulty.call("jump", seconds=seconds)
    fleet.wait_for_flow(more=20)

    fleet.assert_undisturbed(*HEALTHY)
    assert fleet.finish()["gate"]["state"] == "ENDED"


def test_a_new_resolution_goes_on_in_order(place: Workplace, healthy: RtspServer, faulty: RtspServer) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    faulty.call("switch", file=media.video(LARGE))
    fleet.run.wait_for("resolution_changed", source="gate")
    fleet.run.wait_until(lambda: fleet.lines("gate")[-1]["width"] == LARGE.width, "frames of the new size")
    fleet.wait_for_flow()

    fleet.assert_undisturbed(*HEALTHY)
    fleet.finish()


def test_another_codec_is_followed_on_reconnection(place: Workplace, healthy: RtspServer, faulty: RtspServer) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    faulty.call("switch", file=media.video(OTHER_CODEC))
    faulty.call("close")
    fleet.wait_for_reason("gate", *BROKEN_OFF)
    fleet.run.wait_until(
        lambda: any("hevc" in event["message"] for event in fleet.run.events("stream_opened", source="gate")),
        "the stream's new codec in the log",
    )
    fleet.wait_for_flow()

    fleet.assert_undisturbed(*HEALTHY)
    fleet.finish()


def test_a_flood_of_junk_is_survived_and_counted(place: Workplace, healthy: RtspServer, faulty: RtspServer) -> None:
    fleet = fleet_of(place, healthy, faulty)
    fleet.wait_for_flow()

    faulty.call("flood", packets=30)
    before = faulty.call("stats")["gate"]["frames"]
    fleet.run.wait_until(lambda: faulty.call("stats")["gate"]["frames"] >= before + 30, "two seconds of junk")
    fleet.wait_for_flow(*HEALTHY)

    faulty.call("flood", packets=0)
    fleet.wait_for_flow()
    fleet.assert_undisturbed(*HEALTHY)
    summary = fleet.finish()["gate"]["message"]
    assert int(summary.rpartition("decode errors: ")[2]) > 0, summary
