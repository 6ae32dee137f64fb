"""The sidecar file, what is wrong with it, and what goes before what."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions, Normalisation
from mpipeline.models.options import ModelRequest, resolve_options
from mpipeline.models.sidecar import Sidecar, read_sidecar

COMPLETE = """\
family: yolox
names: {0: person, 2: car}
size: [416, 320]
confidence: 0.25
iou_threshold: 1
max_detections: 50
class_agnostic_nms: true
classes: [person, 2]
normalisation: {order: rgb, scale: 0.5, mean: [1, 2, 3], std: [1, 1, 2.5], pad: 0, resize: stretch}
"""


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "model.yaml").write_text(text)
    return tmp_path / "model.onnx"


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "model.onnx") is None
    assert read_sidecar(written(tmp_path, "")) == Sidecar()


def test_everything_it_can_say(tmp_path: Path) -> None:
    sidecar = read_sidecar(written(tmp_path, COMPLETE))
    resolved = resolve_options(ModelRequest(), sidecar)
    assert resolved.family == "yolox"
    assert resolved.options == ModelOptions(
        confidence=0.25,
        iou_threshold=1.0,
        max_detections=50,
        class_agnostic_nms=True,
        classes=("person", 2),
        names=("person", "1", "car"),
        size=(416, 320),
        normalisation=Normalisation("rgb", 0.5, (1, 2, 3), (1, 1, 2.5), 0, "stretch"),
    )
    assert "family" in resolved.notes[0]


def test_the_config_goes_before_the_sidecar(tmp_path: Path) -> None:
    sidecar = read_sidecar(written(tmp_path, COMPLETE))
    request = ModelRequest(family="yolo", confidence=0.9, classes=[1], class_agnostic_nms=False, names=["a", "b"])
    resolved = resolve_options(request, sidecar)
    assert resolved.family == "yolo"
    options = resolved.options
    assert (options.confidence, options.classes, options.class_agnostic_nms) == (0.9, (1,), False)
    assert options.names == ("a", "b")
    assert options.max_detections == 50
    assert "goes before the sidecar" in resolved.notes[1]


def test_names_of_the_config_may_be_a_mapping() -> None:
    resolved = resolve_options(ModelRequest(names={0: "person", 2: "car"}), None)
    assert resolved.options.names == ("person", "1", "car")


def test_nothing_said_leaves_the_defaults() -> None:
    resolved = resolve_options(ModelRequest(), None)
    assert resolved.options == ModelOptions()
    assert resolved.family is None
    assert resolved.notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: yolox\nconfidnce: 0.3\n", r"model.yaml:2: confidnce: unknown key; did you mean 'confidence'\?"),
        ("normalisation:\n  ordr: rgb\n", r"model.yaml:2: normalisation.ordr: unknown key; did you mean 'order'\?"),
        ("confidence: 1.5\n", r"model.yaml:1: confidence: input should be less than or equal to 1, found 1.5"),
        ("confidence: high\n", r"model.yaml:1: confidence: input should be a valid number, found 'high'"),
        ("size: [416]\n", r"model.yaml:1: size"),
        ("size:\n- 416\n- 0\n", r"model.yaml:3: size.1: input should be greater than or equal to 1, found 0"),
        ("normalisation: {std: [1, 0, 1]}\n", r"normalisation.std.1: input should be greater than 0"),
        (
            "normalisation: {resize: crop}\n",
            r"normalisation.resize: input should be 'letterbox' or 'stretch', found 'crop'",
        ),
        ("names: [1, 2]\n", r"model.yaml:1: names"),
        ("classes: [person, 1.5]\n", r"model.yaml:1: classes.1: .* found 1.5"),
        ("class_agnostic_nms: 1\n", r"class_agnostic_nms: input should be a valid boolean"),
        ("[1, 2]\n", r"expected keys such as family and names, found list"),
        ("family: [\n", r"is not YAML"),
        ("family: !!python/object:os.system x\n", r"is not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_sidecar(written(tmp_path, text))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        read_sidecar(written(tmp_path, "confidence: -1\niou_threshold: 2\nfamly: yolo\n"))
    assert len(str(error.value).splitlines()) == 3
