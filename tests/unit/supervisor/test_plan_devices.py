"""A model on several devices: a process for each, and each source goes to exactly one of them."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config import RunConfig
from mpipeline.messages import Role
from mpipeline.supervisor.plan import Plan, make_plan, slots_for

SOURCES = [{"name": name, "kind": "synthetic"} for name in ("yard", "gate", "hall")]
TWO = ["cuda:0", "cuda:1"]


def plan(device: Any, sources: list[dict[str, Any]] = SOURCES, **more: Any) -> Plan:
    config = {
        "sources": sources,
        "model": {"target": "m:M", "device": device},
        "sinks": [{"kind": "python", "target": "m:S"}],
    }
    config.update(more)
    return make_plan(RunConfig.from_mapping({key: value for key, value in config.items() if value is not None}))


def specs(made: Plan) -> dict[str, Any]:
    return {worker.name: worker.spec["model"].get("device") for worker in made.workers if worker.role is Role.INFERENCE}


def test_one_device_is_told_to_the_only_process() -> None:
    assert specs(plan("cuda:1")) == {"inference": "cuda:1"}
    assert specs(plan(["cuda:1"])) == {"inference": "cuda:1"}


def test_sources_go_round_the_devices_by_their_names() -> None:
    made = plan(TWO)
    assert specs(made) == {"inference:cuda:0": "cuda:0", "inference:cuda:1": "cuda:1"}
    assert [(one.name, one.worker, one.bit, one.sources) for one in made.models] == [
        ("", "inference:cuda:0", 0, ("yard", "gate")),
        ("", "inference:cuda:1", 1, ("hall",)),
    ]
    assert [[one.worker for one in made.models_of(source)] for source in ("gate", "hall", "yard")] == [
        ["inference:cuda:0"],
        ["inference:cuda:1"],
        ["inference:cuda:0"],
    ]
    (sink,) = made.sinks
    assert [(feed.model, feed.worker, feed.sources, feed.bit) for feed in sink.feeds] == [
        ("", "inference:cuda:0", ("yard", "gate"), 2),
        ("", "inference:cuda:1", ("hall",), 3),
    ]


def test_it_is_the_same_whatever_the_order_in_the_config() -> None:
    for sources in (SOURCES, SOURCES[::-1], [SOURCES[1], SOURCES[0], SOURCES[2]]):
        shares = {one.device: set(one.sources) for one in plan(TWO, sources).models}
        assert shares == {"cuda:0": {"gate", "yard"}, "cuda:1": {"hall"}}


def test_a_device_without_sources_gets_no_process() -> None:
    assert list(specs(plan(TWO, SOURCES[:1]))) == ["inference:cuda:0"]


def test_each_of_several_models_has_devices_of_its_own() -> None:
    models = {"people": {"target": "m:P", "device": TWO}, "faces": {"target": "m:F", "device": "cuda:1"}}
    sources = [SOURCES[0], SOURCES[1], {**SOURCES[2], "models": ["faces"]}]
    made = plan(None, sources, model=None, models=models)
    assert [(one.name, one.worker, one.sources) for one in made.models] == [
        ("people", "inference:people@cuda:0", ("gate",)),
        ("people", "inference:people@cuda:1", ("yard",)),
        ("faces", "inference:faces", ("yard", "gate", "hall")),
    ]


@pytest.mark.parametrize(("device", "slots"), [("cuda:0", 2 * 3 + 6), (TWO, 2 * 4 + 6)])
def test_rings_have_slots_for_the_share_of_a_batch(device: Any, slots: int) -> None:
    made = plan(device)
    assert slots_for(made.config, made.config.sources[0], every_frame=True) == slots
