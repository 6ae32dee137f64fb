"""Models in the cache, in the layouts that others leave there too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support.model_hub import write_legacy_package, write_package

from mpipeline.store.cache import CachedModel, everything, find


def packages_folder(cache: Path, model_id: str, package: str = "pack1") -> Path:
    digest = hashlib.blake2s(model_id.encode(), digest_size=16).hexdigest()
    return cache / "models-cache" / f"v2-{model_id.replace('/', '-')}-{digest}" / package


def write_own(cache: Path, model_id: str) -> Path:
    folder = write_package(cache / "mpipeline" / model_id)
    files = {path.name: {"bytes": path.stat().st_size} for path in folder.iterdir()}
    (folder / ".origin.json").write_text(json.dumps({"model_id": model_id, "files": files}))
    return folder


def test_an_empty_or_missing_cache(tmp_path: Path) -> None:
    assert find(tmp_path / "none", "coco/3") is None
    assert everything(tmp_path / "none") == []
    assert find(tmp_path, "coco/3", "yolov8n-640") is None


def test_the_older_layout(tmp_path: Path) -> None:
    folder = write_legacy_package(tmp_path / "coco" / "3")
    assert find(tmp_path, "coco/3") == CachedModel("coco/3", folder, "legacy")
    assert find(tmp_path, "coco/4") is None


@pytest.mark.parametrize("told", [None, "coco/3"])
def test_the_newer_layout(tmp_path: Path, told: str | None) -> None:
    described = {"model_id": told} if told else {}
    folder = write_package(packages_folder(tmp_path, "coco/3"), **described)
    assert find(tmp_path, "coco/3") == CachedModel("coco/3", folder, "package")


def test_a_package_of_another_model_is_not_taken(tmp_path: Path) -> None:
    write_package(packages_folder(tmp_path, "coco/3"), model_id="coco/4")
    assert find(tmp_path, "coco/3") is None


def test_a_package_for_another_backend_is_passed_over(tmp_path: Path) -> None:
    engine = write_package(packages_folder(tmp_path, "coco/3", "aaa"))
    (engine / "weights.onnx").rename(engine / "engine.plan")
    folder = write_package(packages_folder(tmp_path, "coco/3", "bbb"))
    found = find(tmp_path, "coco/3")
    assert found is not None
    assert found.directory == folder


def test_what_was_kept_under_an_alias(tmp_path: Path) -> None:
    folder = write_package(packages_folder(tmp_path, "yolov8n-640"))
    found = find(tmp_path, "coco/3", "yolov8n-640")
    assert found is not None
    assert found.directory == folder


def test_its_own_goes_first_and_counts_only_if_complete(tmp_path: Path) -> None:
    legacy = write_legacy_package(tmp_path / "coco" / "3")
    own = write_own(tmp_path, "coco/3")
    assert find(tmp_path, "coco/3") == CachedModel("coco/3", own, "own")
    (own / "weights.onnx").write_bytes(b"cut")
    assert find(tmp_path, "coco/3") == CachedModel("coco/3", legacy, "legacy")
    (own / ".origin.json").write_text("{")
    assert find(tmp_path, "coco/3") == CachedModel("coco/3", legacy, "legacy")


def test_everything_is_listed_with_its_size(tmp_path: Path) -> None:
    write_own(tmp_path, "coco/3")
    write_legacy_package(tmp_path / "people" / "2")
    write_package(packages_folder(tmp_path, "cars/1"), model_id="cars/1")
    (tmp_path / "mpipeline" / ".partial" / "coco" / "9").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    found = everything(tmp_path)
    assert [(model.model_id, model.layout) for model in found] == [
        ("cars/1", "package"),
        ("coco/3", "own"),
        ("people/2", "legacy"),
    ]
    assert found[0].bytes == sum(path.stat().st_size for path in found[0].directory.iterdir())
