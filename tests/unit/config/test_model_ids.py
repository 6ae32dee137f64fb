"""Models by id in a config and on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mpipeline.config.load import config_from_arguments, load_config, model_key
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ConfigError

CONFIG = "sources: [{uri: shop.mp4}]\nsinks: [{kind: box, path: x}]\n"


def test_an_id_needs_no_file(folder: Path) -> None:
    (folder / "run.yaml").write_text(CONFIG + "model: {id: yolov8n-640, confidence: 0.6}\n")
    model = load_config(folder / "run.yaml").model
    assert (model.id, model.path, model.target) == ("yolov8n-640", None, None)
    assert ModelSpec.from_mapping(json.loads(json.dumps(model.to_mapping()))) == model


@pytest.mark.parametrize(("other", "key"), [("path: model.onnx", "path"), ("target: 'a:b'", "target")])
def test_an_id_beside_something_else_is_refused(folder: Path, other: str, key: str) -> None:
    (folder / "run.yaml").write_text(CONFIG + f"model: {{id: coco/3, {other}}}\n")
    with pytest.raises(ConfigError, match=f"there is a {key} already|not for backend 'python'"):
        load_config(folder / "run.yaml")


def test_a_package_is_a_path(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "model_config.json").touch()
    (folder / "run.yaml").write_text(CONFIG + "model: {path: package}\n")
    assert load_config(folder / "run.yaml").model.path == Path("package")


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("model.onnx", "path"),
        ("missing.onnx", "path"),
        ("missing.ENGINE", "path"),
        ("dir/missing.onnx", "path"),
        ("./coco/3", "path"),
        ("/coco/3", "path"),
        ("a/b/c", "path"),
        ("~nobody-of-that-name/x", "path"),
        ("\0", "path"),
        ("", "path"),
        ("module:Class", "target"),
        ("a.b:c.d", "target"),
        ("yolov8n-640", "id"),
        ("coco/3", "id"),
        ("my-project_1/2", "id"),
    ],
)
def test_what_a_word_of_the_command_line_means(word: str, key: str, folder: Path) -> None:
    assert model_key(word) == key


def test_what_exists_is_a_path(folder: Path) -> None:
    (folder / "coco" / "3").mkdir(parents=True)
    (folder / "yolov8n-640").touch()
    assert {model_key("coco/3"), model_key("yolov8n-640")} == {"path"}


def test_arguments_with_an_id(folder: Path) -> None:
    assert config_from_arguments(["shop.mp4"], "coco/3", sinks_required=False).model.id == "coco/3"
