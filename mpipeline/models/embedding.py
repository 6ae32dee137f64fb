"""Image embeddings: models that make a vector of a picture (the picture side of CLIP, DINOv2, ResNet without its head).

Input: RGB, levels / 255, mean and deviation of ImageNet, or of CLIP if the output is called `image_embeds`. The shorter
side is resized to that of the (square) input, and the middle is cut out. Output: [B, D] or [B, D, 1, 1]. The vector is
brought to length 1, so that the sum of products of two is the cosine of the angle between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.frame import Frame
from mpipeline.models.architectures import EMBEDDING
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import batch_sentence, choose_size, describe, image_input
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Embedding
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

RECIPE = Recipe(
    order="rgb",
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    pad=0.0,
    resize="crop",
    smooth=True,
)
CLIP = replace(RECIPE, mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
_OF_CLIP = "image_embeds"
_NAMES = (_OF_CLIP, "image_embeddings", "embedding", "embeddings", "pooler_output")
_SIDE = 224  # of the input, where the file leaves it open


class ImageEmbedding:
    """A model that makes a vector of a picture."""

    task = EMBEDDING
    names: tuple[str, ...] = ()

    def __init__(self, info: ModelInfo, options: ModelOptions) -> None:
        image, output = image_input(info), _output(info)
        if options.names or options.classes:
            raise ModelError("names and classes are given, but an embedding has no classes")
        size, size_note = choose_size(image, options.size, (_SIDE, _SIDE), 1)
        self._output = output.name
        self.input_name, self.input_dtype, self.batch = image.name, image.dtype, image.batch
        self.input_shape = (3, size[1], size[0])
        recipe = CLIP if output.name == _OF_CLIP else RECIPE
        fed_note = f"Mean and deviation are those of {'CLIP' if recipe is CLIP else 'ImageNet'}, unless they are given."
        form_note = f"The output {describe(output)} is a vector for each frame: confidence has no effect."
        self.notes = (size_note, batch_sentence(image.batch), form_note, fed_note)
        self.preprocessor = Preprocessor(recipe.overridden(options.normalisation), size)

    @staticmethod
    def matches(info: ModelInfo) -> str | None:
        """An output that is called as embeddings are."""
        try:
            image_input(info)
            output = _output(info)
        except ModelError:
            return None
        return f"its output {describe(output)} has the name of an embedding" if output.name in _NAMES else None

    def preprocess(self, frame: Frame, row: Tensor) -> Geometry:
        """Writes the frame into `row`, C-contiguous (3, height, width) of `input_dtype`."""
        return self.preprocessor.run(frame, row)

    def postprocess(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Embedding]:
        """The vector of each row, of length 1; rows beyond `geometries` are padding."""
        output = outputs[self._output]
        if output.ndim not in (2, 4) or output.shape[2:] not in ((), (1, 1)) or len(output) < len(geometries):
            raise ModelError(f"the model gave {self._output} of shape {output.shape}; expected (batch, numbers)")
        return [Embedding(_of_length_one(vector.reshape(-1))) for vector in output[: len(geometries)]]


def _of_length_one(vector: Tensor) -> Tensor:
    numbers = vector.astype(np.float32)
    length = np.linalg.norm(numbers)
    return numbers / length if length else numbers


def _output(info: ModelInfo) -> TensorSpec:
    """The output that is called as embeddings are, or else the only one."""
    named = [spec for spec in info.outputs if spec.name in _NAMES]
    found = named or list(info.outputs)
    if len(found) == 1 and (len(found[0].shape) == 2 or (len(found[0].shape) == 4 and found[0].shape[2:] == (1, 1))):
        return found[0]
    there = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        f"an embedding is an output [batch, numbers], the only one or called {_NAMES}; this one has {there}"
    )
