"""A config with two models, people and faces, and its plan."""

from __future__ import annotations

from typing import Any

from mpipeline.config import RunConfig
from mpipeline.supervisor.plan import Plan, inference_name, make_plan

PEOPLE, FACES = inference_name("people"), inference_name("faces")
CONFIG: dict[str, Any] = {
    "sources": [{"name": "a", "kind": "synthetic"}, {"name": "b", "kind": "synthetic", "models": ["people"]}],
    "models": {"people": {"target": "m:P"}, "faces": {"target": "m:F", "batching": {"max_size": 32}}},
    "sinks": [
        {"name": "x", "kind": "python", "target": "m:X"},
        {"name": "y", "kind": "python", "target": "m:Y", "models": ["faces"]},
    ],
}


def plan(**changes: Any) -> Plan:
    return make_plan(RunConfig.from_mapping({**CONFIG, **changes}))
