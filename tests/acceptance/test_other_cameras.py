"""`mpipeline run` over cameras that are code of the user's: what goes wrong in it costs the others nothing."""

from __future__ import annotations

from typing import Any

from support import runs
from support.command import Workplace
from support.fleet import Fleet


def camera(name: str, target: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "kind": "python", "target": f"support.cameras:{target}", "options": options}


def test_a_finite_one_is_read_to_its_end_and_one_that_cannot_work_fails_for_good(place: Workplace) -> None:
    command = place.run(runs.config(camera("clip", "Clip", count=40), camera("wrong", "Clip", colour="blue")))
    assert command.wait() == 65, command.log
    assert "its options do not fit" in command.events("source_failed", source="wrong")[0]["message"]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(clip=40)


def test_one_that_raises_is_made_anew_and_one_that_hangs_is_ended_with_its_process(place: Workplace) -> None:
    supervision = runs.QUICK_RESTARTS | {"decoder_timeout": 3}
    sources = camera("loose", "Failing"), camera("stuck", "Hanging"), runs.camera("other")
    fleet = Fleet(place, *sources, supervision=supervision)
    fleet.wait_for_flow("loose", more=8)  # three of each connection
    told = fleet.wait_for_reason("loose", "unreachable")
    assert "failed in grab: ConnectionError: the cable is loose" in told["message"]
    fleet.wait_for_flow("stuck", more=9)  # seven of each connection
    assert "it has not been heard of for" in fleet.run.events("worker_restart", worker="decoder:stuck")[0]["message"]
    fleet.assert_undisturbed("other")
    fleet.finish()
