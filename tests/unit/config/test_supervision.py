"""When a worker hangs: the supervisor's limits and those of the sources must fit together."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config.schema import RunConfig
from mpipeline.errors import ConfigError


def config(decoder_timeout: float, **source: Any) -> dict[str, Any]:
    return {
        "sources": [{"kind": "video", "uri": "rtsp://host/gate", **source}],
        "model": {"path": "model.onnx"},
        "supervision": {"decoder_timeout": decoder_timeout},
    }


def test_a_wait_for_data_must_not_look_like_a_hang() -> None:
    with pytest.raises(ConfigError, match=r"may wait 60 s for data \(3 x read_timeout\), expected less than 40 s"):
        RunConfig.from_mapping(config(40, read_timeout=20))


@pytest.mark.parametrize("source", [{"read_timeout": 13}, {"uri": "shop.mp4", "read_timeout": 20}])
def test_a_shorter_wait_and_files_are_fine(source: dict[str, Any]) -> None:
    assert RunConfig.from_mapping(config(40, **source)).supervision.timeout("decoder") == 40


def test_the_defaults_fit_together() -> None:
    assert RunConfig.from_mapping({**config(60), "supervision": {}})
