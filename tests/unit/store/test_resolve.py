"""What a word means: a path or an id; and what is said when it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.model_hub import small_detector, write_legacy_package, write_package

from mpipeline.config.environment import StoreSettings
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ConfigError, ModelError, ModelUnavailable, Reason
from mpipeline.store.resolve import located, resolve


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(tmp_path / "cache", "", "http://127.0.0.1:9")


def test_a_file_and_a_package(tmp_path: Path, settings: StoreSettings) -> None:
    file = small_detector(tmp_path / "model.onnx")
    found = resolve(file, settings=settings)
    assert (found.path, found.package.weights, found.origin, found.model_id) == (file, file, "path", None)
    folder = write_package(tmp_path / "package")
    found = resolve(str(folder), settings=settings)
    assert (found.path, found.package.weights, found.origin) == (folder, folder / "weights.onnx", "path")


@pytest.mark.parametrize("name", ["coco/3", "yolov8n-640"])
def test_a_model_of_the_cache_needs_no_network(settings: StoreSettings, name: str) -> None:
    folder = write_legacy_package(settings.cache / "coco" / "3")
    found = resolve(name, settings=settings)
    assert (found.path, found.origin, found.model_id) == (folder, "cache", "coco/3")
    assert found.package.said.class_names() == ("ball", "box", "cone")


def test_a_path_goes_before_an_id(tmp_path: Path, settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_legacy_package(settings.cache / "coco" / "3")
    write_package(tmp_path / "coco" / "3")
    monkeypatch.chdir(tmp_path)
    assert resolve("coco/3", settings=settings).path == Path("coco/3")


def test_without_a_key_it_is_told_what_to_set(settings: StoreSettings) -> None:
    with pytest.raises(
        ModelUnavailable, match=r"'yolov8n-640' \(coco/3\) is not in the cache .* ROBOFLOW_API_KEY"
    ) as caught:
        resolve("yolov8n-640", settings=settings)
    assert caught.value.reason is Reason.AUTH_FAILED


def test_offline_nothing_is_fetched(settings: StoreSettings) -> None:
    offline = StoreSettings(settings.cache, "key", settings.api_url, offline=True)
    with pytest.raises(ModelUnavailable, match="OFFLINE_MODE forbids"):
        resolve("coco/3", settings=offline)


def test_whoever_does_not_want_to_fetch_is_told_how(settings: StoreSettings) -> None:
    with pytest.raises(ModelUnavailable, match="mpipeline models pull coco/3"):
        resolve("coco/3", settings=settings, fetch=False, api_key="key")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.onnx", "no such model file"),
        ("dir/dir/missing", "expected an ONNX file"),
        ("model.engine", "no such model file"),
        ("model.pt", "expected an ONNX file"),
    ],
)
def test_paths_that_are_none(name: str, words: str, settings: StoreSettings) -> None:
    with pytest.raises(ModelError, match=words):
        resolve(name, settings=settings)


def test_a_configs_model_gets_the_path_and_keeps_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_package(tmp_path / "coco" / "3")
    (folder / "model_config.json").rename(folder / "x")
    write_legacy_package(folder)
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path))
    spec = located(ModelSpec(id="yolov8n-640", confidence=0.7))
    assert spec == ModelSpec(path=folder, confidence=0.7)
    assert spec.given() == {"path": folder, "confidence": 0.7}


def test_a_configs_path_is_looked_at_if_it_is_a_package_or_an_engine(tmp_path: Path) -> None:
    plain = ModelSpec(path=tmp_path / "any.onnx")
    assert located(plain) is plain
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="no weights"):
        located(ModelSpec(path=tmp_path / "folder"))
    with pytest.raises(ModelError, match="no such model file"):
        located(ModelSpec(path=tmp_path / "model.engine"))


def test_a_cache_that_is_broken_says_where(settings: StoreSettings) -> None:
    folder = write_legacy_package(settings.cache / "coco" / "3")
    (folder / "environment.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"environment\.json: expected a JSON object"):
        resolve("coco/3", settings=settings)
