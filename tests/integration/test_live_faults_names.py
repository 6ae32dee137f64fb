"""Cameras whose host name is not answered for, or does not exist: told, tried again, and nobody else is hurt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import media
from support.command import Workplace
from support.fleet import CLIP, Fleet, stream
from support.name_server import NameServer
from support.namespaces import MountSpace
from support.rtsp_server import RtspServer

HEALTHY = ("north", "south")
VIDEO = [media.video(CLIP)]
PATIENCE_S = 2  # more than `connect_timeout` of `stream`


@pytest.fixture
def cameras() -> Iterator[RtspServer]:
    with RtspServer(dict.fromkeys((*HEALTHY, "gate"), VIDEO), udp=False) as server:
        yield server


@pytest.mark.parametrize(("mode", "reasons"), [("silent", ("timeout",)), ("none", ("unreachable",))])
def test_a_name_that_is_not_found_is_told_hurts_nobody_else_and_passes(
    place: Workplace, cameras: RtspServer, mode: str, reasons: tuple[str, ...]
) -> None:
    named = cameras.url("gate").replace("127.0.0.1", "gate.cameras.test")
    healthy = [{"name": name, "uri": cameras.url(name), "read_timeout": 15} for name in HEALTHY]
    with NameServer(mode) as names:
        files = {"/etc/resolv.conf": names.configuration(place.folder, PATIENCE_S)}
        with MountSpace({}, files) as space:
            fleet = Fleet(place, *healthy, stream("gate", named), space=space)
            told = fleet.wait_for_reason("gate", *reasons)
            assert "gate.cameras.test" in told["message"]
            fleet.wait_for_state("gate", ("CONNECTING",), reasons)
            fleet.wait_for_flow(*HEALTHY)
            assert names.asked

            names.mode = "known"
            fleet.wait_for_flow()
            fleet.assert_undisturbed(*HEALTHY)
            assert not fleet.run.events("worker_restart")
            fleet.finish()
