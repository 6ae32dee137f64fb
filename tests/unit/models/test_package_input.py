"""What packages say of their pictures, in both dialects, and what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from support.model_hub import INFERENCE_CONFIG

from mpipeline.errors import ModelError
from mpipeline.models.package_input import PackageInput, from_environment, from_inference_config


def environment(**steps: Any) -> dict[str, Any]:
    return {"PREPROCESSING": steps}


def resized(form: str) -> dict[str, Any]:
    return {"enabled": True, "width": 640, "height": 480, "format": form}


def config(**network: Any) -> dict[str, Any]:
    content = copy.deepcopy(INFERENCE_CONFIG)
    content["network_input"].update(network)
    return content


@pytest.mark.parametrize(
    ("form", "resize", "pad"),
    [
        ("Stretch to", "stretch", None),
        ("Fit (black edges) in", "letterbox", 0.0),
        ("Fit (white edges) in", "letterbox", 255.0),
        ("Fit (grey edges) in", "letterbox", 114.0),
    ],
)
def test_the_older_dialect(form: str, resize: Any, pad: float | None) -> None:
    assert from_environment(environment(resize=resized(form))) == PackageInput(resize, pad, (640, 480))


def test_the_steps_may_be_a_text_and_numbers_too() -> None:
    steps = json.dumps({"resize": {"width": "320", "height": "320", "format": "Stretch to"}})
    assert from_environment({"PREPROCESSING": steps}) == PackageInput("stretch", None, (320, 320))


@pytest.mark.parametrize(
    ("content", "size"),
    [
        ({}, None),
        ({"PREPROCESSING": {}}, None),
        ({"RESOLUTION": 224}, (224, 224)),
        ({"RESOLUTION": [480, 640]}, (640, 480)),
    ],
)
def test_what_is_not_said(content: dict[str, Any], size: tuple[int, int] | None) -> None:
    assert from_environment(content) == PackageInput("stretch", None, size)


@pytest.mark.parametrize("step", ["static-crop", "grayscale", "contrast", "tile", "something-new"])
def test_steps_that_are_not_done_are_refused_if_they_are_on(step: str) -> None:
    for content, read in (
        (environment(**{step: {"enabled": True}}), from_environment),
        ({**INFERENCE_CONFIG, "image_pre_processing": {step: {"enabled": True}}}, from_inference_config),
    ):
        with pytest.raises(ModelError, match=f"step '{step}', which is not supported"):
            read(content)
    assert from_environment(environment(**{step: {"enabled": False}})).resize == "stretch"
    assert from_environment(environment(**{step: {}, "auto-orient": {"enabled": True}})).resize == "stretch"


@pytest.mark.parametrize("form", ["Fit (reflect edges) in", "Fit within", "Fill (with center crop) in", "new", 3])
def test_forms_that_are_not_known(form: Any) -> None:
    with pytest.raises(ModelError, match="which is not supported here; what is: 'Stretch to'"):
        from_environment(environment(resize=resized(form)))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({}, PackageInput("letterbox", 127.0, (64, 64), "rgb", 1 / 255, None, None, 4)),
        ({"resize_mode": "stretch"}, PackageInput("stretch", None, (64, 64), "rgb", 1 / 255, None, None, 4)),
        (
            {"resize_mode": "fit-longer-edge", "padding_value": None},
            PackageInput("letterbox", 127.0, (64, 64), "rgb", 1 / 255, None, None, 4),
        ),
        ({"padding_value": None}, PackageInput("letterbox", 0.0, (64, 64), "rgb", 1 / 255, None, None, 4)),
        (
            {"color_mode": "bgr", "scaling_factor": None, "normalization": [[1, 2, 3], [4, 5, 6.5]]},
            PackageInput("letterbox", 127.0, (64, 64), "bgr", 1.0, (1.0, 2.0, 3.0), (4.0, 5.0, 6.5), 4),
        ),
        (
            {"training_input_size": {"height": 480, "width": 640}},
            PackageInput("letterbox", 127.0, (640, 480), "rgb", 1 / 255, None, None, 4),
        ),
        ({"training_input_size": None}, PackageInput("letterbox", 127.0, None, "rgb", 1 / 255, None, None, 4)),
    ],
)
def test_the_newer_dialect(network: dict[str, Any], expected: PackageInput) -> None:
    assert from_inference_config(config(**network)) == expected


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"resize_mode": "center-crop"}, "'center-crop', which is not supported"),
        ({"resize_mode": "letterbox-reflect-edges"}, "not supported"),
        ({"padding_value": 256}, "padding_value: expected a level between 0 and 255"),
        ({"input_channels": 1}, "input_channels is 1"),
        ({"color_mode": "hsv"}, "color_mode: expected rgb or bgr"),
        ({"scaling_factor": 0}, "scaling_factor: expected a number above 0"),
        ({"scaling_factor": "255"}, "scaling_factor"),
        ({"normalization": [[0, 0, 0]]}, "normalization: expected"),
        ({"normalization": [[0, 0, 0], [1, 1, 0]]}, "deviations must be above 0"),
        ({"normalization": [[0, 0, 0], [1, 1, True]]}, "normalization: expected"),
        ({"training_input_size": {"height": -1, "width": 64}}, "1 to 65535 pixels"),
        ({"training_input_size": {"height": "tall", "width": 64}}, "in pixels"),
        ({"training_input_size": [64, 64]}, "expected a mapping"),
        ({"dataset_version_resize_dimensions": {"height": 100, "width": 200}}, "two steps"),
    ],
)
def test_what_is_wrong_or_cannot_be_done(network: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        from_inference_config(config(**network))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"network_input": []}, None),
        ({"network_input": [1]}, "network_input: expected a mapping"),
        ({"class_names_operations": [{"type": "class_name_removal"}]}, "class_names_operations"),
        ({"forward_pass": {"max_dynamic_batch_size": 0}}, "max_dynamic_batch_size"),
    ],
)
def test_the_whole_file(content: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert from_inference_config(content).resize == "stretch"
        return
    with pytest.raises(ModelError, match=words):
        from_inference_config(content)


def test_a_text_of_steps_that_is_no_json() -> None:
    with pytest.raises(ModelError, match="PREPROCESSING is a text that is not JSON"):
        from_environment({"PREPROCESSING": "{"})
    with pytest.raises(ModelError, match="PREPROCESSING: expected a mapping"):
        from_environment({"PREPROCESSING": [1]})
