"""Is a model file whole? Told without a library for ONNX, and of whole files never the contrary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.onnx_models import detector, mean_of_image

from mpipeline.errors import ModelError
from mpipeline.models.onnx_file import check_whole


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return detector(tmp_path / "m.onnx", np.ones((5, 6), "float32"), metadata={"names": "{0: 'person'}"})


def test_whole_files_are_whole(tmp_path: Path, whole: Path) -> None:
    check_whole(whole)
    check_whole(mean_of_image(tmp_path / "mean.onnx"))
    check_whole(detector(tmp_path / "outside.onnx", np.ones((5, 6), "float32"), external_data=True))


def test_cut_off_anywhere_in_its_graph_it_is_not(tmp_path: Path, whole: Path) -> None:
    import onnx

    content = whole.read_bytes()
    graph = onnx.load(whole).graph.SerializeToString()
    end_of_graph = content.index(graph) + len(graph)
    for length in range(end_of_graph):
        (cut := tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(
            ModelError, match=r"cut\.onnx: (is cut off|the model file is empty).*copy or export it again"
        ):
            check_whole(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\n",
        b"<!DOCTYPE html>",
        b"{}",
        bytes(500),
        b"PK\x03\x04",
        b"\xff" * 30,
    ],
)
def test_what_is_something_else_is_shown(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.onnx: is not an ONNX file, it begins with b['\"]"):
        check_whole(path)


@pytest.mark.parametrize("length", [b"\xff" * 9 + b"\x01", b"\xff" * 8 + b"\x7f", b"\x80" * 4 + b"\x08"])
def test_a_length_that_no_field_has_is_damage(tmp_path: Path, length: bytes) -> None:
    (path := tmp_path / "m.onnx").write_bytes(b"\x08\x07\x3a" + length)
    with pytest.raises(ModelError, match=r"m\.onnx: is damaged from byte 2 on"):
        check_whole(path)


def test_zeros_behind_its_end_do_not_belong_to_it(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes() + bytes(64))
    with pytest.raises(ModelError, match="is damaged"):
        check_whole(whole)
