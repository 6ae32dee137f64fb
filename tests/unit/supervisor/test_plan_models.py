"""A run with two models: its plan, its status, its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.children import child
from support.two_models import FACES, PEOPLE, plan

from mpipeline.errors import ConfigError
from mpipeline.messages import Role
from mpipeline.supervisor.plan import slots_for
from mpipeline.supervisor.shutdown import Phase, Shutdown
from mpipeline.supervisor.status import describe


class TestThePlan:
    def test_each_model_has_a_process_and_a_bit_and_each_feed_one(self) -> None:
        made = plan()
        assert [(m.name, m.worker, m.bit, m.sources) for m in made.models] == [
            ("people", "inference:people", 0, ("a", "b")),
            ("faces", "inference:faces", 1, ("a",)),
        ]
        feeds = [(sink.spec.name, f.model, f.sources, f.bit) for sink in made.sinks for f in sink.feeds]
        assert feeds == [("x", "people", ("a", "b"), 2), ("x", "faces", ("a",), 3), ("y", "faces", ("a",), 4)]
        specs = {worker.name: worker.spec for worker in made.workers if worker.role is Role.INFERENCE}
        assert [specs[name]["batching"]["max_size"] for name in (PEOPLE, FACES)] == [8, 32]
        assert specs[FACES]["model"] == {"target": "m:F", "backend": "python"}
        assert [[model.name for model in made.models_of(source)] for source in "ab"] == [
            ["people", "faces"],
            ["people"],
        ]

    def test_sinks_that_never_look_at_pixels_need_no_bit(self) -> None:
        lines = [{"kind": "jsonl", "path": f"{n}.jsonl"} for n in range(20)]
        made = plan(sinks=[*lines, {"kind": "python", "target": "m:X"}])
        assert {feed.bit for sink in made.sinks[:-1] for feed in sink.feeds} == {-1}
        assert [feed.bit for feed in made.sinks[-1].feeds] == [2, 3]

    def test_a_ring_has_a_number_of_readers(self) -> None:
        sinks = [{"kind": "python", "target": f"m:X{n}"} for n in range(7)]
        with pytest.raises(ConfigError, match=r"7 sinks are too many: a ring has 15 readers.*which they take"):
            plan(sinks=sinks)
        assert plan(sinks=[*sinks[:6], {**sinks[6], "models": ["people"]}])

    def test_rings_have_slots_for_all_models(self) -> None:
        made = plan()
        a, b = made.config.sources
        assert [slots_for(made.config, one, every_frame=False) for one in (a, b)] == [8, 6]
        assert [slots_for(made.config, one, every_frame=True) for one in (a, b)] == [70, 14]


class TestTheEnd:
    def shutdown(self, *over: str) -> tuple[Shutdown, list[str]]:
        children = {name: child(Role.INFERENCE, "") for name in (PEOPLE, FACES)}
        for name, one in children.items():
            one.plan = replace(one.plan, name=name)
        children["decoder:a"] = child(Role.DECODER, "a")
        for name in over:
            children[name].exit()
        asked: list[str] = []
        return Shutdown(10, children, lambda one: asked.append(one.name), lambda _: None), asked  # type: ignore[arg-type]

    def test_a_run_goes_on_with_the_models_that_are_left(self) -> None:
        made, _ = self.shutdown(FACES)
        made.advance(0, 0)
        assert made.phase is Phase.RUNNING
        made, _ = self.shutdown(FACES, PEOPLE)
        made.advance(0, 0)
        assert made.phase is not Phase.RUNNING

    def test_all_models_drain_side_by_side(self) -> None:
        made, asked = self.shutdown("decoder:a")
        made.advance(0, 0)
        assert made.phase is Phase.INFERENCE
        assert asked == [PEOPLE, FACES]


def test_the_status_tells_each_model_by_name() -> None:
    made = [
        child(Role.DECODER, "a"),
        child(Role.DECODER, "b"),
        *(child(Role.INFERENCE, "") for _ in range(2)),
        *(child(Role.SINK, name) for name in "xy"),
    ]
    for one, name in zip(made[2:4], (PEOPLE, FACES), strict=True):
        one.plan = replace(one.plan, name=name)
    made[0].counters = {"frames_dropped{reason=max_fps,source=a}": 1.0}
    made[2].counters = {"frames_inferred{source=a}": 8.0, "frames_inferred{source=b}": 5.0}
    made[3].counters = {"frames_inferred{source=a}": 6.0, "frames_dropped{reason=stale,source=a}": 2.0}
    made[2].counters["latency_seconds{source=a}"] = 4.0
    made[3].counters["latency_seconds{source=a}"] = 3.0
    a, b = describe(plan(), "running", {c.name: c for c in made}, {}, [], 0).sources  # type: ignore[misc]
    assert (a.inferred, a.by_model, a.dropped) == (6, {"people": 8, "faces": 6}, {"max_fps": 1, "faces stale": 2})
    assert a.latency_seconds == 3.0  # of as many frames as it tells: half a second each
    assert (b.inferred, b.by_model) == (5, {"people": 5})
