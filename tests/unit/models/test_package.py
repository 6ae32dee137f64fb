"""Model packages: both layouts, what is missing in them, and how what they say is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.model_hub import INFERENCE_CONFIG, NAMES, small_detector, write_legacy_package, write_package

from mpipeline.errors import ModelError
from mpipeline.models.family import Normalisation
from mpipeline.models.options import ModelRequest, resolve_options
from mpipeline.models.package import is_package, open_package, read_package
from mpipeline.models.sidecar import Sidecar


def test_the_newer_layout(tmp_path: Path) -> None:
    package = read_package(write_package(tmp_path))
    assert package.weights == tmp_path / "weights.onnx"
    assert (package.directory, package.task, package.architecture) == (tmp_path, "object-detection", "yolov8")
    assert (package.said.family, package.said.size, package.max_batch) == ("yolo", (64, 64), 4)
    assert package.said.class_names() == tuple(NAMES)
    assert package.said.normalisation is not None
    assert (package.said.normalisation.resize, package.said.normalisation.pad) == ("letterbox", 127)


def test_the_older_layout(tmp_path: Path) -> None:
    package = open_package(write_legacy_package(tmp_path))
    assert (package.said.family, package.said.size, package.max_batch) == ("yolo", (64, 64), None)
    assert package.said.normalisation is not None
    assert (package.said.normalisation.resize, package.said.normalisation.pad) == ("letterbox", 114)
    assert package.said.normalisation.scale is None


def test_a_file_says_nothing(tmp_path: Path) -> None:
    package = open_package(small_detector(tmp_path / "m.onnx"))
    assert (package.directory, package.said) == (None, Sidecar())


def test_names_are_optional_and_may_hold_spaces(tmp_path: Path) -> None:
    names = write_package(tmp_path) / "class_names.txt"
    names.write_text("\ufeffhard hat\r\nno hard hat\r\n\r\n", encoding="utf-8")
    assert read_package(tmp_path).said.names == ("hard hat", "no hard hat")
    names.unlink()
    assert read_package(tmp_path).said.names is None
    names.write_text("a\n\nb\n")
    with pytest.raises(ModelError, match=r"class_names\.txt:2: an empty line"):
        read_package(tmp_path)


@pytest.mark.parametrize(
    ("remove", "words"),
    [
        ("weights.onnx", "there is no weights.onnx; found: class_names.txt"),
        ("inference_config.json", r"inference_config\.json: is missing"),
        ("model_config.json", "is no model package"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, remove: str, words: str) -> None:
    (write_package(tmp_path) / remove).unlink()
    with pytest.raises(ModelError, match=words):
        open_package(tmp_path)


def test_without_weights_it_can_be_read_if_asked_so(tmp_path: Path) -> None:
    (write_package(tmp_path) / "weights.onnx").unlink()
    assert read_package(tmp_path, with_weights=False).architecture == "yolov8"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("model_config.json", "{", "is not JSON"),
        ("model_config.json", "[]", "expected a JSON object, found list"),
        ("model_config.json", "{}", "model_architecture is missing"),
        ("inference_config.json", "[" * 100_000, "is not JSON"),
        ("inference_config.json", "\xff", "cannot be read"),
        ("class_names.txt", "x" * (9 << 20), "is larger than 8 MiB"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path: Path, file: str, content: str, words: str) -> None:
    (write_package(tmp_path) / file).write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match=words) as caught:
        open_package(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_another_backend_and_an_engine(tmp_path: Path) -> None:
    write_package(tmp_path, backend_type="trt")
    with pytest.raises(ModelError, match="is for 'trt'"):
        open_package(tmp_path)
    (tmp_path / "weights.onnx").rename(tmp_path / "engine.plan")
    with pytest.raises(ModelError, match=r"has a TensorRT engine, but no weights\.onnx"):
        open_package(tmp_path)


def test_the_way_out_is_told_with_a_refusal(tmp_path: Path) -> None:
    write_package(tmp_path, config={**INFERENCE_CONFIG, "image_pre_processing": {"contrast": {"enabled": True}}})
    with pytest.raises(ModelError, match=r"'contrast'.*give its path: .*weights\.onnx"):
        open_package(tmp_path)


def test_what_looks_like_a_package(tmp_path: Path) -> None:
    assert not is_package(tmp_path)
    (tmp_path / "model_type.json").write_text(json.dumps({}))
    assert is_package(tmp_path)


def test_config_goes_before_sidecar_before_package(tmp_path: Path) -> None:
    said = read_package(write_package(tmp_path)).said
    sidecar = Sidecar(names=("a", "b", "c"), confidence=0.6)
    resolved = resolve_options(ModelRequest(size=(128, 128)), sidecar, said)
    assert resolved.family == "yolo"
    assert (resolved.options.size, resolved.options.names) == ((128, 128), ("a", "b", "c"))
    assert resolved.options.confidence == 0.6
    assert resolved.options.normalisation == Normalisation("rgb", 1 / 255, None, None, 127.0, "letterbox")
    assert resolved.notes == (
        "The sidecar file says confidence, names.",
        "The model package says family, normalisation.",
        "The config says size otherwise and goes before the model package.",
        "The sidecar file says names otherwise and goes before the model package.",
    )
