"""Models are loaded wherever a run may take place."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from support.onnx_tasks import yolo_model

from mpipeline.config.environment import model_cache
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ConfigError
from mpipeline.workers.loading import load_model


def test_a_user_without_a_home_loads_a_model_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number for which it has no name."""

    def nobody(_: int) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME", "MODEL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigError, match="MODEL_CACHE_DIR"):
        model_cache()
    loaded = load_model(ModelSpec(path=yolo_model(tmp_path / "m.onnx", (96, 64), "segment", masks=32)))
    loaded.backend.close()
