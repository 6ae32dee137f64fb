"""Fetches a model from the hub of a test, and remembers what its progress was."""

from __future__ import annotations

from pathlib import Path

from support.model_hub import KEY, NAMES, ModelHub

from mpipeline.config.environment import StoreSettings
from mpipeline.models.package import read_package
from mpipeline.store.cache import CachedModel
from mpipeline.store.fetch import fetch
from mpipeline.store.patience import Patience

BALLAST = 400_000
QUICK = Patience(connect=5, silence=5, answer=20, attempts=3, first_pause=0.001)
HASTY = Patience(connect=5, silence=0.2, answer=20, attempts=2, first_pause=0.001)


class Heard:
    """A progress that remembers: (file, total, how much of it was here already)."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, int]] = []
        self.received = 0

    def begin(self, label: str, total: int | None, done: int) -> None:
        self.begun.append((label, total, done))

    def advance(self, count: int) -> None:
        self.received += count

    def end(self) -> None:
        pass

    def resumed(self) -> list[int]:
        return [done for label, _, done in self.begun if label == "weights.onnx"]


def settings_of(hub: ModelHub, cache: Path, key: str = KEY) -> StoreSettings:
    return StoreSettings(cache, key, hub.url("").rstrip("/"))


def pulled(
    hub: ModelHub, cache: Path, heard: Heard | None = None, *, key: str = KEY, patience: Patience = QUICK
) -> CachedModel:
    return fetch("coco/3", settings_of(hub, cache, key), heard or Heard(), patience)


def assert_complete(model: CachedModel, hub: ModelHub) -> None:
    assert (model.directory / "weights.onnx").read_bytes() == (hub.folder / "coco/3/weights.onnx").read_bytes()
    expected = {"weights.onnx", "class_names.txt", ".origin.json"}
    expected |= {name for name in ("model_config.json", "inference_config.json") if hub.has_packages}
    expected |= {name for name in ("model_type.json", "environment.json") if not hub.has_packages}
    assert {path.name for path in model.directory.iterdir()} == expected
    assert read_package(model.directory).said.class_names() == tuple(NAMES)


def partial(cache: Path) -> Path:
    return cache / "mpipeline" / ".partial" / "coco" / "3" / "weights.onnx.part"
