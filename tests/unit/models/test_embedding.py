"""Image embeddings: against Pillow's resize and ONNX Runtime itself, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from support import reference_tasks as reference
from support.onnx_detectors import embedder
from support.photos import framed
from support.pictures import scene

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.errors import ModelError
from mpipeline.models.embedding import ImageEmbedding
from mpipeline.models.family import ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = Geometry(1.0, 1.0, 0.0, 0.0, 64, 64)


def info(*shapes: tuple[int | None, ...], name: str = "features", size: int | None = 64) -> ModelInfo:
    image = TensorSpec("images", (None, 3, size, size), np.dtype(np.float32))
    names = [name, *(f"other{i}" for i in range(len(shapes) - 1))]
    outputs = (TensorSpec(*each, np.dtype(np.float32)) for each in zip(names, shapes, strict=True))
    return ModelInfo((image,), tuple(outputs))


@pytest.mark.parametrize(("name", "normal"), [("image_embeds", CLIP), ("pooler_output", IMAGENET)])
def test_vectors_from_the_picture_on(name: str, normal: tuple, tmp_path: Path) -> None:
    path = embedder(tmp_path / "model.onnx", (64, 64), name=name)
    backend = OnnxRuntimeBackend(BackendOptions(str(path), threads=1))
    model = backend.open()
    family_class, why = choose_family(model, None)
    assert why == f"The family is embedding: its output {name} [?, 16] float32 has the name of an embedding."
    family = family_class(model, ModelOptions())
    session = onnxruntime.InferenceSession(str(path))
    for number, size in enumerate([(320, 240), (97, 201), (641, 361), (64, 64), (20, 30)]):
        picture = scene(*size, number)
        row = np.empty((1, *family.input_shape), np.float32)
        geometry = family.preprocess(framed(picture), row[0])
        (found,) = family.postprocess(backend.run({family.input_name: row}), [geometry])
        mean, std = (np.array(each, np.float32)[:, None, None] for each in normal)
        (expected,) = session.run(None, {"images": ((reference.cropped(picture, 64) - mean) / std)[None]})[0]
        assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
        assert found.vector @ expected / np.linalg.norm(expected) > 0.999
    backend.close()


def test_forms_of_output() -> None:
    family = ImageEmbedding(info((None, 2, 1, 1)), ModelOptions())
    found = family.postprocess({"features": np.array([[3, 4], [0, 0]], np.float32).reshape(2, 2, 1, 1)}, [PLAIN] * 2)
    assert [one.vector.tolist() for one in found] == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]
    half = family.postprocess({"features": np.array([[3, 4]], np.float16)}, [PLAIN])
    assert half[0].vector.dtype == np.float32
    assert ImageEmbedding(info((None, 8), size=None), ModelOptions()).input_shape == (3, 224, 224)
    several = info((None, 8), (None, 50, 8), name="pooler_output")
    assert choose_family(several, None)[0] is ImageEmbedding


def test_files_and_outputs_that_are_none() -> None:
    for wrong in (info((None, 8), (None, 8)), info((None, 50, 8)), info((None, 8, 7, 7))):
        with pytest.raises(ModelError, match="an embedding is an output"):
            ImageEmbedding(wrong, ModelOptions())
    with pytest.raises(ModelError, match="an embedding has no classes"):
        ImageEmbedding(info((None, 8)), ModelOptions(names=("a",)))
    assert ImageEmbedding.matches(info((None, 1000))) is None  # the classes of a classifier, as likely as not
    family = ImageEmbedding(info((None, 8)), ModelOptions())
    for output in (np.zeros((1, 8, 2)), np.zeros((1, 8, 2, 2)), np.zeros((0, 8))):
        with pytest.raises(ModelError, match="expected \\(batch, numbers\\)"):
            family.postprocess({"features": output.astype(np.float32)}, [PLAIN])
