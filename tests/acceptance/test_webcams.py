"""`mpipeline run` over cameras of this machine: OpenCV's own code reads a stand-in that can have faults."""

from __future__ import annotations

from typing import Any

import pytest
from support import runs
from support.command import Workplace
from support.fleet import Fleet
from support.webcams import LARGE_JPEG, SMALL, SMALL_JPEG, Webcams


@pytest.fixture
def webcams(place: Workplace) -> Webcams:
    """What all commands see as the cameras of this machine: 0 and 1."""
    found = Webcams(place.folder / "webcams")
    found.add(0, SMALL, SMALL_JPEG, LARGE_JPEG)
    found.add(1, SMALL)
    place.environment |= found.environment
    return found


def desk(**options: Any) -> dict[str, Any]:
    return {"name": "desk", "uri": 0, "read_timeout": 1, **options}


DOOR = {"name": "door", "uri": "/dev/video1", "read_timeout": 15}


def test_a_number_or_a_path_is_enough(place: Workplace, webcams: Webcams) -> None:
    fleet = Fleet(place, desk(), DOOR)
    fleet.wait_for_flow()
    assert "160x96 MJPG (live)" in fleet.run.wait_for("stream_opened", source="desk")[0]["message"]
    assert "160x96 YUYV (live)" in fleet.run.wait_for("stream_opened", source="door")[0]["message"]
    fleet.assert_undisturbed("desk", "door")
    assert not fleet.run.events("property_refused")
    fleet.finish()


def test_it_is_set_as_it_is_told_and_what_it_does_not_take_is_told(place: Workplace, webcams: Webcams) -> None:
    options = desk(width=320, height=180, fps=60, properties={"brightness": 200, "CAP_PROP_FOCUS": 3})
    fleet = Fleet(place, options, DOOR)
    fleet.wait_for_flow()
    assert "320x180 MJPG" in fleet.run.wait_for("stream_opened", source="desk")[0]["message"]
    refused = fleet.run.events("property_refused", source="desk")
    assert [one["message"].partition("take ")[2] for one in refused] == ["focus=3 (it has none), fps=60 (it gives 15)"]
    fleet.finish()


def test_one_that_is_pulled_out_hurts_nobody_and_goes_on_when_it_is_back(place: Workplace, webcams: Webcams) -> None:
    fleet = Fleet(place, desk(), DOOR)
    fleet.wait_for_flow()

    webcams.begin(0, "unplugged")
    assert "unplugged" in fleet.wait_for_reason("desk", "end_of_stream")["message"]
    fleet.wait_for_reason("desk", "not_found")
    fleet.wait_for_state("desk", ("RECONNECTING",), ("not_found",))
    fleet.wait_for_flow("door")

    webcams.end(0, "unplugged")
    fleet.wait_for_flow()
    fleet.assert_undisturbed("door")
    fleet.finish()


@pytest.mark.parametrize(
    ("fault", "reason", "word"),
    [
        ("stalled", "timeout", "plug it in again"),
        ("torn", "corrupt_data", "decoded"),
    ],
)
def test_a_stream_that_gives_nothing_is_told_and_flows_again(
    place: Workplace, webcams: Webcams, fault: str, reason: str, word: str
) -> None:
    fleet = Fleet(place, desk(), DOOR)
    fleet.wait_for_flow()

    webcams.begin(0, fault)
    assert word in fleet.wait_for_reason("desk", reason)["message"]
    fleet.wait_for_flow("door")

    webcams.end(0, fault)
    fleet.wait_for_flow()
    fleet.assert_undisturbed("door")
    fleet.finish()


@pytest.mark.parametrize(
    ("fault", "reason", "word"),
    [
        ("busy", "busy", "fuser -v /dev/video0"),
        ("denied", "permission_denied", "usermod -aG video"),
    ],
)
def test_one_that_cannot_be_opened_is_told_and_flows_when_it_can(
    place: Workplace, webcams: Webcams, fault: str, reason: str, word: str
) -> None:
    webcams.begin(0, fault)
    fleet = Fleet(place, desk(), DOOR)
    assert word in fleet.wait_for_reason("desk", reason)["message"]
    fleet.wait_for_flow("door")

    webcams.end(0, fault)
    fleet.wait_for_flow()
    fleet.assert_undisturbed("door")
    fleet.finish()


def test_a_device_without_pictures_is_told(place: Workplace, webcams: Webcams) -> None:
    webcams.begin(0, "metadata")
    fleet = Fleet(place, desk(), DOOR)
    assert "second device" in fleet.wait_for_reason("desk", "no_video")["message"]
    fleet.wait_for_flow("door")
    fleet.finish()


def test_one_that_is_missing_is_waited_for_while_the_other_flows(place: Workplace, webcams: Webcams) -> None:
    fleet = Fleet(place, {**desk(), "uri": "5"}, DOOR)
    assert "/dev/video5" in fleet.wait_for_reason("desk", "not_found")["message"]
    fleet.wait_for_flow("door")

    webcams.add(5)
    fleet.wait_for_flow()
    fleet.assert_undisturbed("door")
    fleet.finish()


def test_a_driver_that_hangs_is_ended_with_its_process(place: Workplace, webcams: Webcams) -> None:
    fleet = Fleet(place, desk(), DOOR | {"read_timeout": 1}, supervision=runs.QUICK_RESTARTS | {"decoder_timeout": 4})
    fleet.wait_for_flow()

    webcams.begin(0, "hung")
    fleet.run.wait_for("worker_stalled")
    fleet.wait_for_flow("door")

    webcams.end(0, "hung")
    fleet.wait_for_flow()
    fleet.finish()


def test_check_names_a_camera_and_does_not_open_it(place: Workplace, webcams: Webcams) -> None:
    place.write("run.yaml", runs.config({"uri": 0}, {"uri": "/dev/video1"}))
    check = place.start("check", "run.yaml")
    assert check.wait() == 0, check.log
    for word in ("device", "latest", "video0: /dev/video0", "video1: /dev/video1"):
        assert word in check.output
    assert not webcams.was_opened(0)
    assert not webcams.was_opened(1)
