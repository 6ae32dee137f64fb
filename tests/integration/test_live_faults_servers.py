"""Servers and decoders that stop, die, or come late: each camera's state is told, and it flows as soon as it can."""

from __future__ import annotations

import re
import signal
from typing import Any

import pytest
from support import media
from support.command import Workplace
from support.fleet import CLIP, Fleet, stream
from support.leftovers import wait_until
from support.rtsp_faults import BROKEN_OFF, FAULTS, SILENT
from support.rtsp_program import RtspProgram
from support.rtsp_server import RtspServer

HEALTHY = ("north", "south")
VIDEO = [media.video(CLIP)]


def calm(server: RtspServer | RtspProgram, read_timeout: float = 15) -> list[dict[str, Any]]:
    """Sources that would rather wait than be connected anew."""
    return [{"name": name, "uri": server.url(name), "read_timeout": read_timeout} for name in HEALTHY]


def pauses(fleet: Fleet, source: str) -> dict[int, float]:
    """Number of the failure → the pause after it in seconds; of several within a second the log tells the last."""
    found: dict[int, float] = {}
    failure = 0
    for event in fleet.run.events("reconnects", source=source):
        failure += event["count"]
        told = re.search(r"next try in ([\d.]+) s", event["message"])
        assert told is not None, event
        found[failure] = float(told[1])
    return found


def test_a_stopped_server_process_is_a_silence_and_its_return_is_noticed(place: Workplace) -> None:
    with RtspServer(dict.fromkeys(HEALTHY, VIDEO), udp=False) as healthy, RtspProgram({"gate": VIDEO}) as faulty:
        fleet = Fleet(place, *calm(healthy), stream("gate", faulty.url("gate")))
        fleet.wait_for_flow()

        faulty.freeze()
        fleet.wait_for_reason("gate", *SILENT)
        fleet.wait_for_flow(*HEALTHY)

        faulty.thaw()
        fleet.wait_for_flow()
        fleet.assert_undisturbed(*HEALTHY)
        fleet.finish()


@pytest.mark.parametrize("failures", [3, pytest.param(9, marks=pytest.mark.long)])
def test_a_server_that_is_away_is_asked_ever_more_seldom_and_found_again(place: Workplace, failures: int) -> None:
    with RtspServer(dict.fromkeys(HEALTHY, VIDEO), udp=False) as healthy, RtspProgram({"gate": VIDEO}) as faulty:
        fleet = Fleet(place, *calm(healthy), stream("gate", faulty.url("gate")))
        fleet.wait_for_flow()

        faulty.kill()
        fleet.run.wait_until(
            lambda: max(pauses(fleet, "gate"), default=0) > failures, f"{failures} failures to connect"
        )
        fleet.wait_for_reason("gate", *BROKEN_OFF)
        fleet.wait_for_reason("gate", "unreachable")
        found = pauses(fleet, "gate")
        assert all(pause <= min(30.0, 0.5 * 2 ** (failure - 1)) + 0.05 for failure, pause in found.items()), found
        fleet.wait_for_flow(*HEALTHY)

        faulty.start()
        fleet.wait_for_flow()
        fleet.assert_undisturbed(*HEALTHY)
        fleet.finish()


def test_cameras_that_are_all_away_at_the_start_come_later(place: Workplace) -> None:
    with RtspProgram(dict.fromkeys(HEALTHY, VIDEO)) as server:
        server.kill()
        fleet = Fleet(place, *(stream(name, server.url(name)) for name in HEALTHY))
        for name in HEALTHY:
            fleet.wait_for_reason(name, "unreachable")
            fleet.wait_for_state(name, ("CONNECTING",), ("unreachable",))

        server.start()
        fleet.wait_for_flow()
        fleet.wait_for_state("north", ("STREAMING",))
        fleet.finish()


def test_a_stop_while_no_camera_was_ever_there_is_no_failure(place: Workplace) -> None:
    with RtspProgram({"gate": VIDEO}) as server:
        server.kill()
        fleet = Fleet(place, stream("gate", server.url("gate")))
        fleet.wait_for_reason("gate", "unreachable")
        assert fleet.finish()["gate"]["reason"] == "unreachable"


def test_a_decoder_that_stops_is_killed_and_started_again(place: Workplace) -> None:
    supervision = {"first_delay": 0.05, "max_delay": 0.2, "max_restarts": 1000, "decoder_timeout": 16}
    with RtspServer(dict.fromkeys((*HEALTHY, "gate"), VIDEO), udp=False) as server:
        fleet = Fleet(place, *calm(server, 5), stream("gate", server.url("gate")), supervision=supervision)
        fleet.wait_for_flow()
        stopped = fleet.run.worker("decoder:gate")

        stopped.send_signal(signal.SIGSTOP)
        fleet.run.wait_for("worker_stalled", worker="decoder:gate")
        fleet.run.wait_for("worker_restart", worker="decoder:gate")
        fleet.run.worker("decoder:gate", other_than=stopped.pid)
        fleet.wait_for_flow()

        wait_until(lambda: not stopped.is_running(), "the end of the stopped process")
        fleet.assert_undisturbed(*HEALTHY)
        assert not fleet.run.events("worker_restart", worker="decoder:north")
        fleet.finish()


def test_every_state_and_reason_is_shown_while_it_lasts_and_at_the_end(place: Workplace) -> None:
    """In a line of progress and in the summary, which a stop in the middle of all this must not turn into a failure."""
    expected = {
        "unknown_path": ("CONNECTING",),
        "server_error": ("CONNECTING",),
        "hangs_at_describe": ("CONNECTING",),
        "no_key_frames": ("CONNECTING", "RECONNECTING"),  # it has answered every request
        "silent": ("CONNECTING", "RECONNECTING"),
    }
    with RtspServer(dict.fromkeys(("north", *expected), VIDEO), udp=False) as server:
        for name in expected:
            FAULTS[name].begin(server, name)
        sources = [stream(name, server.url(name)) for name in ("north", *expected)]
        fleet = Fleet(place, *sources)
        for name, states in expected.items():
            fleet.wait_for_reason(name, *FAULTS[name].reasons)
            fleet.wait_for_state(name, states, FAULTS[name].reasons)
        fleet.wait_for_flow("north")

        summary = fleet.finish()
        for name in (name for name, states in expected.items() if states == ("CONNECTING",)):
            assert summary[name]["reason"] in FAULTS[name].reasons, summary[name]
        assert "reason" not in summary["north"]


def test_cameras_that_hang_leave_the_others_their_turn_to_connect(place: Workplace) -> None:
    hanging = ("gate", "yard", "hall")
    with RtspServer(dict.fromkeys((*hanging, "north"), VIDEO), udp=False) as server:
        for name in hanging:
            FAULTS["hangs_at_describe"].begin(server, name)
        sources = [stream(name, server.url(name)) for name in (*hanging, "north")]
        fleet = Fleet(place, *sources, limits={"connects": 1})
        for name in hanging:
            fleet.wait_for_reason(name, "timeout")
        fleet.wait_for_flow("north")

        for name in hanging:
            FAULTS["hangs_at_describe"].end(server, name)
        fleet.wait_for_flow()
        fleet.finish()
