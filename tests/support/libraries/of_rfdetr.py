"""What `rfdetr` makes of outputs. They are random: a model of this library wants the weights of its backbone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from support.libraries.kept import Array, Found, Picture, Port, Results
from support.libraries.running import PICTURES

CONFIDENCE = 0.4


def _ports(size: tuple[int, int], outputs: dict[str, Array], image: str) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    inputs = (Port(image, (1, 3, size[1], size[0]), "float32"),)
    return inputs, tuple(Port(name, (1, *value.shape), "float32") for name, value in outputs.items())


def _rfdetr(folder: Path, masks: bool) -> Results:
    import torch
    from rfdetr.models.postprocess import PostProcess

    size, queries, columns = (112, 84), 20, 4
    pictures = []
    for width, height, seed in PICTURES:
        rng = np.random.default_rng(seed)
        outputs = {
            "dets": (1 / (1 + np.exp(-rng.normal(0, 1, (queries, 4))))).astype(np.float32),
            "labels": rng.normal(-2, 2, (queries, columns)).astype(np.float32),
        }
        given = {"pred_boxes": outputs["dets"], "pred_logits": outputs["labels"]}
        if masks:
            given["pred_masks"] = outputs["masks"] = rng.normal(0, 1, (queries, 5, 6)).astype(np.float32)
        tensors = {key: torch.from_numpy(value[None]) for key, value in given.items()}
        (found,) = PostProcess(num_select=queries)(tensors, torch.tensor([[height, width]]))
        sure = (found["scores"] > CONFIDENCE) & (found["labels"] < columns - 1)  # the last column is no object
        covers = found["masks"][sure].numpy().reshape(-1, height, width) if masks else None
        boxes = found["boxes"][sure].numpy().clip(0, [width, height] * 2)
        columns_found = (boxes, found["scores"][sure].numpy(), found["labels"][sure].numpy())
        pictures.append(Picture(width, height, seed, outputs, Found(*columns_found, masks=covers)))
    ports = _ports(size, pictures[0].outputs, "input")  # type: ignore[arg-type]
    library = f"rfdetr {metadata.version('rfdetr')}"
    return Results(library, "rfdetr", *ports, tuple(pictures), {"confidence": CONFIDENCE})


CASES: dict[str, Callable[[Path], Results]] = {
    "rfdetr": partial(_rfdetr, masks=False),
    "rfdetr-masks": partial(_rfdetr, masks=True),
}
